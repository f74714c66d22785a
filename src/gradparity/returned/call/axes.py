"""Arrays `(time, features, batch)` in somebody else's order of axes, and back."""

import numpy as np

from gradparity.lstm.film import Array

ORDER = "tnb"


def arranged(array: Array, axes: str) -> Array:
    """An array `(time, features, batch)` with the axes that a layout asks for: "b,t,n"."""
    letters = [axis.strip() for axis in axes.split(",")]
    kept = [axis for axis in letters if axis != "1"]
    moved = array.transpose([ORDER.index(a) for a in _completed(kept)])
    lengths = dict(zip(ORDER, array.shape, strict=True)) | {"1": 1}
    return np.ascontiguousarray(moved.reshape([lengths[axis] for axis in letters]))


def restored(array: Array, axes: str, shape: tuple[int, ...]) -> Array:
    """The inverse of `arranged`; `shape` is that of the result."""
    kept = [axis.strip() for axis in axes.split(",") if axis.strip() != "1"]
    order = _completed(kept)
    full = array.reshape([shape[ORDER.index(a)] for a in order])
    return np.ascontiguousarray(full.transpose([order.index(a) for a in ORDER]))


def _completed(kept: list[str]) -> list[str]:
    """All three axes, those that are not there (of length one) at the end."""
    return [*kept, *[a for a in ORDER if a not in kept]]
