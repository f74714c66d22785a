"""What destroyed runs before: each of these was seen, and none may happen again."""

import contextlib
import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest
import safetensors.numpy
from running import SCRIPTS, SMALL, start, train, wait_for

from lstm_lm.keep import checkpoint, metrics, tensor_file
from lstm_lm.keep.folder import RunFolder, numbered
from lstm_lm.keep.owner import Owner
from lstm_spec import InputError

FILES = ("metrics.jsonl", "last.safetensors", "best.safetensors", "config.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run, whose folder is called `run` in whatever folder it is copied to."""
    place = tmp_path_factory.mktemp("made")
    old = os.getcwd()
    os.chdir(place)
    try:
        assert train(*SMALL, "--steps", 40, "--out", "run") == 0
    finally:
        os.chdir(old)
    return place / "run"


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "run")
    return tmp_path / "run"


def contents(folder, names=FILES):
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def refused(capsys, *arguments):
    """A command's one message, having changed nothing."""
    capsys.readouterr()
    assert train(*arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("train.py: ")
    assert "Traceback" not in errors
    assert len(errors.splitlines()) == 1, errors
    return errors


# A. Nothing is begun anew where something is.


@pytest.mark.parametrize("how", ["gone", "dangling", "a folder", "unreadable"])
def test_a_run_without_its_last_checkpoint_is_left_alone(how, run, capsys):
    (run / "last.safetensors").unlink()
    if how == "dangling":
        (run / "last.safetensors").symlink_to("/nowhere/last.safetensors")
    elif how == "a folder":
        (run / "last.safetensors").mkdir()
    elif how == "unreadable":
        (run / "last.safetensors").write_bytes(b"?")
    before = contents(run)
    errors = refused(capsys, "--resume", "run")
    assert "run/last.safetensors" in errors
    assert "nothing was changed" in errors
    assert "best.safetensors (update" in errors
    assert "metrics.jsonl (44 lines)" in errors
    assert "--resume run --from-best" in errors
    assert contents(run) == before


def test_going_on_from_the_best(run, capsys):
    """The best is put back to be the last one; what came after it is kept aside."""
    whole = contents(run)
    step = checkpoint.load(run / "best.safetensors").step
    (run / "last.safetensors").unlink()
    (run / "metrics.jsonl").write_bytes(whole["metrics.jsonl"] + b"rest\n")
    assert train("--resume", "run", "--from-best") == 0
    assert contents(run) == whole
    assert f"from update {step}" in capsys.readouterr().out
    aside = (run / "metrics-before-1.jsonl").read_bytes()
    assert aside == whole["metrics.jsonl"] + b"rest\n"


def test_a_folder_that_holds_nothing(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    errors = refused(capsys, "--resume", tmp_path)
    assert "there is nothing to go on from: begin anew in another folder with --out" in errors
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


# B. Configuration and metrics belong to the checkpoint.


def test_a_changed_line_of_the_metrics_is_refused(run, capsys):
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2].replace("step", "stop"), *lines[3:]]))
    before = contents(run)
    assert "run/metrics.jsonl: line 3: not what the run has written" in refused(
        capsys, "--resume", "run"
    )
    assert contents(run) == before
    path.write_text("".join([*lines[:2], lines[2].replace(": 0.", ": 1.", 1), *lines[3:]]))
    assert "run/metrics.jsonl: one of lines 1 to 44" in refused(capsys, "--resume", "run")
    path.write_text("".join(lines[:-1]))
    assert "its checkpoint counts" in refused(capsys, "--resume", "run")


def test_where_long_metrics_are_damaged(tmp_path):
    """Marks place it between two of them, however long they are."""
    path = tmp_path / "m"
    writer = metrics.Writer(path, b"")
    for step in range(1, 10_001):
        writer.append({"step": step, "loss": 1.0, "norm": 1.0, "rate": 1.0})
    extent = writer.flushed()
    assert len(extent.marks) <= metrics.MOST_MARKS
    text = path.read_text().splitlines(keepends=True)
    text[7000] = text[7000].replace("1.0", "1.1", 1)
    path.write_text("".join(text))
    with pytest.raises(InputError, match="one of lines") as error:
        metrics.committed(path, extent)
    low, high = str(error.value).split("lines ")[1].split(":")[0].replace(",", "").split(" to ")
    assert int(low) <= 7001 <= int(high)
    assert int(high) - int(low) < 2 * extent.spacing


