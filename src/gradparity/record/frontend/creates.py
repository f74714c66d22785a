"""Functions that make arrays, for callers in the subject's files: recorded, in float64."""

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradparity.record.frontend import moves
from gradparity.record.frontend.array import (
    FUNCTIONS,
    Recorded,
    holds_recorded,
    plain,
    recorded,
    wrap,
)
from gradparity.record.frontend.session import graph, refused

SINGLE = (np.float16, np.float32, "float16", "float32", "f4", "f2", "f", "single", "half")


def _like(function: Callable) -> Callable:
    def handler(a: Any, *rest: Any, dtype: Any = None, **options: Any) -> Any:
        kind = np.dtype(dtype).kind if dtype is not None else plain(a).dtype.kind
        options = {name: value for name, value in options.items() if name == "shape"}
        if kind in "iu":
            return function(plain(a), *map(plain, rest), dtype=np.int64, **options)
        dtype = bool if kind == "b" else np.float64
        values = function(plain(a), *map(plain, rest), dtype=dtype, **options)
        if function is np.empty_like:
            values[...] = 0
        if rest and holds_recorded(rest[0]):
            found = wrap(values, np.full_like(values, graph().zero, dtype=np.int64))
            found[...] = rest[0]
            return found
        return recorded(values)

    return handler


for _function in (np.zeros_like, np.ones_like, np.empty_like, np.full_like):
    FUNCTIONS[_function] = _like(_function)


def full(shape: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    """`np.full` with a recorded number."""
    found = recorded(np.zeros(shape))
    found[...] = fill_value
    return found


def real(value: Any = 0.0) -> Any:
    """`float` and `np.float64`: a recorded number stays one."""
    if isinstance(value, Recorded) and value.size == 1:
        found: Any = moves.converted(value, np.float64).reshape(())
        return wrap(plain(found)[()], found.provenance)
    if isinstance(value, Recorded):
        return moves.converted(value, np.float64)
    return (
        float(value)
        if not isinstance(value, np.ndarray | list)
        else recorded(np.array(value, dtype=np.float64))
    )


def whole(kind: Callable) -> Callable:
    """`int`, `np.int64`, `bool`: a mask stays recorded as an array, a number becomes plain."""

    def convert(value: Any = 0, *rest: Any) -> Any:
        if isinstance(value, Recorded):
            return moves.converted(value, kind) if value.ndim else kind(plain(value)[()])
        return kind(value, *rest)

    return convert


def is_instance(value: Any, kinds: Any) -> bool:
    """`isinstance`: a recorded number is a float, as NumPy's are."""
    if isinstance(value, Recorded) and value.scalar:
        return isinstance(plain(value)[()], kinds)
    return isinstance(value, kinds)


def type_of(value: Any, *rest: Any) -> Any:
    """`type`: what NumPy would have made."""
    if isinstance(value, Recorded) and not rest:
        return type(plain(value)[()]) if value.scalar else np.ndarray
    return type(value, *rest)


def _math(name: str) -> Callable:
    function, ufunc = (
        getattr(math, name),
        getattr(np, {"pow": "power", "fabs": "abs"}.get(name, name), None),
    )

    def compute(*values: Any) -> Any:
        if not holds_recorded(list(values)):
            return function(*values)
        if name == "log" and len(values) == 2:
            return np.log(values[0]) / np.log(values[1])
        if name == "erf":
            from scipy.special import erf

            return erf(*values)
        if name in ("fsum", "prod"):
            parts: Any = recorded(list(values[0]))
            return parts.sum() if name == "fsum" else parts.prod()
        if name in ("floor", "ceil", "trunc"):
            return function(float(plain(values[0])))
        if ufunc is None:
            raise refused(function)
        return ufunc(*values)

    return compute


def vectorized(function: Any, *rest: Any, **options: Any) -> Callable:
    """`np.vectorize`: the function for each entry; the first one decides the type of all."""

    def run(*arrays: Any) -> Any:
        arrays = tuple(recorded(a) for a in arrays)
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        spread = [np.broadcast_to(a, shape) for a in arrays]
        found = [function(*(a[index] for a in spread)) for index in np.ndindex(shape)]
        kind = np.asarray(plain(found[0])).dtype
        made = moves.converted(moves.stacked(found), kind)
        return (
            made.reshape(shape) if kind.kind == "f" else moves.converted(made, kind).reshape(shape)
        )

    return run


def summed(values: Any, start: Any = 0) -> Any:
    """`sum`: the built-in adds one after the other, as it does."""
    total = start
    for value in values:
        total = total + value
    return total


def rounded(value: Any, digits: int | None = None) -> Any:
    """`round`: of a recorded number what is printed, or a step function."""
    if isinstance(value, Recorded) and value.size == 1:
        return round(float(plain(value).reshape(())), digits)
    return round(value, digits)


REPLACED: dict[Any, Callable] = {
    np.array: moves.array,
    np.asarray: lambda a, dtype=None, **o: moves.array(a, dtype, copy=None),
    np.asanyarray: lambda a, dtype=None, **o: moves.array(a, dtype, copy=None),
    np.ascontiguousarray: lambda a, dtype=None, **o: moves.array(a, dtype, copy=None),
    np.asfortranarray: lambda a, dtype=None, **o: moves.array(a, dtype, copy=None),
    np.full: full,
    float: real,
    np.float64: real,
    np.float32: real,
    np.float16: real,
    int: whole(int),
    bool: whole(bool),
    np.int64: whole(np.int64),
    np.int32: whole(np.int32),
    np.bool_: whole(np.bool_),
    isinstance: is_instance,
    type: type_of,
    np.vectorize: vectorized,
    builtins.sum: summed,
    builtins.round: rounded,
}
for _name in dir(math):
    if callable(getattr(math, _name)) and not _name.startswith("_") and _name != "isclose":
        REPLACED[getattr(math, _name)] = _math(_name)
