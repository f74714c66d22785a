"""Kill a training run at random moments, and show that nothing is lost.

    scripts/kill_runs.py [--kills 50] [--signal TERM]
    scripts/kill_runs.py --events --kills 1000 --steps 20

The run is killed (SIGKILL), its checkpoints are read, it is resumed and killed again. With another
signal, which a run answers, its exit code and its one line are looked at as well. When all
kills are made it may finish. With `--events` a run is killed once before each of its file events
(opening, flushing, renaming, removing in its folder), each time in a run of its own. Its metrics
and checkpoints must then be, byte for byte, those of a run that nobody disturbed. Exit code 1: they
are not, or a checkpoint was damaged.
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console

from lstm_lm.keep import checkpoint
from lstm_lm.keep.folder import RunFolder
from lstm_spec import InputError
from lstm_spec.exits import guarded
from lstm_spec.files import UNFINISHED

TRAIN = Path(__file__).resolve().parent / "train.py"
# Runs a program, and kills it before its n-th file event in the run's folder.
AT_AN_EVENT = """
import os, runpy, sys
left = int(sys.argv.pop(1))
def count(event, found):
    global left
    if event not in ("open", "os.rename", "os.remove", "os.mkdir", "flush"):
        return
    if str(found[0]) == "run" or str(found[0]).startswith("run" + os.sep):
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
def flush(file, whole=os.fsync):
    sys.audit("flush", "run")
    whole(file)
os.fsync = flush
sys.addaudithook(count)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
RUN = Path("run")  # relative, so that the folder's name is the same in every configuration
STARTING = 0.3  # seconds in which Python may not have read its first line
COMPARED = ("metrics.jsonl", "last.safetensors", "best.safetensors", "config.json")


@dataclass(frozen=True)
class Options:
    """Kill a training run at random moments, and show that nothing is lost."""

    kills: int = 50
    """How often."""
    longest: float = 1.0
    """Seconds after its start by which a run is killed; the moment is drawn evenly."""
    steps: int = 3000
    """Updates of the run; if it ends before all kills are made, another one begins."""
    every: int = 5
    """Updates between checkpoints: the fewer, the more kills hit one that is being written."""
    hidden: int = 8
    """Units of the model; 64, with 32 sequences, are enough for processes of their own."""
    batch: int = 4
    """Sequences of an update."""
    seed: int = 0
    """Of the moments."""
    events: bool = False
    """Not at random moments, but before each of as many file events; a run may have fewer."""
    signal: Literal["KILL", "TERM", "INT", "HUP"] = "KILL"
    """What it is killed with."""


def main() -> None:
    """Kill, resume, compare, print."""
    options = tyro.cli(Options, description=__doc__)
    console, counts = Console(highlight=False), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        _start(whole, options).communicate()
        kill = _kill_at_each_event if options.events else _kill_all
        faults = kill(Path(folder), whole, options, counts)
        size = (whole / RUN / "metrics.jsonl").stat().st_size
    _print(console, options, counts, size)
    for fault in faults:
        console.print(f"FAIL  {fault}", soft_wrap=True)
    if not faults:
        console.print("PASS  every checkpoint loads; every file is that of the undisturbed run")
    sys.exit(1 if faults else 0)


def _kill_all(folder: Path, whole: Path, options: Options, counts: Counter[str]) -> list[str]:
    """All kills, over as many runs as they take; what went wrong."""
    rng, faults = random.Random(options.seed), []
    while counts["kills"] < options.kills:
        counts["runs"] += 1
        place = folder / f"killed-{counts['runs']}"
        process = _start(place, options)
        while counts["kills"] < options.kills and _killed(
            process, rng.uniform(0, options.longest), options, faults
        ):
            counts["kills"] += 1
            faults += _inspect(place / RUN, counts)
            process = _start(place, options)
        process.communicate()
        if process.returncode != 0:
            faults.append(f"run {counts['runs']} ended with exit code {process.returncode}")
        faults += _differences(place / RUN, whole / RUN)
    return faults