@pytest.mark.parametrize(("name", "value"), [("steps", 50), ("patience", 3), ("seed", 1)])
def test_a_changed_configuration_is_refused(name, value, run, capsys):
    path = run / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}, indent=1) + "\n")
    assert (
        f"config.json: is not the configuration of last.safetensors ({name} is {value}"
        in refused(capsys, "--resume", "run")
    )


def test_a_lost_configuration_comes_back(run):
    before = contents(run)
    (run / "config.json").unlink()
    assert train("--resume", "run") == 0
    assert contents(run) == before


def test_what_stands_behind_the_commit_is_cut_off_and_told(run, capsys):
    before = contents(run)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 41, "loss": 1.0, "norm": 1.0, "rate": 0.1}\n{"step": 4')
    assert train("--resume", "run") == 0
    said = capsys.readouterr().out
    assert "metrics.jsonl: 2 lines (62 bytes) after the checkpoint at update 40 cut off" in said
    assert contents(run) == before


def test_metrics_are_flushed_before_the_checkpoint(tmp_path, monkeypatch):
    flushed = []
    sync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda d: (flushed.append(os.readlink(f"/proc/self/fd/{d}")), sync(d))
    )
    assert train(*SMALL, "--steps", 10, "--out", tmp_path / "run") == 0
    names = [os.path.basename(name) for name in flushed]
    last = [k for k, name in enumerate(names) if name == "metrics.jsonl"]
    assert last
    assert any(name.startswith(".writing-") for name in names[last[-1] :])


# C. One owner.


def test_a_second_writer_is_told_who_holds_the_folder(run, capsys):
    owner = Owner(run)
    owner.take()
    before = contents(run)
    for arguments in (
        ("--resume", "run"),
        (*SMALL, "--steps", 10, "--out", "run", "--overwrite"),
        (*SMALL, "--steps", 10, "--out", "run"),
    ):
        errors = refused(capsys, *arguments)
        assert f"run: is being written by process {os.getpid()} on " in errors
    assert contents(run) == before
    owner.release()
    assert train("--resume", "run") == 0
    assert not (run / ".owner").exists()


def test_who_has_just_taken_the_folder_is_waited_for(run, capsys, monkeypatch):
    owner, sign = Owner(run), Owner._sign
    monkeypatch.setattr(Owner, "_sign", lambda owner: None)
    owner.take()
    late = threading.Timer(0.1, sign, [owner])
    late.start()
    assert f"is being written by process {os.getpid()} on" in refused(capsys, "--resume", "run")
    late.join()
    owner.release()


