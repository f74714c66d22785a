"""NumPy's and SciPy's universal functions on recorded arrays."""

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Any

import numpy as np

from gradparity.record.frontend import session
from gradparity.record.frontend.array import (
    FUNCTIONS,
    Recorded,
    plain,
    plain_index,
    provenance_of,
    recorded,
    wrap,
)
from gradparity.record.graph.nodes import Operation

# Steps: their derivative is 0 wherever they have one.
STEPS = frozenset(
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor "
    "logical_not bitwise_and bitwise_or bitwise_xor invert isnan isinf isfinite signbit sign "
    "floor ceil rint trunc floor_divide heaviside".split()
)
OF_MASKS = ("bitwise_and", "bitwise_or", "bitwise_xor", "invert")
JAX_NAMES = {"matmul": "matmul", "psi": "digamma", "conjugate": "real"}
IN_JAX_NN = {"expit": "sigmoid", "log_expit": "log_sigmoid"}
REDUCED: dict[str, Any] = {
    "add": np.sum,
    "multiply": np.prod,
    "maximum": np.max,
    "minimum": np.min,
    "logical_and": np.all,
    "logical_or": np.any,
}
ACCUMULATED: dict[str, Any] = {"add": np.cumsum, "multiply": np.cumprod}
AT = {
    "add": "add",
    "subtract": "subtract",
    "multiply": "multiply",
    "maximum": "max",
    "minimum": "min",
}
LINEAR_ALGEBRA = ("matmul", "vecdot", "matvec", "vecmat")


def apply(ufunc: np.ufunc, method: str, inputs: Sequence, out: Any, options: dict) -> Any:
    """A call of a universal function, or of one of its methods, with a recorded array in it."""
    if method == "at":
        return _at(ufunc, *inputs)
    if out is None and method == "__call__" and not options:
        if ufunc.nout == 1:
            return compute(ufunc, inputs)
        return tuple(_part(ufunc, inputs, n) for n in range(ufunc.nout))
    options.pop("dtype", None)
    options.pop("casting", None)
    targets = tuple(out) if isinstance(out, tuple) else () if out is None else (out,)
    if method == "__call__":
        found = _where(ufunc, inputs, targets, options)
    elif method == "outer":
        left, right = (recorded(x) for x in inputs)
        found = compute(ufunc, (left.reshape(left.shape + (1,) * right.ndim), right))
    elif method == "reduce" and ufunc.__name__ in REDUCED:
        options.setdefault("axis", inputs[1] if len(inputs) > 1 else 0)
        found = REDUCED[ufunc.__name__](inputs[0], **options)
    elif method == "accumulate" and ufunc.__name__ in ACCUMULATED:
        axis = options.get("axis", inputs[1] if len(inputs) > 1 else 0)
        found = ACCUMULATED[ufunc.__name__](inputs[0], axis=axis)
    else:
        raise session.refused(ufunc, f"its method {method}")
    return stored(found, targets[0]) if targets and targets[0] is not None else found


FUNCTIONS[np.ufunc] = apply


def stored(found: Recorded, target: Any) -> Any:
    """What `out=` names, with a result in it; a number is replaced, as NumPy's are."""
    if isinstance(target, Recorded) and target.scalar:
        return found
    if not isinstance(target, Recorded):
        np.copyto(target, plain(found), casting="unsafe")
        return target
    target[...] = found
    return target


def compute(ufunc: np.ufunc, inputs: Sequence) -> Recorded:
    """The result of a universal function with one output, as a new node."""
    values = ufunc(*(plain(x) for x in inputs))
    if np.asarray(values).dtype.kind not in "fbiu":
        raise session.refused_kind(values)
    return node(operation(ufunc), inputs, values)


def node(made: Operation, operands: Sequence, values: Any) -> Recorded:
    """A result as a new node of the graph, and as an array."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and array.dtype != np.float64:
        values = array = array.astype(np.float64)
    found = session.graph().node(
        made, [provenance_of(x).copy() for x in operands], array, session.place()
    )
    if array.ndim > 1 and not array.flags.c_contiguous:
        like = np.empty_like(array, dtype=np.int64)
        like[...] = found
        found = like
    return wrap(values, found)


@cache
def operation(ufunc: np.ufunc) -> Operation:
    """A universal function as the graph knows it."""
    name = ufunc.__name__
    function = None if name in STEPS else lambda: _in_jax(name)
    elementwise = name not in LINEAR_ALGEBRA
    run = _on_masks(ufunc) if name in OF_MASKS else ufunc
    return Operation(name, function, name, elementwise, run if elementwise else None)


def _on_masks(ufunc: np.ufunc) -> Callable:
    """A function that refuses the graph's numbers, on masks that were made of them."""
    return lambda *operands: ufunc(*(x.astype(bool) for x in operands))


