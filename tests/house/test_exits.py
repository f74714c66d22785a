"""How every command ends: its exit code, one message, and nothing where nobody reads on."""

import ast
import errno
import io
import os
import subprocess
import sys

import pytest
from running import SCRIPTS, SMALL, train

from gradparity import cli
from lstm_lm import train_cli
from lstm_lm.keep.signals import StoppedError
from lstm_spec import InputError
from lstm_spec.corpus import UNKNOWN
from lstm_spec.exits import BAD_USE, BROKEN, CLOSED, INTERRUPTED, OK, WRONG, guarded
from lstm_spec.marks import ASCII, plain_where_needed

SOURCES = sorted((SCRIPTS.parent / "src").rglob("*.py"))

ENDS = {
    "no memory": (MemoryError("71 PiB"), BAD_USE, "x: not enough memory: 71 PiB\n"),
    "input": (InputError("what: got 1, expected 2"), BAD_USE, "x: what: got 1, expected 2\n"),
    "a file": (PermissionError(13, "Permission denied", "f"), BAD_USE, "x: f: Permission denied\n"),
    "a process": (ChildProcessError("one ended"), BAD_USE, "x: one ended\n"),
    "no process": (OSError(errno.ENOMEM, "No"), BAD_USE, "x: not enough memory: No\n"),
    "Ctrl-C": (KeyboardInterrupt(), INTERRUPTED, ""),
    "--help": (SystemExit(0), OK, ""),
    "an exit": (SystemExit(), OK, ""),
    "a parser's": (SystemExit(2), BAD_USE, ""),
    "words": (SystemExit("FAIL"), WRONG, "FAIL\n"),
}


def raiser(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize("what", ENDS)
def test_ends(what, capsys):
    error, code, message = ENDS[what]
    assert guarded("x", raiser(error)) == code
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("error", [ZeroDivisionError("0"), PermissionError(13, "Permission")])
def test_a_fault_of_ours_is_told_with_its_traceback(error, capsys):
    assert guarded("x", raiser(error)) == BROKEN
    errors = capsys.readouterr().err
    assert errors.startswith("Traceback")
    assert type(error).__name__ in errors


def test_codes_that_work_gives(capsys):
    assert [guarded("x", lambda code=code: code) for code in (None, 0, 1)] == [OK, OK, WRONG]


COMMANDS = (["--help"], ["check", "--help"], ["diagnose", "--help"], ["version"])


@pytest.mark.parametrize("words", COMMANDS)
def test_the_checker_ends_silently_where_nobody_reads_on(words):
    code, errors = unread("-m", "gradparity", *words)
    assert (code, errors) == (CLOSED, "")


@pytest.mark.parametrize("command", ["check", "diagnose"])
def test_the_checkers_help_says_what_will_be(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "None)" not in " ".join(capsys.readouterr().out.split())


def test_a_signal_that_the_trainer_has_answered(monkeypatch):
    monkeypatch.setattr(train_cli, "_train", lambda *_: raiser(StoppedError(15))())
    assert train(*SMALL) == 143


def unread(*command, errors=subprocess.PIPE):
    """A command whose reader has gone before it begins."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        line = [sys.executable, *map(str, command)]
        done = subprocess.run(line, stdout=writer, stderr=errors or writer, text=True)
    finally:
        os.close(writer)
    return done.returncode, done.stderr


WITH_HELP = [
    path.name
    for path in sorted(SCRIPTS.glob("*.py"))
    if path.stem in ("train", "sample", "benchmark") or "tyro.cli" in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", WITH_HELP)
def test_nobody_reads_the_help(name):
    assert unread(SCRIPTS / name, "--help") == (CLOSED, "")


def test_nobody_reads_on(tmp_path):
    """What is printed by way of rich, which exits by itself; and errors where output goes."""
    train_py = SCRIPTS / "train.py"
    assert unread(train_py, *SMALL, "--steps", 20, "--out", tmp_path / "run") == (CLOSED, "")
    for wrong in (["--steps", "0"], ["--bogus"]):
        assert unread(train_py, *wrong, errors=None) == (CLOSED, None)


def test_a_full_disk_is_told_though_the_output_was_kept_back(tmp_path):
    """A file that may not grow stands for the disk."""
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from lstm_spec.exits import guarded; raise SystemExit(guarded('x', lambda: print()))"
    )
    with (tmp_path / "full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-B", "-c", program], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (BAD_USE, "x: standard output: File too large\n")


def written(text, encoding, monkeypatch):
    """What a terminal gets on standard output and on standard error."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    plain_where_needed()
    for stream in streams:
        stream.write(text)
        stream.flush()
    return [stream.buffer.getvalue().decode(encoding) for stream in streams]


def test_marks_where_they_cannot_be_shown(monkeypatch):
    text = "aⁿbⁿ → 2 × 3 … ✓ ╭─╮ │ é"
    plain = "a^nb^n -> 2 x 3 ... + +-+ | "
    assert written(text, "ascii", monkeypatch) == [plain + "?", plain + "\\xe9"]
    assert written(text, "utf-8", monkeypatch) == [text, text]
    latin = plain.replace("x", "×") + "é"  # what an encoding has is left alone
    assert written(text, "latin-1", monkeypatch) == [latin, latin]


def printed_by(source):
    """The texts of a module that are no docstrings."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [c.value for c in constants if isinstance(c.value, str) and id(c) not in statements]


def test_every_mark_that_is_printed_has_its_ascii():
    marks = {mark for source in SOURCES for text in printed_by(source) for mark in text}
    assert {"✓", "ⁿ"} < marks
    assert {mark for mark in marks if not mark.isascii()} - ASCII.keys() == {UNKNOWN}


def test_marks_are_ascii():
    assert all(text.isascii() for text in ASCII.values())


@pytest.mark.parametrize("script", ["train.py", "sample.py", "compare_runs.py"])
def test_help_in_ascii(script):
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, "--help"],
        capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0
    assert b"?" not in done.stdout