def test_the_lock_of_a_dead_process_is_free(run, tmp_path):
    program = (
        "import os, pathlib\nfrom lstm_lm.keep.owner import Owner\n"
        "Owner(pathlib.Path('run')).take()\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert (run / ".owner").exists()
    assert train("--resume", "run") == 0


def test_unfinished_files_of_the_living_stay(run):
    host = next(iter([os.uname().nodename]))
    plain = "".join(c if c.isalnum() else "_" for c in host)[:60]
    dead = subprocess.Popen(["true"])
    dead.wait()
    living, ended = (run / f".writing-{plain}-{pid}-0a" for pid in (os.getppid(), dead.pid))
    other = run / ".writing-elsewhere-1-0a"
    for file in (living, ended, other):
        file.write_bytes(b"")
    assert train("--resume", "run") == 0
    assert (living.exists(), ended.exists(), other.exists()) == (True, False, True)


def test_numbers_are_taken_once(tmp_path):
    found, barrier = [], threading.Barrier(8)

    def take():
        barrier.wait()
        for _ in range(20):
            found.append(numbered("text", tmp_path))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(p.name for p in found) == sorted(f"text-{n}" for n in range(1, 161))


# D. Sizes before contents, regular files only.


def sparse(path, size, header=b""):
    with path.open("wb") as file:
        file.write(header)
        file.truncate(size)


@contextlib.contextmanager
def little_memory():
    """What is done inside takes no memory for what a file claims to hold."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


def test_a_sparse_file_is_refused_before_it_is_read(run, capsys):
    claimed = {"W_v": {"dtype": "F32", "shape": [2**34], "data_offsets": [0, 2**36]}}
    text = json.dumps(claimed).encode()
    for size, header in {
        2**36 + 8 + len(text): struct.pack("<Q", len(text)) + text,
        3 * 2**30: struct.pack("<Q", 2**33),
        2**32: b"",
    }.items():
        sparse(run / "last.safetensors", size, header)
        with little_memory():
            assert "last.safetensors: not a checkpoint" in refused(capsys, "--resume", "run")


def test_a_file_larger_than_the_machine_is_refused(tmp_path):
    path = tmp_path / "c"
    claimed = {"a": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}
    text = json.dumps(claimed).encode()
    sparse(path, 2**43 + 8 + len(text), struct.pack("<Q", len(text)) + text)
    with pytest.raises(InputError, match=r"8192\.0 GiB, this machine has"):
        tensor_file.opened(path).tensors()


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "last.safetensors"])
@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_is_no_regular_file_is_refused(name, kind, run, capsys):
    path = run / name
    path.unlink()
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert f"run/{name}: is a {kind}, expected" in refused(capsys, "--resume", "run")


def test_metrics_of_one_endless_line_are_no_lines(run, capsys):
    """Beside a lost checkpoint too, where their lines are counted."""
    sparse(run / "metrics.jsonl", 2**36)
    assert "metrics.jsonl: " in refused(capsys, "--resume", "run")
    (run / "last.safetensors").unlink()
    with little_memory():
        assert "lines)" not in refused(capsys, "--resume", "run")


def test_a_configuration_of_many_bytes_is_refused(run, capsys):
    sparse(run / "config.json", 2**32)
    assert "config.json: 4,294,967,296 bytes, expected" in refused(capsys, "--resume", "run")


# G. The best checkpoint belongs to the run.


@pytest.mark.parametrize("how", ["another seed's", "damaged", "gone"])
def test_a_best_that_is_not_the_runs_is_refused(how, run, tmp_path, capsys):
    best = run / "best.safetensors"
    if how == "another seed's":
        assert train(*SMALL, "--steps", 40, "--seed", 5, "--out", tmp_path / "other") == 0
        shutil.copy(tmp_path / "other" / "best.safetensors", best)
    elif how == "damaged":
        content = bytearray(best.read_bytes())
        content[-3] ^= 1
        best.write_bytes(content)
    else:
        best.unlink()
    before = contents(run)
    errors = refused(capsys, "--resume", "run")
    assert "run/best.safetensors" in errors
    assert "--resume run --forget-best" in errors
    assert contents(run) == before


def test_going_on_without_the_best(run):
    (run / "best.safetensors").write_bytes(b"?")
    assert train("--resume", "run", "--forget-best", "--steps", 60) == 0
    assert checkpoint.load(run / "best.safetensors").step in (50, 60)
    assert (run / "best-before-1.safetensors").read_bytes() == b"?"
    assert train("--resume", "run", "--steps", 70) == 0


# H, I. No traceback, and the file is named.


def deep(depth=100_000):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl"])
@pytest.mark.parametrize(
    "text", [deep(), '{"step": "1"}\n', '{"step": null, "loss": 1}\n', "", "\x00", "[1]"]
)
def test_contents_that_are_none(name, text, run, capsys):
    (run / name).write_text(text)
    assert f"run/{name}: " in refused(capsys, "--resume", "run")


def test_a_path_with_nul(capsys):
    assert "no such folder" in refused(capsys, "--resume", "a\0b")


def test_what_may_not_be_read_is_named(run, capsys, monkeypatch):
    """The system's refusal is played, for root may read everything."""
    whole = os.open

    def denied(path, *arguments, **options):
        if str(path).endswith("last.safetensors"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(os, "open", denied)
    errors = refused(capsys, "--resume", "run")
    assert "run/last.safetensors: cannot be read: Permission denied" in errors


@pytest.mark.parametrize("best", [None, {"step": 10, "sha256": "0" * 64}])
def test_a_checkpoint_that_names_another_best_than_was_measured(best, run, capsys):
    last = run / "last.safetensors"
    size = int.from_bytes(last.read_bytes()[:8], "little")
    header = json.loads(last.read_bytes()[8 : 8 + size])
    content = json.loads(header["__metadata__"][checkpoint.KEY])
    tensors = safetensors.numpy.load_file(last)
    content["commit"]["best"] = best
    content["sha256"] = checkpoint.digest(content, tensors)
    safetensors.numpy.save_file(tensors, last, {checkpoint.KEY: json.dumps(content)})
    assert "last.safetensors: best: got update" in refused(capsys, "--resume", "run")


# E, F. Signals.


def finished(*arguments, **options):
    """A command's exit code."""
    process = start(*arguments, **options)
    process.communicate()
    return process.returncode


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def heard():
    """Signals are heard, also where the tests themselves run under nohup."""
    old = {number: signal.signal(number, signal.SIG_DFL) for number in CODES}
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", CODES)
def test_a_signal_ends_a_run_that_goes_on_as_if_nothing_had_been(number, tmp_path):
    common = [*SMALL, "--steps", 1000, "--evaluate-every", 250]
    assert finished(*common, "--out", "run", cwd=tmp_path) == 0
    (tmp_path / "run").rename(tmp_path / "whole")
    process = start(*common, "--out", "run", cwd=tmp_path)
    wait_for(tmp_path / "run" / "metrics.jsonl", process)
    time.sleep(0.2)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == CODES[number], errors
    assert errors == ""
    assert out.count("go on with --resume run") == 1
    last = checkpoint.load(tmp_path / "run" / "last.safetensors")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert last.step == sum('"loss"' in line for line in lines) > 0  # no update is lost
    assert finished("--resume", "run", cwd=tmp_path) == 0
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.45, 0.6, 0.8])
def test_a_signal_while_a_run_starts(seconds, tmp_path):
    """With processes of its own, which start then as well."""
    arguments = ["--hidden", 64, "--batch", 32, "--steps", 10**6, "--out", "run"]
    process = start(*arguments, cwd=tmp_path)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, ""), out
    assert out.count("stopped") == 1