def _in_jax(name: str) -> Callable:
    import jax

    for module, found in (
        (jax.numpy, JAX_NAMES.get(name, name)),
        (jax.nn, IN_JAX_NN.get(name, "")),
        (jax.scipy.special, JAX_NAMES.get(name, name)),
    ):
        if hasattr(module, found):
            return getattr(module, found)
    raise session.RecordError(f"{name}: its derivative is not known to JAX")


def _part(ufunc: np.ufunc, inputs: Sequence, number: int) -> Recorded:
    """One of the outputs of a function with several, such as `divmod`."""
    name = ufunc.__name__

    def function() -> Callable:
        import jax

        return lambda *arrays: getattr(jax.numpy, name)(*arrays)[number]

    made = Operation(name, function, (name, number), True, lambda *a: ufunc(*a)[number])
    return node(made, inputs, ufunc(*(plain(x) for x in inputs))[number])


def _where(ufunc: np.ufunc, inputs: Sequence, targets: Sequence, options: dict) -> Recorded:
    """A call with `where=`: entries outside of it keep what was in `out`."""
    where = plain(options.pop("where", True))
    if where is True:
        return compute(ufunc, inputs) if not options else _generalized(ufunc, inputs, options)
    shape = np.broadcast_shapes(np.shape(where), *(np.shape(plain(x)) for x in inputs))
    chosen = np.broadcast_to(where, shape)
    parts = [np.broadcast_to(recorded(x), shape)[chosen] for x in inputs]
    result = targets[0].copy() if targets else recorded(np.zeros(shape))
    result[chosen] = compute(ufunc, parts)
    return result


def _generalized(ufunc: np.ufunc, inputs: Sequence, options: dict) -> Recorded:
    """`matmul` and its kin with `axes=` or `axis=`."""
    values = ufunc(*(plain(x) for x in inputs), **options)
    name, key = ufunc.__name__, (ufunc.__name__, repr(options))

    def function() -> Callable:
        import jax

        return lambda *arrays: getattr(jax.numpy, name)(*arrays, **options)

    return node(Operation(name, function, key), inputs, values)


def _at(ufunc: np.ufunc, target: Any, index: Any, *rest: Any) -> None:
    """`np.add.at` and its kin: repeated places count as often as they occur."""
    name = ufunc.__name__
    if name not in AT or not isinstance(target, Recorded):
        raise session.refused(ufunc, "its method at")
    index = plain_index(index)
    values = plain(target).copy()
    ufunc.at(values, index, *(plain(x) for x in rest))
    made = Operation(f"{name}.at", _scatter(AT[name], index), ("at", name, hashed(index)))
    target[...] = node(made, (target, *rest), values)


def _scatter(method: str, index: Any) -> Callable[[], Callable]:
    place = tuple(map(_indexed, index)) if isinstance(index, tuple) else _indexed(index)
    return lambda: lambda array, value: getattr(array.at[place], method)(value)


def _indexed(index: Any) -> Any:
    return np.asarray(index) if isinstance(index, list) else index


def hashed(value: Any) -> Hashable:
    """Anything in a call that is no recorded array, as a key."""
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, list | tuple):
        return tuple(hashed(part) for part in value)
    if isinstance(value, dict):
        return tuple((name, hashed(part)) for name, part in value.items())
    return repr(value)


def clipped(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **bounds: Any) -> Any:
    """`np.clip`: the smaller of upper bound and the larger of array and lower bound."""
    low, high = bounds.get("min", a_min), bounds.get("max", a_max)
    found = recorded(a)
    if low is not None:
        found = np.maximum(found, low)
    if high is not None:
        found = np.minimum(found, high)
    return found if out is None else stored(found, out)


FUNCTIONS[np.clip] = clipped
