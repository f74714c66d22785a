"""Whole runs: both backends, resumed, interrupted, killed, sick."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lstm_lm import checkpoint, sample_cli, train_cli
from lstm_lm.sampling import Choice
from lstm_spec import InputError
from lstm_spec.corpus import interpreter_text
from lstm_spec.tree import leaves

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
SMALL = ["--hidden", "8", "--batch", "4", "--evaluate-every", "10", "--dtype", "float64"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "english.txt"
    path.write_text(interpreter_text()[:20_000], encoding="utf-8")
    return path


def train(*arguments):
    with pytest.raises(SystemExit) as stop:
        train_cli.main([str(argument) for argument in arguments])
    return stop.value.code


def sampled(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        sample_cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def losses(folder):
    lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return np.array([r["loss"] for r in map(json.loads, lines) if "loss" in r])


def test_a_run_leaves_everything(tmp_path, capsys):
    out = tmp_path / "run"
    assert train(*SMALL, "--steps", 30, "--out", out) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "best.safetensors", "config.json", "last.safetensors", "loss.png", "metrics.jsonl",
        "timing.json",
    ]  # fmt: skip
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "loss" in r] == list(range(1, 31))
    assert [r["step"] for r in records if "validation" in r] == [10, 20, 30]
    printed = capsys.readouterr().out
    assert "entropy floor ln 11 = 2.3979" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_both_backends_give_the_same_numbers(text, tmp_path, schedule):
    """Two hundred float64 updates of Adam on real text: less than 1e-9 apart."""
    common = [
        "--data", text, "--steps", 200, "--hidden", 16, "--batch", 8, "--window", 20, "--layers", 2,
        "--dropout", 0.2, "--dtype", "float64", "--schedule", schedule,
        "--warmup", 0 if schedule == "constant" else 20, "--evaluate-every", 100,
    ]  # fmt: skip
    for backend in ("numpy", "jax"):
        assert train(*common, "--backend", backend, "--out", tmp_path / backend) == 0
    one, other = losses(tmp_path / "numpy"), losses(tmp_path / "jax")
    assert len(one) == 200
    assert one[-1] < 0.8 * one[0]
    assert np.max(np.abs(one - other) / other) < 1e-9


@pytest.mark.parametrize("backend", ["numpy", "jax-manual"])
def test_keeping_few_states_changes_no_number(text, tmp_path, backend):
    common = [
        "--data", text, "--steps", 30, "--hidden", 8, "--batch", 4, "--window", 10, "--layers", 2,
        "--dropout", 0.2, "--dtype", "float64", "--backend", backend,
    ]  # fmt: skip
    assert train(*common, "--out", tmp_path / "all") == 0
    assert train(*common, "--keep-every", 3, "--out", tmp_path / "few") == 0
    one, other = losses(tmp_path / "all"), losses(tmp_path / "few")
    assert len(one) == 30
    assert np.max(np.abs(one - other) / one) < 1e-9


def test_the_third_backend_trains_alike(text, tmp_path):
    common = ["--data", text, *SMALL, "--window", 10, "--layers", 2, "--steps", 50]
    for backend in ("jax", "jax-manual"):
        assert train(*common, "--backend", backend, "--out", tmp_path / backend) == 0
    one, other = losses(tmp_path / "jax"), losses(tmp_path / "jax-manual")
    assert np.max(np.abs(one - other) / one) < 1e-9


def test_side_by_side(tmp_path, capsys):
    out = tmp_path / "run"
    assert train(*SMALL, "--steps", 20, "--backend", "both", "--out", out) == 0
    assert (out / "both.png").read_bytes().startswith(b"\x89PNG")
    assert "largest relative difference of the losses in 20 updates" in capsys.readouterr().out
    assert train(*SMALL, "--steps", 20, "--backend", "both", "--out", out) == 2


OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_bit_for_bit(text, tmp_path, optimizer):
    common = [
        "--data", text, *SMALL, "--window", 10, "--layers", 2, "--dropout", 0.3,
        "--optimizer", optimizer, "--schedule", "plateau", "--test", 0.1,
    ]  # fmt: skip
    assert train(*common, "--steps", 45, "--out", tmp_path / "whole") == 0
    assert train(*common, "--steps", 25, "--out", tmp_path / "parts") == 0
    assert train("--resume", tmp_path / "parts", "--steps", 45) == 0
    whole, parts = (tmp_path / name for name in ("whole", "parts"))
    expected = [r for r in _records(whole) if r["step"] != 25 or "validation" not in r]
    found = [r for r in _records(parts) if r["step"] != 25 or not {"validation", "test"} & set(r)]
    assert found == expected
    one, other = (leaves(checkpoint.load(p / "last.safetensors").training) for p in (whole, parts))
    assert all(np.array_equal(one[path], other[path]) for path in one)


def _records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("order", [("numpy", "jax"), ("jax", "numpy")])
def test_resumed_on_the_other_backend(text, tmp_path, order):
    common = ["--data", text, *SMALL, "--window", 10, "--layers", 2]
    assert train(*common, "--steps", 200, "--out", tmp_path / "whole") == 0
    assert train(*common, "--steps", 100, "--backend", order[0], "--out", tmp_path / "parts") == 0
    assert train("--resume", tmp_path / "parts", "--backend", order[1], "--steps", 200) == 0
    one, other = losses(tmp_path / "whole"), losses(tmp_path / "parts")
    assert np.max(np.abs(one - other) / one) < 1e-9


def test_a_resumed_run_keeps_its_model(tmp_path, capsys, text):
    out = tmp_path / "run"
    assert train(*SMALL, "--steps", 10, "--out", out) == 0
    assert train("--resume", out, "--hidden", 9) == 2
    assert "--hidden: got 9, but the run" in capsys.readouterr().err
    assert train(*SMALL, "--steps", 10, "--out", out) == 2
    assert "holds a run already; go on with --resume" in capsys.readouterr().err
    assert train(*SMALL, "--steps", 10, "--out", out, "--overwrite") == 0
    assert train("--resume", tmp_path / "nowhere") == 2
    assert "no config.json, expected the folder of a run" in capsys.readouterr().err


def test_other_data_is_refused(text, tmp_path, capsys):
    out = tmp_path / "run"
    assert train("--data", text, *SMALL, "--steps", 10, "--out", out) == 0
    content = text.read_text(encoding="utf-8")
    text.write_text(content.replace("the", "het"), encoding="utf-8")
    assert train("--resume", out) == 2
    assert "was trained on other data" in capsys.readouterr().err
    text.write_text(content + "≠" * 50_000, encoding="utf-8")
    assert train("--resume", out) == 2
    assert "not the data it was trained on" in capsys.readouterr().err


def test_early_stop(text, tmp_path):
    out = tmp_path / "run"
    arguments = ["--data", text, *SMALL, "--learning-rate", "1e-300", "--patience", 2]
    assert train(*arguments, "--steps", 500, "--optimizer", "sgd", "--out", out) == 0
    assert len(losses(out)) < 500


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_sick_run_says_where(tmp_path, capsys, backend):
    out = tmp_path / "run"
    arguments = [
        "--steps",
        50,
        "--optimizer",
        "sgd",
        "--clip",
        0,
        "--warmup",
        0,
        "--backend",
        backend,
    ]
    arguments += ["--dtype", "float32", "--learning-rate", "1e38"]
    assert train(*SMALL, *arguments, "--out", out) == 2
    message = capsys.readouterr().err
    assert "the last finite one was" in message
    assert re.search(r"first to go: (weight|gradient) \S+; last good", message)
    assert "last good checkpoint: none was saved yet" in message
    assert len(message.strip().splitlines()) == 1


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
    "file": (["--data", "missing"], "missing: cannot be read"),
    "hidden": (["--hidden", "0"], "--hidden: got 0, expected 1 or more"),
    "short": (["--data", "short"], "tokens to train on, expected at least"),
    "place": (["--out", "short/run"], "short/run: cannot be made: Not a directory"),
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


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, SCRIPTS / "train.py", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def wait_for(path, process):
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)


def test_ctrl_c_saves_and_the_run_goes_on(tmp_path):
    out = tmp_path / "run"
    process = start(*SMALL, "--steps", 100_000, "--out", out)
    wait_for(out / "last.safetensors", process)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert f"go on with --resume {out}" in printed
    assert "Traceback" not in errors
    found = checkpoint.load(out / "last.safetensors")
    assert len(losses(out)) == found.step
    assert train("--resume", out, "--steps", found.step + 5) == 0
    assert len(losses(out)) == found.step + 5


def test_killed_at_random_moments(tmp_path):
    """The full count, fifty, is run by scripts/kill_test.py."""
    arguments = [*SMALL, "--steps", 120]
    assert train(*arguments, "--out", tmp_path / "whole") == 0
    out, rng = tmp_path / "killed", random.Random(0)
    process = start(*arguments, "--out", out)
    for _ in range(4):
        wait_for(out / "config.json", process)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.communicate()
        for name in ("last", "best"):
            if (out / f"{name}.safetensors").exists():
                checkpoint.load(out / f"{name}.safetensors")
        process = start("--resume", out)
        time.sleep(0.5)
    assert process.wait(timeout=60) == 0
    process.communicate()
    whole = (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert (out / "metrics.jsonl").read_bytes() == whole


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
    for wrong in ({"temperature": 0}, {"top_k": -1}, {"top_p": 0}):
        with pytest.raises(InputError, match="expected"):
            Choice(**wrong)
