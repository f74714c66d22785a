"""JAX's general convolution on NumPy's arrays: windows of the one, times the other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradparity.record.graph.nodes import Array


def conv_general_dilated(params: dict, _: Any) -> Callable:
    """Windows of `lhs` times `rhs`, with strides, padding, dilation and groups."""
    numbers = params["dimension_numbers"]
    groups, batches = params["feature_group_count"], params["batch_group_count"]

    def run(lhs: Array, rhs: Array) -> Array:
        left = lhs.transpose(numbers.lhs_spec)
        right = rhs.transpose(numbers.rhs_spec)
        left = _padded(_dilated(left, params["lhs_dilation"]), params["padding"])
        right = _dilated(right, params["rhs_dilation"])
        if groups > 1:
            pairs = zip(np.split(left, groups, 1), np.split(right, groups, 0), strict=True)
        else:
            pairs = zip(np.split(left, batches, 0), np.split(right, batches, 0), strict=True)
        parts = [_windows_times(a, b, params["window_strides"]) for a, b in pairs]
        found = np.concatenate(parts, axis=1)
        return found.transpose(np.argsort(numbers.out_spec))

    return run


def _windows_times(left: Array, right: Array, strides: Sequence[int]) -> Array:
    """`(batch, out, *spatial)` from `(batch, in, *spatial)` and `(out, in, *spatial)`."""
    rank = left.ndim - 2
    axes = tuple(range(2, 2 + rank))
    windows = np.lib.stride_tricks.sliding_window_view(left, right.shape[2:], axes)
    windows = windows[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
    inner = (1, *range(2 + rank, 2 + 2 * rank))
    found = np.tensordot(windows, right, axes=(inner, (1, *range(2, 2 + rank))))
    return np.moveaxis(found, -1, 1)


def _dilated(array: Array, steps: Sequence[int]) -> Array:
    """With zeros between the entries of the spatial axes."""
    if all(step == 1 for step in steps):
        return array
    shape = [(n - 1) * s + 1 for n, s in zip(array.shape[2:], steps, strict=True)]
    found = np.zeros((*array.shape[:2], *shape))
    found[(slice(None), slice(None), *(slice(None, None, s) for s in steps))] = array
    return found


def _padded(array: Array, padding: Sequence[tuple[int, int]]) -> Array:
    """With zeros around, or cut where padding is negative."""
    wide = [(max(low, 0), max(high, 0)) for low, high in padding]
    found = np.pad(array, [(0, 0), (0, 0), *wide])
    cut = tuple(
        slice(max(-low, 0), n - max(-high, 0))
        for (low, high), n in zip(padding, found.shape[2:], strict=True)
    )
    return found[(slice(None), slice(None), *cut)]
