"""Are two trees of arrays equal? Strictly."""

from collections.abc import Iterable
from fnmatch import fnmatch
from typing import Any

import numpy as np

from gradparity.trees.equal import FLOOR_ULPS, RTOL, Judgement, judge
from gradparity.trees.errors import ParityError
from lstm_spec import InputError
from lstm_spec.tree import leaves


def compare(
    got: Any,
    reference: Any,
    *,
    rtol: float = RTOL,
    atol: float = 0.0,
    zeros: str | Iterable[str] = (),
) -> list[Judgement]:
    """Hold one tree of arrays to another, leaf by leaf.

    Trees may be any nesting of mappings, sequences, named tuples, dataclasses and
    classes registered with JAX; leaves NumPy, JAX or PyTorch arrays, or numbers.
    A leaf passes where `max|got − reference| ≤ rtol · max|reference| + atol`; in
    float32 at least 8 eps of max|reference| are allowed. Integers must be equal.

    Args:
        got: what is tested.
        reference: what it should be.
        rtol: relative to the leaf's largest value; the default is for float64.
        atol: absolute, in the leaf's units.
        zeros: path patterns (`*.b_o`) of leaves that are meant to be all zero. Without
            one, a reference of floats that are all zero fails: it would prove nothing.

    Returns:
        A judgement for every leaf.

    Raises:
        ParityError: a leaf differs, is missing, extra, of another shape or dtype,
            holds NaN or infinity, or its reference is all zero and not declared so.
        InputError: there is nothing to compare, a leaf holds no numbers, two leaves
            have one path, a pattern fits none, or a tolerance is no number from 0 on.
    """
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not (value >= 0 and np.isfinite(value)):
            raise InputError(f"{name}: got {value}, expected a finite number from 0 on")
    a, b = _arrays(got), _arrays(reference)
    if not a and not b:
        raise InputError("compare: neither tree has a leaf, expected arrays to compare")
    patterns = (zeros,) if isinstance(zeros, str) else tuple(zeros)
    for pattern in patterns:
        if not any(fnmatch(path, pattern) for path in b):
            raise InputError(f"zeros: {pattern!r} fits no leaf of the reference")
    allowed = (rtol, atol, patterns)
    judgements = [_judge_leaf(path, a.get(path), b.get(path), *allowed) for path in a | b]
    failures = [judgement for judgement in judgements if not judgement.ok]
    if failures:
        raise ParityError(sorted(failures, key=_badness))
    return judgements


def _badness(judgement: Judgement) -> tuple[int, float]:
    """Structural failures first, then what is no number, then by margin."""
    kind = 0 if judgement.values is None else 1 if judgement.status == "not finite" else 2
    return kind, judgement.margin if kind == 2 else 0.0


def _arrays(tree: Any) -> dict[str, np.ndarray]:
    return {path: _array(path, leaf) for path, leaf in leaves(tree).items()}


def _array(path: str, leaf: Any) -> np.ndarray:
    try:
        array = np.asarray(leaf.detach().cpu() if hasattr(leaf, "detach") else leaf)
    except (TypeError, ValueError, RuntimeError) as error:
        got = f"{type(leaf).__name__} ({str(error).splitlines()[0]})"
        raise InputError(f"{path or 'tree'}: got {got}, expected numbers NumPy can read") from error
    if array.dtype.kind not in "biufc":
        got = f"{type(leaf).__name__} of dtype {array.dtype}"
        raise InputError(f"{path or 'tree'}: got {got}, expected numbers that NumPy knows")
    return array


def _judge_leaf(
    path: str,
    got: np.ndarray | None,
    reference: np.ndarray | None,
    rtol: float,
    atol: float,
    zeros: tuple[str, ...],
) -> Judgement:
    if got is None or reference is None:
        return _one_sided(path, got, reference)
    if got.shape != reference.shape:
        return Judgement(path, "shape", note=f"got {got.shape}, expected {reference.shape}")
    if got.dtype != reference.dtype:
        return Judgement(path, "dtype", note=f"got {got.dtype}, expected {reference.dtype}")
    zero = any(fnmatch(path, pattern) for pattern in zeros)
    if got.dtype.kind in "biu":
        return _judge_integers(path, got, reference)
    least = FLOOR_ULPS * float(np.finfo(got.dtype).eps)
    return judge(path, got, reference, rtol=max(rtol, least), atol=atol, zero=zero)


def _judge_integers(path: str, got: np.ndarray, reference: np.ndarray) -> Judgement:
    unequal = np.argwhere(got != reference)
    if len(unequal) == 0:
        return Judgement(path, "pass", max_abs_error=0.0, max_rel_error=0.0, tolerance=0.0)
    index = tuple(int(i) for i in unequal[0])
    values = (got[index].item(), reference[index].item())
    error = abs(int(values[0]) - int(values[1]))
    return Judgement(path, "mismatch", index, values, float(error), tolerance=0.0)


def _one_sided(path: str, got: np.ndarray | None, reference: np.ndarray | None) -> Judgement:
    if reference is not None:
        return Judgement(path, "missing", note=f"expected shape {reference.shape}, got nothing")
    assert got is not None
    return Judgement(path, "unexpected", note=f"got shape {got.shape}, expected no such leaf")
