"""Damage a checkpoint in every way one byte allows, and show that none is believed.

    scripts/damage_checkpoints.py

A small model's checkpoint is cut off at every length, and every byte of it is replaced by every
other value. Each of these files must be refused with one clear message, or load exactly what was
saved: a few bytes, such as the order of names in the header, mean nothing. Exit code 1: a
damaged file was believed, or brought an error that is no clear message.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from lstm_lm.config.options import Options as Training
from lstm_lm.keep import checkpoint
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.loop import beginning
from lstm_lm.tasks.table import make_task
from lstm_spec import InputError
from lstm_spec.exits import guarded
from lstm_spec.tree import leaves


@dataclass(frozen=True)
class Options:
    """Damage a checkpoint in every way one byte allows, and show that none is believed."""

    every: int = 1
    """Only every so many-th byte."""
    hidden: int = 1
    """Units of the model: the size of the file."""


def main() -> None:
    """Damage, load, count, print."""
    options, console = tyro.cli(Options, description=__doc__), Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        saved = _save(path, options)
        whole = path.read_bytes()
        places = range(0, len(whole), options.every)
        shown = track(places, "damaging", console=Console(stderr=True), transient=True)
        changes = Counter(_outcome(path, saved) for n in shown for _ in _changed(path, whole, n))
        cuts = Counter(_outcome(path, saved) for _ in _cut(path, reversed(places)))
    console.print(f"{len(whole):,} bytes{'refused':>16}{'the same':>12}{'believed':>12}")
    for name, found in {"cut off": cuts, "one byte changed": changes}.items():
        cells = (f"{found[kind]:>12,}" for kind in ("refused", "the same", "believed"))
        console.print(f"{name:16}{''.join(cells)}")
    believed = cuts["believed"] + changes["believed"] + cuts["the same"]
    console.print("FAIL  damage was believed" if believed else "PASS  no damage was believed")
    sys.exit(1 if believed else 0)


def _save(path: Path, options: Options) -> Checkpoint:
    """A run before its first update, with every kind of array that there is."""
    training = Training(hidden=options.hidden, batch=1).resolved()
    saved = beginning(training, make_task(training))
    checkpoint.save(path, saved)
    return saved


def _changed(path: Path, whole: bytes, place: int) -> Iterator[int]:
    """Put each of the 255 other values into one byte of the file, in place; then the old one."""
    with path.open("r+b", buffering=0) as file:
        for value in (*(v for v in range(256) if v != whole[place]), whole[place]):
            file.seek(place)
            file.write(bytes([value]))
            if value != whole[place]:
                yield value


def _cut(path: Path, lengths: Iterable[int]) -> Iterator[int]:
    """Cut the file shorter and shorter."""
    for length in lengths:
        os.truncate(path, length)
        yield length


def _outcome(path: Path, saved: Checkpoint) -> str:
    """What comes of loading the damaged file."""
    try:
        found = checkpoint.load(path)
    except InputError:
        return "refused"
    except Exception:  # a traceback is no refusal
        return "believed"
    return "the same" if _same(found, saved) else "believed"


def _same(one: Checkpoint, other: Checkpoint) -> bool:
    a, b = leaves(one.training), leaves(other.training)
    return (
        one._replace(training=None, vocabulary=one.vocabulary.symbols)
        == other._replace(training=None, vocabulary=other.vocabulary.symbols)
        and a.keys() == b.keys()
        and all(np.array_equal(a[path], b[path]) for path in a)
    )


if __name__ == "__main__":
    sys.exit(guarded("damage_checkpoints.py", main))