def _kill_at_each_event(
    folder: Path, whole: Path, options: Options, counts: Counter[str]
) -> list[str]:
    """A run for each file event, killed before it and finished; what went wrong."""
    place, faults = folder / "killed", list[str]()
    for event in range(1, options.kills + 1):
        shutil.rmtree(place, ignore_errors=True)
        process = _start(place, options, event)
        _, errors = process.communicate()
        if process.returncode == 0:
            return faults + _differences(place / RUN, whole / RUN)
        counts["runs"] += 1
        counts["kills"] += 1
        found = _inspect(place / RUN, counts)
        ended = _start(place, options)
        _, more = ended.communicate()
        if (process.returncode, ended.returncode) != (-signal.SIGKILL, 0):
            found.append(f"exit codes {process.returncode}, {ended.returncode}: {errors}{more}")
        faults += [f"event {event}: {x}" for x in found + _differences(place / RUN, whole / RUN)]
    return faults


def _start(place: Path, options: Options, event: int = 0) -> subprocess.Popen:
    """Begin a run in a folder, or go on with it; with an event, be killed before it."""
    place.mkdir(exist_ok=True)
    new = ["--hidden", options.hidden, "--batch", options.batch, "--steps", options.steps]
    new += ["--evaluate-every", options.every, "--out", RUN]
    arguments = ["--resume", RUN] if (place / RUN / "last.safetensors").exists() else new
    killed = ["-c", AT_AN_EVENT, event] if event else []
    line = [sys.executable, *killed, TRAIN, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*map(str, line)], cwd=place, text=True, **pipes)


def _killed(process: subprocess.Popen, seconds: float, options: Options, faults: list[str]) -> bool:
    """Kill a run after some seconds, unless it has ended by then; what it had to say."""
    number = getattr(signal, f"SIG{options.signal}")
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    printed, errors = process.communicate()
    if process.returncode == 0:
        return False
    # Before Python has read its first line the system's own answer is all there is.
    systems = process.returncode == -number and (options.signal == "KILL" or seconds < STARTING)
    answered = process.returncode == 128 + number and printed.count("stopped") == 1 and not errors
    if not systems and not answered:
        faults.append(f"exit code {process.returncode}, {printed[-200:]!r}, {errors[-500:]!r}")
    return True


def _inspect(run: Path, counts: Counter[str]) -> list[str]:
    """Read both checkpoints, and count what the kill has hit."""
    counts["while a file was written"] += any(run.glob(f"{UNFINISHED}*"))
    folder, faults, step = RunFolder(run), [], 0
    for path in (folder.best, folder.last):
        if path.exists():
            counts["checkpoints read"] += 1
            try:
                step = checkpoint.load(path).step
            except InputError as error:
                faults.append(str(error))
    counts["before the first checkpoint"] += not folder.last.exists()
    lines = folder.metrics.read_text().splitlines() if folder.metrics.exists() else []
    counts["updates done twice"] += max(0, sum('"norm"' in line for line in lines) - step)
    return faults


def _differences(run: Path, whole: Path) -> list[str]:
    """Files that are not those of the undisturbed run."""
    pairs = [(run / name, whole / name) for name in COMPARED]
    different = [f"{a} is not {b}" for a, b in pairs if not _same(a, b)]
    return different + [f"{left}: left behind" for left in run.glob(f"{UNFINISHED}*")]


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.read_bytes() == other.read_bytes()


def _print(console: Console, options: Options, counts: Counter[str], size: int) -> None:
    rows = {
        "runs of so many updates": f"{counts['runs']} × {options.steps:,}",
        "kills": counts["kills"],
        "  before the first checkpoint": counts["before the first checkpoint"],
        "  while a file was written": counts["while a file was written"],
        "checkpoints read after a kill": counts["checkpoints read"],
        "updates done twice": counts["updates done twice"],
        "metrics compared, bytes a run": size,
    }
    for name, value in rows.items():
        console.print(f"{name:32}{value if isinstance(value, str) else f'{value:,}':>12}")


if __name__ == "__main__":
    sys.exit(guarded("kill_runs.py", main))
