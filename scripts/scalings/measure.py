"""Processes started together, and what the first of them measured."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.cases import Case

from lstm_spec import InputError

SCRIPTS = Path(__file__).resolve().parent.parent
ONE_EACH = {"JAX_NUM_CPU_DEVICES": "1", "NPROC": "1"}
SECONDS = 300  # until it is given up
SUMMED = tuple(1024 * 4**k for k in range(7))  # numbers, 4 kB to 16 MB


def measured(kind: str, case: Case, count: int, budget: float, **more: Any) -> dict:
    """What `scalings.worker` found in so many processes.

    Raises:
        InputError: a process failed; what it said last is in the message.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    job = {
        "kind": kind,
        "case": asdict(case),
        "count": count,
        "budget": budget,
        "port": port,
    } | more
    number = 1 if kind == "numpy_step" else count
    started = [_started(job | {"index": index}) for index in range(number)]
    try:
        said = [process.communicate(timeout=SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, said, strict=True):
        if process.returncode:
            last = (errors.strip().splitlines() or ["no output"])[-1]
            raise InputError(f"{kind} in {count} processes: {last}")
    return json.loads(said[0][0].strip().splitlines()[-1])


def _started(job: dict) -> subprocess.Popen:
    """One device and one thread for JAX in each; one thread for BLAS where NumPy is alone."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)} | ONE_EACH
    if job["kind"] == "numpy_step" and job["count"] == 1:
        environment |= {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "scalings.worker", json.dumps(job)], text=True, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def widths(case: Case, counts: tuple[int, ...]) -> list[int]:
    """Sequences that a process has where a batch is shared by so many, and the whole."""
    return sorted({case.batch // count for count in counts} | {case.batch})


def narrowed(case: Case, batch: int) -> Case:
    """The same with another number of sequences."""
    return replace(case, batch=batch)
