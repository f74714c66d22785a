"""scripts/benchmark.py runs, and says what is wrong in one line. Times are never asserted."""

import json
import os
import re
import subprocess
import sys

import pytest
from running import SCRIPTS

SCRIPT = SCRIPTS / "benchmark.py"
QUICK = ["--rounds", "1", "--seconds", "0", "--gemm", "32", "--contenders", "numpy", "jax"]


# Compiled in half the time: no figure is looked at.
QUICKLY = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
PLAIN = {"NO_COLOR": "1", "COLUMNS": "80", "JAX_PLATFORMS": "cpu"}


def benchmark(*arguments):
    environment = os.environ | PLAIN | QUICKLY
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_tiny_case_from_measurement_to_figure(tmp_path):
    found, drawn = tmp_path / "found.json", tmp_path / "drawn.png"
    measured = ["--measure", "step", "sample", "peak", "cold", "long"]
    long = ["--long-case", "6x2x4x5", "--keep-every", "2"]
    files = ["--json", found, "--figure", drawn]
    done = benchmark("--case", "3x2x4x5", *measured, *QUICK, *long, *files)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "\x1b" not in done.stdout
    for title in (
        "Training step, milliseconds",
        "Share of the GEMM limit",
        "numpy: times as fast as",
        "tokens per second",
        "MiB",
        "first gradient",
        "Memory and time of a training step, 6x2x4x5",
    ):
        assert title in done.stdout
    assert "round 1 of 1: jax" in done.stderr
    results = json.loads(found.read_text())
    assert set(results["step"][0]["seconds"]) == {"numpy", "jax"}
    assert all(seconds > 0 for seconds in results["step"][0]["seconds"].values())
    assert results["step"][0]["limit_seconds"] > 0
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_what_the_figures_come_from(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    done = benchmark("--case", "3x2x4x5", "--measure", "step", *QUICK)
    assert done.returncode == 0, done.stderr
    first, second, third, *_ = done.stdout.splitlines()
    assert re.search(r", \d+ cores?\b", first)
    assert re.search(r", \d+ threads?$", second)
    assert third.startswith("warning: OPENBLAS_CORETYPE=Haswell in the environment")


BAD = {
    "case": (["--case", "3x2x4"], "--case: got '3x2x4', expected TIMExBATCHxHIDDENxVOCAB or noteb"),
    "contender": (["--contenders", "tf"], "--contenders: got 'tf', expected some of numpy,"),
    "gpu, memory": (["--device", "gpu"], "--measure: got peak, expected step or sample or cold"),
    "gpu, numpy": (
        ["--device", "gpu", "--measure", "step", "--contenders", "numpy"],
        "--contenders numpy: runs on CPUs only",
    ),
    "gpu, none": (
        ["--device", "gpu", "--measure", "step"],
        "--device: got gpu, but JAX finds none",
    ),
    "rounds": (["--rounds", "0"], "--rounds: got 0, expected 1 or more"),
    "seconds": (["--seconds", "-1"], "--seconds: got -1.0, expected 0 or more"),
    "figure": (["--figure", "drawn.bmp"], "drawn.bmp: expected a name in .png, .pdf, .svg"),
    "place": (["--json", "nowhere/found.json"], "there is no folder"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_use(what):
    arguments, message = BAD[what]
    done = benchmark(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["torch", "flax", "jax-grad", "jax-grad-fused", "numpy-literal"])
def test_every_contender_computes_the_same_loss(name):
    pytest.importorskip(name) if name in ("torch", "flax") else None
    arguments = ["--case", "5x3x4x6", "--measure", "step", "sample", *QUICK[:-2], "numpy", name]
    done = benchmark(*arguments)
    assert done.returncode == 0, done.stderr
    assert name.replace("jax-", "").replace("numpy-", "").replace("-", " ") in done.stdout


def test_arrangements_are_measured_against_each_other():
    environment = os.environ | PLAIN | QUICKLY
    command = [sys.executable, str(SCRIPT.with_name("arrangements.py")), "--rounds", "1"]
    done = subprocess.run(
        [*command, "--cases", "3x4x5x4"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for title in ("in pieces", "a column each", "before", "several", "3x4x5x4"):
        assert title in done.stdout
    refused = subprocess.run(
        [*command, "--cases", "3x4"], capture_output=True, text=True, env=environment
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("arrangements.py: --case: got '3x4'")
