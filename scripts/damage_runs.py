"""Damage a run's folder in many ways, and show that no damage is trained on.

    scripts/damage_runs.py [--flips 2000] [--cuts 200]

Every byte of the configuration and of the metrics is changed in turn; each of the other files has a
byte changed at random, again and again; every file is cut off. Each folder must then be refused
with one clear message, or `--resume` must leave what it was before. Exit code 1: something else.
"""

import contextlib
import io
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track

from lstm_lm import train_cli

FILES = ("config.json", "metrics.jsonl", "last.safetensors", "best.safetensors")
WHOLE = FILES[:2]  # files of which every byte is changed
SMALL = ["--hidden", "1", "--batch", "1", "--steps", "20", "--evaluate-every", "10"]


@dataclass(frozen=True)
class Options:
    """Damage a run's folder in many ways, and show that no damage is trained on."""

    flips: int = 2000
    """Bytes changed at random in each checkpoint."""
    cuts: int = 200
    """Lengths to which each file is cut."""
    every: int = 1
    """Only every so many-th byte of configuration and metrics."""
    seed: int = 0
    """Of what is drawn."""


def main() -> None:
    """Damage, resume, count, print."""
    options, console = tyro.cli(Options, description=__doc__), Console(highlight=False)
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        _run(*SMALL, "--out", "run")
        shutil.copytree("run", "whole")
        cases = [(name, content) for name in FILES for content in _damaged(name, options)]
        for name, content in track(cases, "damaging", console=Console(stderr=True), transient=True):
            counts[name, _outcome(name, content)] += 1
    console.print(f"{'':20}{'refused':>10}{'the same':>10}{'else':>10}")
    for name in FILES:
        cells = (f"{counts[name, kind]:>10,}" for kind in ("refused", "the same", "else"))
        console.print(f"{name:20}{''.join(cells)}")
    faults = sum(counts[name, "else"] for name in FILES)
    console.print("FAIL  damage was trained on" if faults else "PASS  no damage was trained on")
    sys.exit(1 if faults else 0)


def _damaged(name: str, options: Options) -> Iterator[bytes]:
    """A file's contents, damaged."""
    rng, whole = random.Random(f"{options.seed} {name}"), Path("whole", name).read_bytes()
    every = range(0, len(whole), options.every)
    flips = every if name in WHOLE else (rng.randrange(len(whole)) for _ in range(options.flips))
    for place in flips:
        content = bytearray(whole)
        content[place] ^= rng.randrange(1, 256)
        yield bytes(content)
    for _ in range(options.cuts):
        yield whole[: rng.randrange(len(whole))]


def _outcome(name: str, content: bytes) -> str:
    """What comes of going on with a folder in which a file is damaged."""
    for file in FILES:
        shutil.copy(Path("whole", file), "run")
    Path("run", name).write_bytes(content)
    before = _contents("run")
    code, errors = _run("--resume", "run")
    if code == 2 and len(errors.splitlines()) == 1 and _contents("run") == before:
        return "refused"
    return "the same" if code == 0 and _contents("run") == _contents("whole") else "else"


def _contents(folder: str) -> list[bytes]:
    return [Path(folder, name).read_bytes() for name in FILES]


def _run(*arguments: str) -> tuple[int, str]:
    """A command's exit code, and what it says on standard error."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            train_cli.main([*arguments])
        except SystemExit as stop:
            return int(stop.code or 0), errors.getvalue()
        except Exception as error:
            return 1, repr(error)
    return 0, ""


if __name__ == "__main__":
    main()
