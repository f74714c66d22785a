"""Functions that move data: done to the provenance as to the values, and no node made."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib import stride_tricks

from gradparity.record.frontend import session
from gradparity.record.frontend.array import (
    FUNCTIONS,
    Recorded,
    holds_recorded,
    plain,
    plain_index,
    provenance_of,
    recorded,
    stacked,
    wrap,
)
from gradparity.record.frontend.ufuncs import stored

# By what they take: one array first, or a sequence of arrays first.
OF_ONE: tuple[Any, ...] = (
    np.reshape, np.ravel, np.transpose, np.matrix_transpose, np.swapaxes, np.moveaxis, np.rollaxis,
    np.expand_dims, np.squeeze, np.flip, np.fliplr, np.flipud, np.roll, np.rot90, np.repeat,
    np.tile, np.take, np.take_along_axis, np.diagonal, np.broadcast_to, np.split, np.array_split,
    np.hsplit, np.vsplit, np.dsplit, np.delete, np.copy, np.resize, np.permute_dims,
    np.unstack, np.real, np.trim_zeros, stride_tricks.sliding_window_view, np.atleast_1d,
)  # fmt: skip
OF_MANY: tuple[Any, ...] = (
    np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.block, np.concat,
)  # fmt: skip


def _moved(function: Callable) -> Callable:
    def handler(first: Any, *rest: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        options.pop("dtype", None)
        rest = tuple(plain_index(part) for part in rest)
        options = {name: plain_index(part) for name, part in options.items()}
        found = _both(function, recorded(first), rest, options)
        return found if out is None else stored(found, out)

    return handler


def _both(function: Callable, array: Recorded, rest: Sequence, options: dict) -> Any:
    values = function(plain(array), *rest, **options)
    moved = function(provenance_of(array), *rest, **options)
    if isinstance(values, list | tuple):
        return type(values)(wrap(v, m) for v, m in zip(values, moved, strict=True))
    return wrap(values, moved)


def _joined(function: Callable) -> Callable:
    def handler(parts: Any, *rest: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        options.pop("dtype", None)
        options.pop("casting", None)
        parts = [recorded(part) if not isinstance(part, list) else part for part in parts]
        values = function(plain(parts), *rest, **options)
        moved = function([provenance_of(part) for part in parts], *rest, **options)
        if values.dtype.kind == "f":
            values = values.astype(np.float64, copy=False)
        found = wrap(values, moved)
        return found if out is None else stored(found, out)

    return handler


for _function in OF_ONE:
    FUNCTIONS[_function] = _moved(_function)
for _function in OF_MANY:
    FUNCTIONS[_function] = _joined(_function)


def handles(*functions: Callable) -> Callable[[Callable], Callable]:
    """Register what stands for functions of NumPy."""

    def register(handler: Callable) -> Callable:
        for function in functions:
            FUNCTIONS[function] = handler
        return handler

    return register


def with_zeros(function: Callable) -> Callable:
    """A function that invents zeros: in the provenance they are the constant's, not entry 0's."""

    def handler(array: Any, *rest: Any, **options: Any) -> Recorded:
        array = recorded(array)
        values = function(plain(array), *rest, **options)
        moved = function(provenance_of(array) + 1, *rest, **options) - 1
        return wrap(values, np.where(moved < 0, session.graph().zero, moved))

    return handler


for _function in (np.tril, np.triu, np.diagflat):
    FUNCTIONS[_function] = with_zeros(_function)


@handles(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """A view of a diagonal, or a matrix with zeros around one."""
    array = recorded(v)
    return with_zeros(np.diag)(array, k) if array.ndim == 1 else np.diagonal(array, k)


@handles(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Recorded:
    """More entries around the edge: constants, or the array's own again."""
    array = recorded(array)
    values = np.pad(plain(array), pad_width, mode, **options)
    if mode == "constant":
        inside = np.pad(provenance_of(array), pad_width, constant_values=-1)
        outside = provenance_of(np.where(inside < 0, values, 0.0))
        return wrap(values, np.where(inside < 0, outside, inside))
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise session.refused(np.pad, f"mode {mode!r}")
    return wrap(values, np.pad(provenance_of(array), pad_width, mode, **options))


@handles(np.where)
def where(condition: Any, *choices: Any) -> Any:
    """Entries of one array or of the other; with one argument, the places of True."""
    condition = plain(condition)
    if not choices:
        return np.where(condition)
    left, right = (recorded(choice) for choice in choices)
    values = np.where(condition, plain(left), plain(right))
    return wrap(values, np.where(condition, provenance_of(left), provenance_of(right)))


@handles(np.choose, np.select)
def select(conditions: Any, choices: Any, default: Any = 0) -> Recorded:
    """The first choice whose condition holds."""
    if not isinstance(conditions, list | tuple):
        raise session.refused(np.choose)
    found = recorded(default)
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        found = where(condition, choice, found)
    return found