def test_the_second_signal_ends_at_once(tmp_path):
    program = (
        "import os, signal, time\nfrom lstm_lm.keep import signals\n"
        "with signals.deferred() as stop:\n"
        "    for _ in range(2):\n        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(60)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30)
    assert found.returncode == 143
    assert found.stdout.count(b"stopped") == 1


def test_a_signal_after_the_end_changes_nothing(tmp_path):
    """In the interpreter's last moments, when it has taken its handlers back."""
    program = (
        "import os, runpy, signal, sys\nclass Late:\n"
        "    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.SIGTERM):\n"
        "        kill(me, number)\n"
        "sys.late = Late()\ndel sys.argv[0]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    line = [sys.executable, "-c", program, SCRIPTS / "train.py", *SMALL, "--steps", 3, "--out", "r"]
    found = subprocess.run([*map(str, line)], capture_output=True, cwd=tmp_path, timeout=60)
    assert (found.returncode, found.stderr) == (0, b"")
    assert found.stdout.endswith(b"saved in r\n")


def test_what_nohup_ignores_stays_ignored():
    program = (
        "import os, signal\nfrom lstm_lm.keep import signals\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nsignals.install()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\nprint('alive')\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30)
    assert found.stdout == b"alive\n"


def test_samples_are_drawn_while_a_run_is_held(run):
    owner = Owner(run)
    owner.take()
    command = [sys.executable, SCRIPTS / "sample.py", "run", "--length", "5"]
    found = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=run.parent)
    owner.release()
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip()


def test_the_folder_is_given_back_after_a_failure(run, capsys):
    refused(capsys, "--resume", "run", "--hidden", 9)
    assert not (run / ".owner").exists()
    folder = RunFolder(run)
    folder.take()
    folder.release()
