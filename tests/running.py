"""Runs of the programs, in this process and in one of their own."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lstm_lm import sample_cli, train_cli

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
SMALL = ["--hidden", "8", "--batch", "4", "--evaluate-every", "10", "--dtype", "float64"]


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


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, SCRIPTS / "train.py", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def wait_for(path, process):
    """Until a file holds something, or the process has ended."""
    while not (path.exists() and path.stat().st_size) and process.poll() is None:
        time.sleep(0.01)