@handles(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Recorded:
    """Slices where a condition holds."""
    array, condition = recorded(a), np.asarray(plain(condition), dtype=bool)
    found = wrap(
        np.compress(condition, plain(array), axis),
        np.compress(condition, provenance_of(array), axis),
    )
    return found if out is None else stored(found, out)


@handles(np.extract)
def extract(condition: Any, arr: Any) -> Recorded:
    """Entries where a condition holds."""
    return compress(np.ravel(plain(condition)), recorded(arr).ravel())


@handles(np.insert, np.append)
def insert(*arguments: Any, **options: Any) -> Recorded:
    """An array with others between or behind its entries."""
    if (len(arguments) + len(options) > 2 and "obj" in options) or (
        len(arguments) > 2 and not isinstance(arguments[2], int | type(None))
    ):
        array, obj, values, *rest = [*arguments, *options.values()]
        array = recorded(array)
        return wrap(
            np.insert(plain(array), plain(obj), plain(values), *rest),
            np.insert(provenance_of(array), plain(obj), provenance_of(values), *rest),
        )
    array, values, *rest = [*arguments, *options.values()]
    return wrap(
        np.append(plain(array), plain(values), *rest),
        np.append(provenance_of(array), provenance_of(values), *rest),
    )


@handles(np.broadcast_arrays)
def broadcast_arrays(*arrays: Any, **_: Any) -> tuple:
    """All at one shape."""
    arrays = tuple(recorded(a) for a in arrays)
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(np.broadcast_to(a, shape) for a in arrays)


@handles(np.atleast_1d)
def atleast_1d(*arrays: Any) -> Any:
    """At least one axis."""
    found = tuple(_both(np.atleast_1d, recorded(a), (), {}) for a in arrays)
    return found if len(found) > 1 else found[0]


@handles(np.atleast_2d)
def atleast_2d(*arrays: Any) -> Any:
    """At least two axes."""
    found = tuple(_both(np.atleast_2d, recorded(a), (), {}) for a in arrays)
    return found if len(found) > 1 else found[0]


@handles(np.atleast_3d)
def atleast_3d(*arrays: Any) -> Any:
    """At least three axes."""
    found = tuple(_both(np.atleast_3d, recorded(a), (), {}) for a in arrays)
    return found if len(found) > 1 else found[0]


@handles(stride_tricks.as_strided)
def as_strided(x: Any, shape: Any = None, strides: Any = None, *_: Any, **__: Any) -> Recorded:
    """The same strides on values and provenance, whose items have one size."""
    array = recorded(x)
    if plain(array).dtype.itemsize != 8 or plain(array).strides != provenance_of(array).strides:
        array = wrap(np.array(plain(array), dtype=np.float64), np.array(provenance_of(array)))
    return wrap(
        stride_tricks.as_strided(plain(array), shape, strides),
        stride_tricks.as_strided(provenance_of(array), shape, strides),
    )


@handles(np.sort)
def sort(a: Any, axis: int | None = -1, **_: Any) -> Recorded:
    """In ascending order: entries moved."""
    array: Any = recorded(a)
    array, axis = (array.reshape(-1), 0) if axis is None else (array, axis)
    moved: Any = np.take_along_axis(array, np.argsort(plain(array), axis, kind="stable"), axis)
    return moved


@handles(np.meshgrid)
def meshgrid(*arrays: Any, indexing: str = "xy", **_: Any) -> list:
    """Coordinates repeated along each other's axes."""
    arrays = tuple(recorded(a) for a in arrays)
    function: Any = np.meshgrid
    values = function(*(plain(a) for a in arrays), indexing=indexing)
    moved = function(*(provenance_of(a) for a in arrays), indexing=indexing)
    return [wrap(v, m) for v, m in zip(values, moved, strict=True)]


@handles(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Write into an array."""
    np.copyto(plain(dst), plain(src), where=plain(where), casting="unsafe")
    if isinstance(dst, Recorded):
        np.copyto(provenance_of(dst), provenance_of(src), where=plain(where))
        session.written(dst)


@handles(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write on a diagonal."""
    np.fill_diagonal(plain(a), plain(val), wrap)
    np.fill_diagonal(provenance_of(a), provenance_of(val), wrap)
    session.written(a)


@handles(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None = -1) -> None:
    """Write at places along an axis."""
    np.put_along_axis(plain(arr), plain(indices), plain(values), axis)
    np.put_along_axis(provenance_of(arr), plain(indices), provenance_of(values), axis)
    session.written(arr)


@handles(np.put)
def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    """Write at places of the flattened array."""
    np.put(plain(a), plain(ind), plain(v), mode)
    np.put(provenance_of(a), plain(ind), provenance_of(v), mode)
    session.written(a)


@handles(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write where a mask holds, one value after the other."""
    np.place(plain(arr), plain(mask), plain(vals))
    np.place(provenance_of(arr), plain(mask), provenance_of(recorded(vals)))
    session.written(arr)


@handles(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """Write where a mask holds, values at the same places."""
    np.putmask(plain(a), plain(mask), plain(values))
    np.putmask(provenance_of(a), plain(mask), provenance_of(recorded(values)))
    session.written(a)


def array(source: Any, dtype: Any = None, *, copy: bool | None = True, **_: Any) -> Any:
    """`np.array` and its kin, where a recorded array is in it."""
    if not holds_recorded(source):
        return recorded(np.array(source))
    if isinstance(source, Recorded):
        same = converted(source, dtype)
        return same.__copy__() if copy and same is source else same
    return converted(stacked(source), dtype)


def converted(source: Recorded, dtype: Any) -> Recorded:
    """As another type: of reals everything stays float64, and truncation is a step."""
    if dtype is None or np.dtype(dtype).kind == "O":
        return source
    kind, now = np.dtype(dtype).kind, plain(source).dtype.kind
    if kind == "f" and now != "f":
        return wrap(plain(source).astype(np.float64), provenance_of(source).copy(order="K"))
    if kind == "b" and now != "b":
        return source != 0
    if kind in "iu" and now == "f":
        whole = np.trunc(source)
        return wrap(plain(whole).astype(np.int64), provenance_of(whole))
    if kind in "iu":
        return wrap(plain(source).astype(np.int64), provenance_of(source).copy(order="K"))
    return source
