"""What every check of an array has in common."""

import cmath
from typing import Any

import numpy as np

from lstm_spec.errors import InputError

THREADED = 10_000  # numbers up to which OpenBLAS forms an inner product in one thread


def require_array(name: str, value: Any) -> Any:
    """Refuse what is not an array, such as a list."""
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        raise InputError(f"{name}: got {type(value).__name__}, expected an array")
    return value


def require_shape(name: str, array: Any, shape: tuple[int, ...], why: str = "") -> None:
    """Refuse an array of another shape."""
    if tuple(require_array(name, array).shape) != shape:
        raise InputError(f"{name}: got shape {tuple(array.shape)}, expected {shape}{why}")


def require_floats(
    name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype, values: bool
) -> None:
    """Refuse an array of another shape or dtype, or, where values count, one not all finite."""
    if (getattr(array, "shape", None), getattr(array, "dtype", None)) != (shape, dtype):
        require_shape(name, array, shape)
        if array.dtype != dtype:
            raise InputError(f"{name}: got dtype {array.dtype}, expected {dtype}")
    if values and not all_finite(array):
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(np.asarray(array)))[0])
        raise InputError(f"{name}: got {array[index]} at {index}, expected finite numbers")


def all_finite(array: Any) -> bool:
    """Whether no entry is NaN or infinite.

    A sum of squares is finite only if every entry is, and is sooner formed than looking at each. It
    may also overflow, so what it finds suspicious is looked at entry by entry; and so are arrays
    so long that BLAS would use threads, which then keep a core busy for some milliseconds.
    """
    array = np.asarray(array)
    if array.size < THREADED and cmath.isfinite(np.vdot(array, array)):  # `dot` would warn
        return True
    return bool(np.isfinite(array).all())
