"""The primitives of JAX that index, on NumPy's arrays: `gather`, `scatter` and their kin."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradparity.record.graph.nodes import Array


def gather(params: dict, _: Any) -> Callable:
    """Slices of an operand at places that are data."""
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]

    def run(operand: Array, indices: Array) -> Array:
        hidden = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
        window = [d for d in range(operand.ndim) if d not in hidden]
        places = _places(
            indices, operand.shape, sizes, window, numbers.start_index_map,
            numbers.operand_batching_dims, numbers.start_indices_batching_dims,
        )  # fmt: skip
        found = operand[places]
        batch = indices.ndim - 1
        axes = list(numbers.offset_dims)
        rest = [k for k in range(found.ndim) if k not in axes]
        order = np.empty(found.ndim, dtype=int)
        order[rest] = np.arange(batch)
        order[axes] = batch + np.arange(len(axes))
        return found.transpose(order)

    return run


def scatter(combine: np.ufunc | None) -> Callable[[dict, Any], Callable]:
    """Slices written into an operand at places that are data, or combined with what is there."""

    def make(params: dict, _: Any) -> Callable:
        numbers = params["dimension_numbers"]

        def run(operand: Array, indices: Array, updates: Array) -> Array:
            hidden = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
            window = [d for d in range(operand.ndim) if d not in hidden]
            axes = list(numbers.update_window_dims)
            sizes = [1] * operand.ndim
            for axis, d in zip(axes, window, strict=True):
                sizes[d] = updates.shape[axis]
            places = _places(
                indices, operand.shape, sizes, window, numbers.scatter_dims_to_operand_dims,
                numbers.operand_batching_dims, numbers.scatter_indices_batching_dims,
            )  # fmt: skip
            rest = [k for k in range(updates.ndim) if k not in axes]
            values = updates.transpose(*rest, *axes)
            found = np.array(operand)
            if combine is None:
                found[places] = values
            else:
                combine.at(found, places, values)
            return found

        return run

    return make


def _places(
    indices: Array, shape: Any, sizes: Any, window: Any, mapped: Any, batching: Any, batched: Any
) -> tuple[Array, ...]:
    """For every dimension of the operand the index of each entry, `(*batch, *window)`."""
    batch = indices.shape[:-1]
    rank = len(batch) + len(window)

    def along(values: Array, axis: int) -> Array:
        return values.reshape([len(values) if k == axis else 1 for k in range(rank)])

    found = []
    for d, length in enumerate(shape):
        place: Any = np.zeros((1,) * rank, dtype=np.int64)
        if d in mapped:
            start = indices[..., list(mapped).index(d)]
            start = np.clip(start, 0, length - sizes[d])
            place = place + start.reshape(*batch, *(1,) * len(window))
        if d in batching:
            axis = list(batched)[list(batching).index(d)]
            place = place + along(np.arange(batch[axis]), axis)
        if d in window:
            place = place + along(np.arange(sizes[d]), len(batch) + list(window).index(d))
        found.append(place)
    return tuple(np.broadcast_arrays(*found))


def dynamic_slice(params: dict, _: Any) -> Callable:
    """A slice that begins at a place that is data."""
    sizes = params["slice_sizes"]

    def run(operand: Array, *starts: Array) -> Array:
        return operand[_window(operand, starts, sizes)]

    return run


def dynamic_update_slice(_: dict, __: Any) -> Callable:
    """Written at a place that is data."""

    def run(operand: Array, update: Array, *starts: Array) -> Array:
        found = np.array(operand)
        found[_window(operand, starts, update.shape)] = update
        return found

    return run


def _window(operand: Array, starts: Any, sizes: Any) -> tuple[slice, ...]:
    ends = zip(starts, sizes, operand.shape, strict=True)
    first = [int(np.clip(start, 0, length - size)) for start, size, length in ends]
    return tuple(slice(a, a + size) for a, size in zip(first, sizes, strict=True))


def sort(params: dict, _: Any) -> Callable:
    """Several arrays in the order of the first of them."""
    axis, keys = params["dimension"], params["num_keys"]

    def run(*operands: Array) -> list[Array]:
        order = np.lexsort([operands[k] for k in range(keys - 1, -1, -1)], axis=axis)
        return [np.take_along_axis(x, order, axis) for x in operands]

    return run
