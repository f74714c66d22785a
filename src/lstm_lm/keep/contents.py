"""What a checkpoint and a line of the metrics must hold, before it is used."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.engines.cells import cell_of
from lstm_lm.engines.schedule import Course
from lstm_lm.keep.tensor_file import Entry
from lstm_spec import InputError

Count = Annotated[int, msgspec.Meta(ge=0)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
DTYPES = {"float32": "F32", "float64": "F64"}
MOMENTS = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}


class Extent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metrics up to a commit.

    Attributes:
        size: bytes.
        lines: how many.
        sha256: of these bytes.
        marks: lines and the digest up to them, here and there, so that damage can be placed.
        spacing: lines from one mark to the next.
    """

    size: Count = 0
    lines: Count = 0
    sha256: Sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    marks: tuple[tuple[Count, Sha256], ...] = ()
    spacing: Count = 64


class Best(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which best checkpoint belongs to a commit: its update, and its own digest."""

    step: Count
    sha256: Sha256


class Commit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What belongs to a checkpoint besides what is in it.

    Attributes:
        metrics: their extent.
        config: SHA-256 of `config.json`.
        best: the best checkpoint; None before there is one, and in that checkpoint itself.
        unvalidated: the run was stopped before the validation that this update is followed by.
        forgotten: the validations up to this update do not count: their best model was lost.
    """

    metrics: Extent
    config: Sha256
    best: Best | None = None
    unvalidated: bool = False
    forgotten: Count = 0


class Kept(msgspec.Struct, forbid_unknown_fields=True):
    """A checkpoint's metadata; `lstm_lm.keep.checkpoint.Checkpoint` says what they are."""

    format: int
    options: dict[str, Any]
    vocabulary: list[str]
    fingerprint: str
    step: Count
    made: Count
    course: tuple[float | None, Count, Count, Count]
    commit: Commit | None = None
    sha256: str = ""


class Updated(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the metrics: an update. Losses in nats per token."""

    step: Annotated[int, msgspec.Meta(ge=1)]
    loss: float
    norm: float
    rate: float


class Validated(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the metrics: a validation."""

    step: Annotated[int, msgspec.Meta(ge=1)]
    validation: float


class Tested(msgspec.Struct, forbid_unknown_fields=True):
    """A line of the metrics: the test at the very end."""

    step: Annotated[int, msgspec.Meta(ge=1)]
    test: float


def line_of(text: bytes) -> Updated | Validated | Tested | None:
    """A line of the metrics; None if it is none."""
    kinds: tuple[tuple[Any, bytes], ...] = (
        (Updated, b'"loss"'), (Validated, b'"validation"'), (Tested, b'"test"'),
    )  # fmt: skip
    for kind, name in kinds:
        if name in text:
            try:
                return msgspec.json.decode(text, type=kind)
            except (msgspec.MsgspecError, RecursionError, ValueError):
                return None
    return None


def require_consistent(kept: Kept, path: Path) -> None:
    """Refuse what no run can have come to.

    Raises:
        InputError: names the entry, what came and what was expected.
    """
    best, best_step, stale, _ = kept.course
    if kept.made != kept.step:
        raise _wrong(path, "made", kept.made, f"as many as its updates, {kept.step}")
    if best is not None and not math.isfinite(best):
        raise _wrong(path, "course", best, "a finite loss")
    if best_step > kept.step or (best is None and (best_step or stale)):
        raise _wrong(path, "course", list(kept.course), f"a course of {kept.step} updates")
    if len(set(kept.vocabulary)) != len(kept.vocabulary) or not kept.vocabulary:
        raise _wrong(path, "vocabulary", f"{len(kept.vocabulary)} symbols", "each of them once")


def require_tensors(
    entries: Mapping[str, Entry], options: Options, symbols: int, path: Path
) -> None:
    """Refuse tensors that are not those of a configuration, before they are read.

    Args:
        entries: what the file's header says.
        options: the run's, resolved.
        symbols: the vocabulary's size.
        path: the file.

    Raises:
        InputError: names the tensor, what came and what was expected.
    """
    cell = cell_of(options)
    if cell.shapes is None:
        return
    layers, copies = options.layers or 1, 1 + MOMENTS[options.optimizer]
    if layers > len(entries):
        raise _wrong(path, "tensors", f"{len(entries)} of them", f"those of {layers:,} layers")
    shapes = dict(cell.shapes(options.config(symbols)))
    expected = dict(shapes)
    for name in ("first", "second")[: copies - 1]:
        expected |= {f"optimizer.{name}.{leaf}": shape for leaf, shape in shapes.items()}
    state = (layers, options.hidden or 1, options.batch or 1)
    expected |= {f"carry.{name}": state for name in cell.state._fields}
    for name in entries.keys() - expected.keys():
        raise _wrong(path, "tensors", f"{name[:60]!r}", "those of the run's model")
    for name, shape in expected.items():
        found = entries.get(name)
        if found is None:
            raise _wrong(path, name, "nothing", f"a tensor of shape {shape}")
        if (tuple(found.shape), found.dtype) != (shape, DTYPES[options.dtype]):
            got = f"{found.dtype} {tuple(found.shape)}"
            raise _wrong(path, name, got, f"{DTYPES[options.dtype]} {shape}")


def require_numbers(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Refuse what is no number, and negative means of squares.

    Raises:
        InputError: names the tensor.
    """
    for name, leaf in tensors.items():
        if not np.isfinite(leaf).all():
            raise _wrong(path, name, "NaN or infinity", "finite numbers")
        if name.startswith("optimizer.second.") and leaf.size and leaf.min() < 0:
            raise _wrong(path, name, f"{leaf.min():g}", "means of squares, 0 or more")


def course_of(kept: Kept) -> Course:
    """What schedule and early stopping remember."""
    best, *rest = kept.course
    return Course(math.inf if best is None else best, *rest)


def _wrong(path: Path, name: str, got: Any, expected: str) -> InputError:
    return InputError(f"{path}: {name}: got {got}, expected {expected}")
