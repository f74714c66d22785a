"""Let two commands meet in one folder, and show that one writes and the other is told who.

    scripts/rival_runs.py [--times 50]

Each of start, `--resume`, `--overwrite` and sampling meets each, in both orders, now together and
now a moment apart, in a folder that holds nothing or a run that was stopped. One of two that write
must be refused, in one line that names the other's process, unless it has a reason of its own (a
start where a run is, a resume where none is). The folder must then be that of a run which nobody
disturbed, or, where nobody wrote, what it was. Exit code 1: something else.
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.progress import track

from lstm_spec.exits import guarded
from lstm_spec.files import UNFINISHED

HERE = Path(__file__).resolve().parent
TRAIN = HERE / "train.py"
Command = Literal["start", "resume", "overwrite", "sample"]
FILES = ("config.json", "metrics.jsonl", "last.safetensors", "best.safetensors")
COMMANDS: tuple[Command, ...] = ("start", "resume", "overwrite", "sample")
OWN_REASONS = {
    "start": ("holds a run already",),
    "resume": ("no such folder", "there is nothing to go on from"),
    "overwrite": (),
    "sample": ("not found", "no such file"),
}
Pair = tuple[Command, ...]


@dataclass(frozen=True)
class Options:
    """Let two commands meet in one folder, and show that one writes and the other is told who."""

    times: int = 50
    """How often each pair meets."""
    apart: float = 0.4
    """Seconds by which the second comes later, at most."""
    steps: int = 1200
    """Updates of a run; it must last longer than the other command takes to arrive."""
    commands: tuple[Command, ...] = COMMANDS
    """Which of them meet."""
    seed: int = 0
    """Of the moments."""


def main() -> None:
    """Meet, look, count, print."""
    options, console = tyro.cli(Options, description=__doc__), Console(highlight=False)
    rng, faults, counts = random.Random(options.seed), [], Counter[tuple[Pair, str]]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder, options)
        pairs = list(product(options.commands, repeat=2))
        meetings = list(product(range(options.times), pairs))
        for turn, pair in track(meetings, "meeting", console=Console(stderr=True), transient=True):
            wait = rng.uniform(0, options.apart) if turn // 2 % 2 else 0.0
            outcome, fault = _meet(folder, pair, options, wait, began=bool(turn % 2))
            counts[pair, outcome] += 1
            faults += [f"{' and '.join(pair)}, {wait:.2f} s apart: {fault}"] if fault else []
    _print(console, counts, pairs)
    for fault in faults:
        console.print(f"FAIL  {fault}", soft_wrap=True)
    if not faults:
        console.print("PASS  one wrote at a time, and every folder is that of one undisturbed run")
    sys.exit(1 if faults else 0)


def _prepare(folder: Path, options: Options) -> None:
    """Runs that nobody disturbs, and one that is stopped half way."""
    starts: dict[str, Command] = {"start": "start", "overwrite": "overwrite", "half": "start"}
    for name, command in starts.items():
        (folder / name).mkdir()
        process = _begin(command, folder / name, options)
        if name == "half":
            metrics = folder / name / "run" / "metrics.jsonl"
            while not metrics.exists() or metrics.stat().st_size < 10_000:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
        process.communicate()


def _begin(command: Command, place: Path, options: Options) -> subprocess.Popen:
    """Start one of the commands."""
    new = ["--hidden", 8, "--batch", 4, "--evaluate-every", 200, "--steps", options.steps]
    line = {
        "start": [TRAIN, *new, "--out", "run"],
        "resume": [TRAIN, "--resume", "run"],
        "overwrite": [TRAIN, *new, "--out", "run", "--overwrite"],
        "sample": [HERE / "sample.py", "run", "--length", 20],
    }[command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, *map(str, line)], cwd=place, text=True, **pipes)


def _meet(
    folder: Path, pair: Pair, options: Options, wait: float, *, began: bool
) -> tuple[str, str]:
    """What comes of two commands in one folder, in a few words; and what is wrong with it."""
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    if began:
        shutil.copytree(folder / "half", place)
    else:
        place.mkdir()
    first = _begin(pair[0], place, options)
    time.sleep(wait)
    second = _begin(pair[1], place, options)
    said = [process.communicate()[1] for process in (first, second)]
    codes = [first.returncode, second.returncode]
    others = [second.pid, first.pid]
    told = [_told(*each) for each in zip(pair, codes, said, others, strict=True)]
    wrote = [told[k] == "done" and pair[k] != "sample" for k in range(2)]
    expected = folder / ("half" if began else "nowhere")
    if any(wrote):
        expected = folder / ("overwrite" if pair[wrote.index(True)] == "overwrite" else "start")
    if "" in told:
        return "fault", f"exit codes {codes}, {said}"
    if all(wrote):
        return "fault", "both wrote"
    if _contents(place) != _contents(expected):
        return "fault", f"the folder is not that of {expected.name}"
    return ("told who" if "told who" in told else "not in each other's way"), ""


def _told(command: Command, code: int, said: str, other: int) -> str:
    """How a command ended; empty: in no way that is known."""
    if code == 0 and not said:
        return "done"
    if code == 2 and len(said.splitlines()) == 1:
        if f"is being written by process {other} " in said and command != "sample":
            return "told who"
        if any(reason in said for reason in OWN_REASONS[command]):
            return "own reason"
    return ""


def _contents(place: Path) -> list[bytes | None]:
    files = [place / "run" / name for name in FILES]
    left = [b"" for path in place.glob(f"run/{UNFINISHED}*") if path]
    return [path.read_bytes() if path.exists() else None for path in files] + left


def _print(console: Console, counts: Counter[tuple[Pair, str]], pairs: list[Pair]) -> None:
    kinds = ("told who", "not in each other's way", "fault")
    console.print(f"{'':24}{'told who':>12}{'no conflict':>14}{'fault':>8}")
    for pair in pairs:
        cells = [counts[pair, kind] for kind in kinds]
        console.print(f"{', '.join(pair):24}{cells[0]:>12}{cells[1]:>14}{cells[2]:>8}")


if __name__ == "__main__":
    sys.exit(guarded("rival_runs.py", main))
