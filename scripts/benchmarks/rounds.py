"""Rounds in which every contender runs in a process of its own, in turn."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.disturbed import Watch
from benchmarks.options import Benchmark
from lstm_spec import InputError

SCRIPTS = Path(__file__).resolve().parent.parent
MOMENT, PATIENCE = 0.4, 60.0  # seconds of quiet to see, and to wait for it at most
Tell = Callable[[str], None]


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One job in a new process; `wall` is the seconds until it had its answer.

    Raises:
        InputError: the process failed; what it said last is in the message.
    """
    arguments = [sys.executable, "-m", "benchmarks.worker", json.dumps(job)]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            arguments, cwd=SCRIPTS, text=True, stdout=subprocess.PIPE, stderr=complaints
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        wall = time.perf_counter() - start
        if process.wait() != 0:
            complaints.seek(0)
            last = (complaints.read().strip().splitlines() or ["no output"])[-1]
            raise InputError(f"{job.get('contender', job['kind'])}: the process failed: {last}")
    return json.loads(line) | {"wall": wall}


def run_command(command: list[str]) -> dict[str, Any]:
    """A command of its own: the seconds until it ended, and its exit code."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {"wall": time.perf_counter() - start, "code": done.returncode}


def undisturbed(job: dict[str, Any], tries: int) -> dict[str, Any]:
    """A job's result; once more, so many times at most, if others used the processor meanwhile."""
    for _ in range(tries):
        if tries > 1:
            wait_for_quiet()
        watch = Watch()
        found = run_command(job["command"]) if "command" in job else run(job)
        if not watch.disturbed():
            break
    return found


def wait_for_quiet() -> None:
    """Until nobody else used the processor for a moment, or patience ends."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        watch = Watch()
        time.sleep(MOMENT)
        if not watch.disturbed():
            return


def in_turn(
    jobs: dict[str, dict[str, Any]], rounds: int, tell: Tell, tries: int = 1
) -> dict[str, list[dict]]:
    """Every job once a round; results by the jobs' names."""
    found: dict[str, list[dict]] = defaultdict(list)
    for number in range(rounds):
        for name, job in jobs.items():
            tell(f"round {number + 1} of {rounds}: {name}")
            found[name].append(undisturbed(job, tries))
    return dict(found)


def median(results: Iterable[dict], key: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(result[key] for result in results)


def jobs(
    kind: str, names: Iterable[str], case: Case, options: Benchmark, budget: float | None = None
) -> dict[str, dict]:
    """The same job for every contender, of so many seconds or as many as the options say."""
    seconds = options.seconds if budget is None else budget
    common = _where(options) | {"kind": kind, "case": asdict(case), "budget": seconds}
    return {name: common | {"contender": name} for name in names}


def gemm_job(options: Benchmark) -> dict[str, Any]:
    """The measure of the machine."""
    budget = min(options.seconds, 0.5)
    return _where(options) | {"kind": "gemm", "size": options.gemm, "budget": budget}


def _where(options: Benchmark) -> dict[str, Any]:
    return {"dtype": options.dtype, "device": options.device}
