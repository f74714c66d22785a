"""Training on a mesh: the same numbers, other counts of devices, and processes that die."""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from running import SCRIPTS, losses

MODEL = ["--hidden", "8", "--batch", "5", "--layers", "2", "--dropout", "0.2", "--dtype", "float64"]
RUN = [*MODEL, "--evaluate-every", "10", "--backend", "jax-manual"]


# Compiled in half the time: what is tested is who computes what, not how fast.
QUICKLY = {"XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"}


def started(*arguments):
    command = [sys.executable, SCRIPTS / "train.py", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | QUICKLY
    )


def train(*arguments):
    process = started(*arguments)
    out, errors = process.communicate()
    assert process.returncode == 0, out + errors
    return out


def group(count, *arguments):
    """Processes of one run, which find each other by a free port."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    several = ["--coordinator", f"localhost:{port}", "--process-count", count]
    return [started(*arguments, *several, "--process-id", k) for k in range(count)]


def ended(processes):
    said = [process.communicate(timeout=120) for process in processes]
    assert [p.returncode for p in processes] == [0] * len(processes), said
    return [out for out, _ in said]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Losses on one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    train(*RUN, "--steps", 20, "--out", folder)
    return losses(folder)


@pytest.mark.parametrize("backend", ["jax", "jax-manual"])
def test_the_losses_are_those_of_one_device(backend, alone, tmp_path):
    """Five sequences on four devices, dropout and two layers among them."""
    train(*RUN, "--backend", backend, "--mesh", "4", "--steps", 20, "--out", tmp_path / "run")
    np.testing.assert_allclose(losses(tmp_path / "run"), alone, rtol=1e-12)


def test_a_run_goes_on_with_another_number_of_devices(alone, tmp_path):
    train(*RUN, "--mesh", "2", "--steps", 10, "--out", tmp_path / "run")
    train("--resume", tmp_path / "run", "--mesh", "2x2", "--steps", 15)
    train("--resume", tmp_path / "run", "--mesh", "1", "--steps", 20)
    np.testing.assert_allclose(losses(tmp_path / "run"), alone, rtol=1e-12)


def test_two_processes_train_one_model_on_a_text_of_which_each_reads_its_part(tmp_path):
    data = tmp_path / "text"
    data.write_text("the cat, the dog — and a möwe.\n" * 60, encoding="utf-8")
    run = [*MODEL, "--data", data, "--window", "8", "--test", "0.1"]
    run += ["--steps", "20", "--evaluate-every", "10"]
    train(*run, "--out", tmp_path / "one")
    mesh = ["--backend", "jax-manual", "--mesh", "2", "--out", tmp_path / "two"]
    first, second = ended(group(2, *run, *mesh))
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-11)
    tested = [json.loads(line) for line in metrics(tmp_path / "two") if "test" in line]
    assert tested == [pytest.approx(json.loads(metrics(tmp_path / "one")[-1]), rel=1e-11)]
    assert "saved in" in first
    assert "update" not in second
    assert json.loads((tmp_path / "two" / "config.json").read_text())["mesh"] == "2"


def metrics(folder):
    return (folder / "metrics.jsonl").read_text().splitlines()


def test_a_text_that_cannot_be_read_ends_all_alike(tmp_path):
    data = tmp_path / "text"
    data.write_bytes(b"the cat \xff")
    arguments = ["--data", data, "--backend", "jax", "--mesh", "2", "--out", tmp_path / "run"]
    processes = group(2, *arguments)
    said = [process.communicate(timeout=120)[1] for process in processes]
    reason = f"train.py: {data}: not UTF-8: byte 0xff at offset 8, expected UTF-8 text\n"
    assert said == [reason] * 2
    assert [process.returncode for process in processes] == [2, 2]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("victim", [0, 1])
def test_who_is_left_says_who_is_gone_and_the_run_goes_on(victim, alone, tmp_path):
    folder = tmp_path / "run"
    processes = group(2, *RUN, "--mesh", "2", "--steps", 100_000, "--out", folder)
    until = time.monotonic() + 60
    while not (folder / "best.safetensors").exists() and time.monotonic() < until:
        time.sleep(0.05)
    processes[victim].kill()
    out, errors = processes[1 - victim].communicate(timeout=30)
    processes[victim].communicate()
    assert processes[1 - victim].returncode == 75, out + errors
    said = f"train.py: process {victim} of 2 is gone; go on with --resume {folder}"
    assert said in errors
    made = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    ended(group(2, "--resume", folder, "--steps", made + 20))
    np.testing.assert_allclose(losses(folder)[:20], alone, rtol=1e-12)


def test_who_waits_in_vain_says_so(tmp_path):
    several = ["--coordinator", "localhost:9", "--process-count", "2", "--process-id", "1"]
    run = [*RUN, "--mesh", "2", "--steps", 20, "--out", tmp_path / "run"]
    process = started(*run, *several, "--join-within", "1")
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (75, "")
    assert "not all 2 processes came to localhost:9 within 1 s; start them anew" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mesh", "2"], "--mesh: got 2 with backend numpy, expected jax or jax-manual"),
        (["--mesh", "x"], "--mesh: got 'x', expected a number of devices"),
        (["--process-id", "0"], "--process-id: goes with --coordinator only"),
        (["--coordinator", "localhost:1"], "--coordinator: got backend numpy"),
        (
            ["--backend", "jax", "--coordinator", "localhost:1"],
            "--coordinator: expected --process-count and --process-id as well",
        ),
        (
            ["--backend", "jax", "--coordinator", "localhost:1", "--process-count", "2",
             "--process-id", "2"],
            "--process-id: got 2, expected 0 to 1",
        ),
    ],
)  # fmt: skip
def test_bad_use(arguments, said, tmp_path):
    process = started(*arguments, "--out", tmp_path / "run")
    out, errors = process.communicate()
    assert (process.returncode, out) == (2, "")
    assert said in errors
    assert not (tmp_path / "run").exists()
