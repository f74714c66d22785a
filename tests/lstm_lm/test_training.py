"""Whole runs: both backends, resumed, interrupted, killed, sick."""

import json
import re
import signal

import numpy as np
import pytest
from running import SMALL, losses, start, train, wait_for

from lstm_lm.keep import checkpoint
from lstm_spec.tree import leaves


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
    assert "no such folder, expected that of a run" in capsys.readouterr().err


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
    assert re.search(r"first to go: (weight|gradient|the loss)", message)
    assert "None" not in message
    assert "last good checkpoint: none was saved yet" in message
    assert len(message.strip().splitlines()) == 1


def test_ctrl_c_saves_and_the_run_goes_on(tmp_path):
    out = tmp_path / "run"
    process = start(*SMALL, "--steps", 100_000, "--out", out)
    wait_for(out / "metrics.jsonl", process)  # an update is made: signals are deferred
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert f"go on with --resume {out}" in printed
    assert "Traceback" not in errors
    found = checkpoint.load(out / "last.safetensors")
    assert len(losses(out)) == found.step
    assert train("--resume", out, "--steps", found.step + 5) == 0
    assert len(losses(out)) == found.step + 5
