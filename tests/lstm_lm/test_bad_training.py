"""What a user of the training programs gets wrong is one clear message and exit code 2."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from running import SCRIPTS, SMALL, losses, sampled, start, train

from lstm_lm import train_cli
from lstm_lm.sampling import Choice
from lstm_spec import InputError

BAD = {
    "backend": (
        ["--backend", "torch"],
        "--backend: got 'torch', expected one of numpy, jax, jax-manual, both",
    ),
    "states": (["--keep-every", "-1"], "--keep-every: got -1, expected 0 (keep all) or more"),
    "states in autodiff": (
        ["--keep-every", "5", "--backend", "jax"],
        "--keep-every: got 5 with backend jax, expected numpy or jax-manual",
    ),
    "seed": (["--seed", "-1"], "--seed: got -1, expected 0 or more"),
    "no epochs": (
        ["--epochs", "0"],
        "--epochs: got 0, expected none: the run counts updates (--steps), 5,000 of them",
    ),
    "epochs and steps": (
        ["--data", "short", "--epochs=2.5", "--steps", "7"],
        "--epochs: got 2.5, expected none: the run counts updates (--steps), 7 of them",
    ),
    "dropout": (
        ["--dropout", "0.3"],
        "--dropout: got 0.3 with 1 layer, expected 2 or more layers: it acts between them",
    ),
    "rate": (["--learning-rate", "nan"], "--learning-rate: got nan, expected a finite number"),
    "bias": (["--forget-bias", "inf"], "--forget-bias: got inf, expected a finite number"),
    "folder": (["--data", "."], ".: cannot be read: Is a directory"),
    "file": (["--data", "missing"], "missing: cannot be read"),
    "hidden": (["--hidden", "0"], "--hidden: got 0, expected 1 or more"),
    "short": (["--data", "short"], "tokens to train on, expected at least"),
    "place": (["--out", "short/run"], "short/run: cannot be made: Not a directory"),
    "nowhere": (["--resume", "nowhere"], "nowhere: no such folder, expected that of a run"),
    "no folder": (["--resume", "short"], "short: no such folder, expected that of a run"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_use(what, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("short").write_text("too short")
    arguments, message = BAD[what]
    assert train(*arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"short"}


FILES = {
    "one": (b"x", "one: 1 token to train on, expected at least"),
    "empty": (b"", "empty: empty, expected UTF-8 text"),
    "binary": (b"\x7fELF\xd0", "binary: not UTF-8: byte 0xd0 at offset 4"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files(name, tmp_path, capsys):
    content, message = FILES[name]
    (tmp_path / name).write_bytes(content)
    assert train("--data", tmp_path / name, "--out", tmp_path / "run") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_no_token_is_frequent_enough(tmp_path, capsys, text):
    assert train("--data", text, *SMALL, "--min-count", 10**6, "--out", tmp_path / "run") == 2
    assert "--min-count: got 1000000, but no token occurs as often" in capsys.readouterr().err


def test_a_foreign_folder_is_left_alone(tmp_path, capsys):
    (tmp_path / "loss.png").write_text("mine")
    assert train(*SMALL, "--steps", 2, "--out", tmp_path) == 2
    assert (tmp_path / "loss.png").read_text() == "mine"


@pytest.fixture
def run(tmp_path):
    assert train(*SMALL, "--steps", 20, "--out", tmp_path / "run") == 0
    return tmp_path / "run"


EDITS = {
    "type": ({"hidden": "eight"}, "hidden: got 'eight', expected int or null"),
    "truth": ({"layers": True}, "layers: got True, expected int or null"),
    "choice": (
        {"dtype": "float16"},
        "dtype: got 'float16', expected float32 or float64",
    ),
    "range": ({"hidden": 0}, "hidden is 0, the checkpoint has 8"),
    "model": ({"hidden": 9}, "hidden is 9, the checkpoint has 8"),
    "entry": ({"color": "red"}, "configuration: unknown entries color"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_configuration(what, run, capsys):
    entries, message = EDITS[what]
    config = run / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | entries))
    assert train("--resume", run) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", 10], "--steps: 10 updates in all, but the run has made 20 already"),
        (["--out", "x"], "--out: does not go with --resume"),
        (["--overwrite"], "--overwrite: does not go with --resume"),
        (["--backend", "both"], "--backend: got both, but the run in"),
        (["--learning_rate=1"], "--learning-rate: got 1.0, but the run in"),
        (["--epochs", "0"], "--epochs: got 0, expected none: the run counts updates (--steps), 20"),
    ],
)
def test_what_does_not_go_with_resuming(arguments, message, run, capsys):
    before = (run / "config.json").read_bytes()
    assert train("--resume", run, *arguments) == 2
    assert message in capsys.readouterr().err
    assert (run / "config.json").read_bytes() == before


@pytest.mark.parametrize("data", [True, False])
def test_a_stored_run_may_hold_what_has_no_effect(data, text, tmp_path, monkeypatch):
    """As earlier versions wrote it: epochs beside steps, and dropout with one layer."""
    task = ["--data", text, "--epochs", 3] if data else []
    arguments = [*SMALL, *task, "--layers", 1, "--dropout", 0.3, "--steps", 10]
    with monkeypatch.context() as earlier:
        earlier.setattr(train_cli, "require_effect", lambda *_: None)
        assert train(*arguments, "--out", tmp_path / "run") == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["dropout"] == 0.3
    assert train("--resume", tmp_path / "run", "--steps", 12) == 0


def test_a_run_of_updates_goes_on_by_epochs(text, tmp_path, capsys):
    out = tmp_path / "run"
    assert train("--data", text, *SMALL, "--steps", 10, "--out", out) == 0
    assert train("--resume", out, "--epochs", 10) == 2
    assert "--epochs: got 10, expected none" in capsys.readouterr().err
    assert train("--resume", out, "--steps", 0, "--epochs", 0.2) == 0
    assert len(losses(out)) > 10


def test_the_checkpoint_of_another_run(run, tmp_path, capsys):
    assert train(*SMALL, "--layers", 2, "--steps", 20, "--out", tmp_path / "other") == 0
    shutil.copy(tmp_path / "other" / "last.safetensors", run)
    assert train("--resume", run) == 2
    assert (
        "not the configuration of last.safetensors (layers is 1, the checkpoint has 2)"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("garbage", [b'{"step": 2', b"\xff\xfe\n", b"[1]\n", b"{}\n"])
def test_metrics_that_end_in_garbage(run, garbage):
    metrics = run / "metrics.jsonl"
    before = metrics.read_bytes()
    metrics.write_bytes(before + garbage)
    assert train("--resume", run) == 0
    assert metrics.read_bytes() == before


def test_a_finished_run_resumed_changes_nothing(text, tmp_path):
    out = tmp_path / "run"
    assert train("--data", text, *SMALL, "--steps", 10, "--test", 0.1, "--out", out) == 0
    before = (out / "metrics.jsonl").read_bytes()
    assert train("--resume", out) == 0
    assert (out / "metrics.jsonl").read_bytes() == before


def command(*arguments, **options):
    line = [sys.executable, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_full_disks_and_narrow_terminals(tmp_path):
    script = SCRIPTS / "train.py"
    line = f"{sys.executable} {script} --steps 20 --evaluate-every 10 --hidden 64"
    full = "train.py: standard output: No space left on device"
    cases = {
        f"ulimit -f 20; {line} --out {tmp_path / 'a'}": "last.safetensors: cannot be written: File",
        f"{line} --out {tmp_path / 'b'} >/dev/full": full,
    }
    for shell, message in cases.items():
        result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
        assert (result.returncode, message in result.stderr) == (2, True), result.stderr
        assert "Traceback" not in result.stderr
    narrow = os.environ | {"COLUMNS": "40", "PYTHONIOENCODING": "ascii"}
    result = command(script, *SMALL, "--steps", 20, "--out", tmp_path / "c", env=narrow)
    assert result.returncode == 0, result.stderr
    assert len([x for x in result.stdout.splitlines() if x.endswith("best")]) == 2
    assert "a^nb^n, n = 1 ... 11: vocabulary 4, 1 x 8 units" in result.stdout
    assert "?" not in result.stdout


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.2])
def test_ctrl_c_at_the_start(tmp_path, seconds):
    process = start("--steps", 100_000, "--out", tmp_path / "run")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)  # the latter before Python is up
    assert "Traceback" not in errors or "site" in errors


def test_samples(tmp_path, capsys, text):
    out = tmp_path / "run"
    assert train("--data", text, *SMALL, "--steps", 60, "--out", out) == 0
    arguments = (out, "--prime", "The ", "--length", 40)
    texts = {}
    for backend in ("numpy", "jax"):
        code, texts[backend], _ = sampled(capsys, *arguments, "--backend", backend, "--seed", 3)
        assert code == 0
    assert texts["numpy"] == texts["jax"]
    assert texts["numpy"].startswith("The ")
    assert len(texts["numpy"].rstrip("\n")) >= 40
    assert sampled(capsys, *arguments, "--seed", 4)[1] != texts["numpy"]
    greedy = {sampled(capsys, *arguments, "--greedy", "--seed", seed)[1] for seed in (1, 2)}
    assert len(greedy) == 1
    code, _, message = sampled(capsys, out, "--prime", "€", "--length", 5)
    assert code == 0
    assert "unknown to the model: '€'" in message
    assert sampled(capsys, out, "--temperature", 0)[0] == 2
    assert sampled(capsys, tmp_path / "none")[0] == 2


def test_choices():
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    assert Choice().probabilities(logits) == pytest.approx([0.5, 0.3, 0.15, 0.05])
    assert Choice(top_k=2).probabilities(logits) == pytest.approx([0.625, 0.375, 0, 0])
    assert Choice(top_p=0.79).probabilities(logits) == pytest.approx([0.625, 0.375, 0, 0])
    assert Choice(top_p=0.4).probabilities(logits) == pytest.approx([1, 0, 0, 0])
    assert Choice(greedy=True).probabilities(logits) == pytest.approx([1, 0, 0, 0])
    cold = Choice(temperature=0.5).probabilities(logits)
    assert cold == pytest.approx(np.array([0.25, 0.09, 0.0225, 0.0025]) / 0.365)
    assert Choice(temperature=1e-300).probabilities(logits) == pytest.approx([1, 0, 0, 0])
    assert Choice(top_k=99).probabilities(logits) == pytest.approx([0.5, 0.3, 0.15, 0.05])
    for wrong in ({"temperature": 0}, {"top_k": -1}, {"top_p": 0}):
        with pytest.raises(InputError, match="expected"):
            Choice(**wrong)


def test_primes_of_anbn(run, capsys):
    texts = {sampled(capsys, run, "--prime", prime)[1] for prime in ("aab", "a a b", " aa b ")}
    assert len(texts) == 1
    assert texts.pop().startswith("a a b ")
    assert sampled(capsys, run)[1].startswith("a ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prime", "axb"], "--prime: got 'x', expected symbols among a, b, EOS, UNK"),
        (["--prime", ""], "--prime: got '', expected at least one token to begin with"),
        (["--temperature", 0], "expected above 0; for the likeliest token always, --greedy"),
        (["--temperature", "nan"], "--temperature: got nan, expected above 0"),
        (["--top-k", -1], "--top-k: got -1, expected 0 (all) or more"),
        (["--top-p", 1.5], "--top-p: got 1.5, expected above 0 and at most 1"),
        (["--length", -1], "--length: got -1, expected 0 or more"),
        (["--backend", "torch"], "backend: got 'torch', expected one of numpy"),
    ],
)
def test_bad_samples(arguments, message, run, capsys):
    code, _, errors = sampled(capsys, run, *arguments)
    assert code == 2
    assert message in errors
    assert len(errors.strip().splitlines()) == 1


def test_what_is_no_run(tmp_path, capsys):
    assert "expected the folder of a run, or a checkpoint" in sampled(capsys, tmp_path / "none")[2]
    assert "no such file, expected a checkpoint" in sampled(capsys, tmp_path)[2]
