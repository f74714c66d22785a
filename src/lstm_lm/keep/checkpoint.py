"""A checkpoint: one safetensors file with everything, which proves itself when it is read.

Weights stand under the tree's paths (`layers.0.W_f`), the optimiser's memory under
`optimizer.first.…`, the carried state under `carry.…`. One metadata entry holds
the rest as JSON, with a SHA-256 over it and over every leaf's path, dtype, shape
and bytes. Loading executes nothing, and takes no memory for what is not as it claims.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import safetensors.numpy

from lstm_lm.config.options import Options
from lstm_lm.engines.cells import cell_of
from lstm_lm.engines.engine import Training
from lstm_lm.engines.optimizers import Moments
from lstm_lm.engines.schedule import Course
from lstm_lm.keep import contents, tensor_file
from lstm_lm.keep.contents import Commit, Kept
from lstm_spec import InputError
from lstm_spec.corpus import Vocabulary
from lstm_spec.files import write_whole
from lstm_spec.tree import leaves

KEY, FORMAT = "gradparity", 1


class Checkpoint(NamedTuple):
    """A run at the end of some update.

    Attributes:
        options: the run's configuration, resolved.
        vocabulary: symbols by id.
        fingerprint: of the data it was trained on.
        step: updates made. All that is random in an update derives from the seed
            and this number, so it is the random state.
        training: weights, optimiser's memory, carried state, as NumPy arrays.
        course: what schedule and early stopping remember.
        commit: what else of the run's folder belongs to it; None outside of one.
    """

    options: Options
    vocabulary: Vocabulary
    fingerprint: str
    step: int
    training: Training
    course: Course
    commit: Commit | None = None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        InputError: it cannot be written (as on a full disk); an old one is untouched.
    """
    write_whole(path, Encoding(checkpoint.training).of(checkpoint)[0])


class Encoding:
    """Checkpoints of one state of training as files; its tensors are gathered and verified once."""

    def __init__(self, training: Training) -> None:
        self._tensors = _tensors(training)
        self._verified = False

    def of(self, checkpoint: Checkpoint) -> tuple[bytes, str]:
        """A checkpoint as a file's bytes, and its SHA-256."""
        content = _content(checkpoint)
        content["sha256"] = digest(content, self._tensors)
        written = safetensors.numpy.save(self._tensors, {KEY: json.dumps(content)})
        if not self._verified:
            _require_same(safetensors.numpy.load(written), self._tensors)
            self._verified = True
        return written, content["sha256"]


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: it is missing, cut off, changed, or no checkpoint of this program.
    """
    return loaded(path)[0]


def loaded(path: Path) -> tuple[Checkpoint, str]:
    """Read a checkpoint, and its SHA-256.

    Raises:
        InputError: as `load`.
    """
    content, kept, file = _opened(path)
    try:
        options = Options.from_json(kept.options).resolved()
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error
    contents.require_consistent(kept, path)
    contents.require_tensors(file.entries, options, len(kept.vocabulary), path)
    tensors = file.tensors()
    claimed = content.pop("sha256", None)
    if claimed != digest(content, tensors):
        raise InputError(f"{path}: damaged: its contents do not match its SHA-256")
    contents.require_numbers(tensors, path)
    try:
        return _checkpoint(kept, options, tensors), kept.sha256
    except (KeyError, TypeError, ValueError) as error:  # a cell of somebody's own
        raise tensor_file.damaged(path, error) from error


def _opened(path: Path) -> tuple[dict[str, Any], Kept, tensor_file.TensorFile]:
    """The metadata as they stand and as they are, and the tensors' descriptions; none believed."""
    file = tensor_file.opened(Path(path))
    try:
        content = json.loads(file.metadata[KEY])
        if not isinstance(content, dict):
            raise TypeError("metadata is no object")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise tensor_file.damaged(path, error) from error
    if content.get("format", FORMAT) != FORMAT:
        got = content["format"]
        raise InputError(f"{path}: format {got}, expected {FORMAT}: written by another version")
    try:
        kept = msgspec.convert(content, Kept)
        again = json.loads(msgspec.json.encode(kept))
        if {name: again[name] for name in content} != content:
            raise msgspec.ValidationError("an entry is missing")
        return content, kept, file
    except (msgspec.ValidationError, RecursionError) as error:
        raise tensor_file.damaged(path, error) from error


def digest(content: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 over the metadata and over every leaf's path, dtype, shape and bytes."""
    described = {key: value for key, value in content.items() if key != "sha256"}
    state = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for path in sorted(tensors):
        leaf = np.ascontiguousarray(tensors[path])
        state.update(json.dumps([path, leaf.dtype.str, leaf.shape]).encode())
        state.update(leaf.data)
    return state.hexdigest()


def _require_same(read: dict[str, np.ndarray], written: dict[str, np.ndarray]) -> None:
    for path, leaf in written.items():
        again = read[path]
        same = (again.dtype, again.shape) == (leaf.dtype, leaf.shape)
        if not (same and again.tobytes() == leaf.tobytes()):
            raise RuntimeError(f"{path}: changed while it was written")


def _content(checkpoint: Checkpoint) -> dict[str, Any]:
    course = checkpoint.course
    best = course.best if math.isfinite(course.best) else None
    return {
        "format": FORMAT,
        "options": checkpoint.options.to_json(),
        "vocabulary": list(checkpoint.vocabulary.symbols),
        "fingerprint": checkpoint.fingerprint,
        "step": checkpoint.step,
        "made": int(checkpoint.training.moments.made),
        "course": [best, *course[1:]],
        "commit": msgspec.to_builtins(checkpoint.commit),
    }


def _checkpoint(kept: Kept, options: Options, tensors: dict[str, np.ndarray]) -> Checkpoint:
    cell = cell_of(options)
    moments = Moments(
        kept.made,
        _subtree(tensors, "optimizer.first.", options),
        _subtree(tensors, "optimizer.second.", options),
    )
    params = cell.from_leaves(tensors, options)
    carry = cell.state(*(tensors[f"carry.{name}"] for name in cell.state._fields))
    return Checkpoint(
        options,
        Vocabulary(kept.vocabulary),
        kept.fingerprint,
        kept.step,
        Training(params, moments, carry),
        contents.course_of(kept),
        kept.commit,
    )


def _tensors(training: Training) -> dict[str, np.ndarray]:
    """Every array by path; contiguous, since safetensors writes a strided view's bytes wrongly."""
    named = (
        leaves(training.params)
        | leaves(training.moments.first, "optimizer.first")
        | leaves(training.moments.second, "optimizer.second")
        | leaves(training.carry, "carry")
    )
    return {path: np.ascontiguousarray(leaf) for path, leaf in named.items()}


def _subtree(tensors: dict[str, np.ndarray], prefix: str, options: Options) -> Any:
    found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return cell_of(options).from_leaves(found, options) if found else None
