"""Processes started together, and what the first of them measured."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.cases import Case

from jax_mesh.local import run

SCRIPTS = Path(__file__).resolve().parent.parent
SECONDS = 300  # until it is given up
SUMMED = tuple(1024 * 4**k for k in range(7))  # numbers, 4 kB to 16 MB


def measured(kind: str, case: Case, count: int, budget: float, **more: Any) -> dict:
    """What `scalings.worker` found in so many processes, each with one thread.

    Raises:
        InputError: a process failed; what it said last is in the message.
    """
    job = {"kind": kind, "case": asdict(case), "count": count, "budget": budget} | more
    environment = {"PYTHONPATH": str(SCRIPTS), "JAX_NUM_CPU_DEVICES": "1", "NPROC": "1"}
    if kind == "numpy_step" and count == 1:
        environment["OPENBLAS_NUM_THREADS"] = "1"
    number = 1 if kind == "numpy_step" else count
    return run("scalings.worker", number, job, f"{kind} in {count}", SECONDS, environment)


def widths(case: Case, counts: tuple[int, ...]) -> list[int]:
    """Sequences that a process has where a batch is shared by so many, and the whole."""
    return sorted({case.batch // count for count in counts} | {case.batch})


def narrowed(case: Case, batch: int) -> Case:
    """The same with another number of sequences."""
    return replace(case, batch=batch)
