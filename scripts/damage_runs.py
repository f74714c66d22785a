"""Damage a run's folder in many ways, and show that no damage is trained on.

    scripts/damage_runs.py [--flips 2000] [--cuts 200] [--contents 1000]

Every byte of the configuration and of the metrics is changed in turn; each of the other files has a
byte changed at random, again and again; every file is cut off. The last checkpoint is written anew
with wrong contents and the checksum that is right for them: keys that are missing, other kinds and
numbers, arrays that are none. Each folder must then be refused with one clear message, or
`--resume` must leave what it was before. Exit code 1: something else.
"""

import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import tyro
from rich.console import Console
from rich.progress import track

from lstm_lm import train_cli
from lstm_lm.keep import checkpoint
from lstm_spec import InputError
from lstm_spec.exits import guarded

FILES = ("config.json", "metrics.jsonl", "last.safetensors", "best.safetensors")
WHOLE = FILES[:2]  # files of which every byte is changed
LAST = Path("whole", "last.safetensors")
CONTENTS = "its contents"
SAID = ("options", "fingerprint", "step", "course", "commit")  # by a checkpoint, beside arrays
VALUES = (None, -1, 1.5, "x", [], {}, True, 10**30, float("nan"), [None], {"a": 1})
SMALL = ["--hidden", "1", "--batch", "1", "--steps", "20", "--evaluate-every", "10"]


@dataclass(frozen=True)
class Options:
    """Damage a run's folder in many ways, and show that no damage is trained on."""

    flips: int = 2000
    """Bytes changed at random in each checkpoint."""
    cuts: int = 200
    """Lengths to which each file is cut."""
    contents: int = 1000
    """Last checkpoints with wrong contents and a right checksum."""
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
        cases += [(CONTENTS, content) for content in _wrong(options)]
        for name, content in track(cases, "damaging", console=Console(stderr=True), transient=True):
            counts[name, _outcome(name, content)] += 1
    console.print(f"{'':20}{'refused':>10}{'the same':>10}{'else':>10}")
    for name in (*FILES, CONTENTS):
        cells = (f"{counts[name, kind]:>10,}" for kind in ("refused", "the same", "else"))
        console.print(f"{name:20}{''.join(cells)}")
    faults = sum(counts[name, "else"] for name in (*FILES, CONTENTS))
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


def _wrong(options: Options) -> Iterator[bytes]:
    """The last checkpoint with other contents, and a checksum that is right for them."""
    rng, whole = random.Random(f"{options.seed} contents"), LAST.read_bytes()
    count = 0
    while count < options.contents:
        metadata, tensors = _metadata(whole), safetensors.numpy.load(whole)
        rng.choice((_left_out, _replaced, _shuffled, _other_array))(rng, metadata, tensors)
        metadata.pop("sha256", None)
        metadata["sha256"] = checkpoint.digest(metadata, tensors)
        written = safetensors.numpy.save(tensors, {checkpoint.KEY: json.dumps(metadata)})
        if written != whole:
            count += 1
            yield written


def _metadata(content: bytes) -> dict[str, Any]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"][checkpoint.KEY])


def _place(rng: random.Random, metadata: dict) -> tuple[dict, str]:
    """Somewhere in what a checkpoint says."""
    options, commit = metadata["options"], metadata["commit"]
    places = [(metadata, key) for key in metadata if key not in ("vocabulary", "fingerprint")]
    places += [(options, key) for key in options if key != "data"]
    places += [(commit, key) for key in commit]
    places += [(commit["metrics"], key) for key in commit["metrics"]]
    return rng.choice(places)


def _left_out(rng: random.Random, metadata: dict, tensors: dict) -> None:
    """One key is missing."""
    owner, key = _place(rng, metadata)
    del owner[key]


def _replaced(rng: random.Random, metadata: dict, tensors: dict) -> None:
    """One value is of another kind, or far off."""
    owner, key = _place(rng, metadata)
    owner[key] = rng.choice(VALUES)


def _shuffled(rng: random.Random, metadata: dict, tensors: dict) -> None:
    """The course in another order, at a later update."""
    rng.shuffle(metadata["course"])
    metadata["step"] += rng.randrange(1, 5)


def _other_array(rng: random.Random, metadata: dict, tensors: dict) -> None:
    """An array is gone, doubled, of another shape or kind, or holds no numbers."""
    name = rng.choice(sorted(tensors))
    leaf = tensors.pop(name)
    others = (leaf.reshape(-1)[:-1], leaf * np.nan, leaf.astype(np.float64), None)
    other = rng.choice(range(5))
    if other == 4:
        tensors |= {name: leaf, f"{name}x": leaf}
    elif others[other] is not None:
        tensors[name] = others[other]


def _outcome(name: str, content: bytes) -> str:
    """What comes of going on with a folder in which a file is damaged."""
    for file in FILES:
        shutil.copy(Path("whole", file), "run")
    Path("run", LAST.name if name == CONTENTS else name).write_bytes(content)
    before = _contents("run")
    code, errors = _run("--resume", "run")
    if code == 2 and len(errors.splitlines()) == 1 and _contents("run") == before:
        return "refused"
    if name == CONTENTS and _means_the_same(content):
        shutil.copy(LAST, "run")
    return "the same" if code == 0 and _contents("run") == _contents("whole") else "else"


def _means_the_same(content: bytes) -> bool:
    """Whether all that a checkpoint lost are values that are what stands for them anyway."""
    arrays = [safetensors.numpy.load(each) for each in (content, LAST.read_bytes())]
    if safetensors.numpy.save(arrays[0]) != safetensors.numpy.save(arrays[1]):
        return False
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        try:
            ours = checkpoint.load(Path(file.name))
        except InputError:
            return False
    theirs = checkpoint.load(LAST)
    return all(getattr(ours, name) == getattr(theirs, name) for name in SAID)


def _contents(folder: str) -> list[bytes | None]:
    files = [Path(folder, name) for name in FILES]
    return [file.read_bytes() if file.exists() else None for file in files]


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
    sys.exit(guarded("damage_runs.py", main))
