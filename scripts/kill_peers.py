#!/usr/bin/env python
"""Kill one of two processes that train one model, at random moments, and see what is left.

The other has to end within 30 seconds and say who is gone. Resumed, the run has to end with the
files of a run that nobody killed, byte for byte; on another number of devices, with its losses.
"""

import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import Progress, TaskID

from lstm_spec.exits import OK, WRONG, guarded

SCRIPT = Path(__file__).resolve().parent / "train.py"
MODEL = (
    "--backend", "jax-manual", "--hidden", "16", "--batch", "5", "--layers", "2",
    "--dropout", "0.2", "--dtype", "float64", "--evaluate-every", "50",
)  # fmt: skip
FILES = ("metrics.jsonl", "last.safetensors", "best.safetensors")
MOST = 30.0  # seconds within which who is left has to end
GONE = 75
AGREE = 1e-9


@dataclass(frozen=True)
class Options:
    """How often, and for how long."""

    kills: int = 20
    """Runs of which one process is killed."""
    steps: int = 600
    """Updates of a run."""
    seed: int = 0
    """Of victims and moments."""


@dataclass(frozen=True)
class Kill:
    """What came of one.

    Attributes:
        victim, after: which process, and the seconds after its start.
        ended: seconds until the other had ended; 0 where the run was done before.
        faults: what was wrong.
    """

    victim: int
    after: float
    ended: float
    faults: tuple[str, ...]


def group(folder: Path, *arguments: str) -> list[subprocess.Popen]:
    """Two processes of one run in a folder."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    several = ("--coordinator", f"localhost:{port}", "--process-count", "2", "--process-id")
    return [
        subprocess.Popen(
            [sys.executable, SCRIPT, *arguments, *several, str(number)], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]  # fmt: skip


def finished(processes: Sequence[subprocess.Popen]) -> list[str]:
    """Wait; what was said by those that failed."""
    said = [process.communicate() for process in processes]
    return [
        f"exit code {process.returncode}: {errors.strip()[-300:]}"
        for process, (_, errors) in zip(processes, said, strict=True)
        if process.returncode
    ]


def killed(folder: Path, options: Options, rng: random.Random, length: float) -> Kill:
    """Begin a run, kill one of its processes, and look at the other one."""
    begin = ("--mesh", "2", *MODEL, "--steps", str(options.steps), "--out", "run")
    victim, after = rng.randrange(2), rng.uniform(0, length)
    processes = group(folder, *begin)
    time.sleep(after)
    other = processes[1 - victim]
    done = other.poll() is not None
    start = time.monotonic()
    processes[victim].kill()
    try:
        _, errors = other.communicate(timeout=MOST)
    except subprocess.TimeoutExpired:
        other.kill()
        return Kill(victim, after, MOST, ("the other one went on",))
    finally:
        processes[victim].communicate()
    faults = () if done or other.returncode == 0 else _faults(victim, other.returncode, errors)
    return Kill(victim, after, 0.0 if done else time.monotonic() - start, faults)


def _faults(victim: int, code: int, errors: str) -> tuple[str, ...]:
    gone = f"process {victim} of 2 is gone; ", "not all 2 processes came"
    if code == GONE and any(said in errors for said in gone):
        return ()
    return (f"exit code {code}: {errors.strip()[-300:]}",)


def went_on(folder: Path, options: Options) -> list[str]:
    """Resume what there is, or begin, with two processes; what went wrong."""
    if (folder / "run" / "last.safetensors").exists():
        return finished(group(folder, "--resume", "run"))
    begin = ("--mesh", "2", *MODEL, "--steps", str(options.steps), "--out", "run")
    shutil.rmtree(folder / "run", ignore_errors=True)
    return finished(group(folder, *begin))


def differences(folder: Path, unbroken: Path) -> list[str]:
    """Files of a run that are not those of the run that nobody killed."""
    return [
        f"{name} differs"
        for name in FILES
        if (folder / "run" / name).read_bytes() != (unbroken / "run" / name).read_bytes()
    ]


def losses(folder: Path) -> np.ndarray:
    """Of every update."""
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    return np.array([r["loss"] for r in map(json.loads, lines) if "loss" in r])


def on_one_device(folder: Path, unbroken: Path) -> list[str]:
    """Resume on one device; whether the losses part from the unbroken run's."""
    command = [sys.executable, SCRIPT, "--resume", "run", "--mesh", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        return [done.stderr.strip()[-300:]]
    apart = np.abs(losses(folder) / losses(unbroken) - 1).max()
    return [] if apart <= AGREE else [f"losses part by {apart:.1e} on one device"]


def main() -> int:
    """Kill, resume, compare; and a line for each."""
    options = tyro.cli(Options, prog="kill_peers.py", description=__doc__)
    console, rng = Console(), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as root, Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("killing", total=options.kills)
        unbroken = Path(root) / "unbroken"
        unbroken.mkdir()
        start = time.monotonic()
        faults = finished(group(unbroken, "--mesh", "2", *MODEL, "--steps", str(options.steps),
                                "--out", "run"))  # fmt: skip
        length = time.monotonic() - start
        found = [_one(Path(root), number, options, rng, length, unbroken, progress, task)
                 for number in range(options.kills)]  # fmt: skip
    for kill in found:
        what = "; ".join(kill.faults) or "as if nothing had happened"
        told = f"process {kill.victim} after {kill.after:4.1f} s: the other ended in"
        console.print(f"{told} {kill.ended:4.1f} s; {what}", highlight=False, soft_wrap=True)
    wrong = bool(faults) + sum(bool(kill.faults) for kill in found)
    console.print("FAIL" if wrong else "PASS", f" {len(found)} kills, {wrong} with a fault")
    return WRONG if wrong else OK


def _one(
    root: Path, number: int, options: Options, rng: random.Random, length: float, unbroken: Path,
    progress: Progress, task: TaskID,
) -> Kill:  # fmt: skip
    folder = root / str(number)
    folder.mkdir()
    kill = killed(folder, options, rng, length)
    faults = list(kill.faults)
    if number % 2 and (folder / "run" / "last.safetensors").exists():
        faults += on_one_device(folder, unbroken)
    else:
        faults += went_on(folder, options) or differences(folder, unbroken)
    progress.advance(task)
    return Kill(kill.victim, kill.after, kill.ended, tuple(faults))


if __name__ == "__main__":
    sys.exit(guarded("kill_peers.py", main))
