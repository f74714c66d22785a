"""Functions that compute: each call is one node, whose derivative is that of JAX's namesake."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradparity.record.frontend import session
from gradparity.record.frontend.array import FUNCTIONS, Recorded, holds_recorded, plain, recorded
from gradparity.record.frontend.ufuncs import hashed, node, stored
from gradparity.record.graph.nodes import Operation

COMPUTING: tuple[Any, ...] = (
    np.sum, np.mean, np.var, np.std, np.prod, np.max, np.min, np.ptp, np.cumsum, np.cumprod, np.dot,
    np.vdot, np.inner, np.outer, np.tensordot, np.einsum, np.kron, np.cross, np.trace, np.diff,
    np.average, np.median, np.nan_to_num, np.nansum, np.nanmean, np.nanmax, np.nanmin, np.interp,
    np.convolve, np.correlate, np.cov, np.corrcoef, np.gradient, np.sinc, np.i0, np.trapezoid,
    np.polyval, np.linalg.norm, np.linalg.inv, np.linalg.pinv, np.linalg.solve, np.linalg.det,
    np.linalg.cholesky, np.linalg.matrix_power, np.linalg.multi_dot, np.linalg.eigvalsh,
    np.linalg.outer, np.linalg.matmul, np.linalg.trace, np.linalg.tensordot, np.linalg.vector_norm,
    np.linalg.matrix_norm, np.linalg.cross, np.linalg.vecdot, np.vander, np.quantile, np.percentile,
    np.cumulative_sum, np.cumulative_prod,
)  # fmt: skip
SEVERAL: dict[Any, int] = {
    np.linalg.eigh: 2,
    np.linalg.svd: 3,
    np.linalg.qr: 2,
    np.linalg.slogdet: 2,
}
# What these yield carries no gradient: indices, truth values, sizes.
PLAIN: tuple[Any, ...] = (
    np.argmax, np.argmin, np.argsort, np.argpartition, np.nonzero, np.flatnonzero, np.argwhere,
    np.searchsorted, np.digitize, np.unique, np.shape, np.ndim, np.size, np.allclose,
    np.array_equal, np.array_equiv, np.isclose, np.any, np.all, np.count_nonzero, np.iscomplexobj,
    np.isrealobj, np.result_type, np.can_cast, np.may_share_memory, np.shares_memory,
    np.array_repr, np.array_str, np.array2string, np.bincount, np.histogram, np.linalg.matrix_rank,
    np.linalg.cond, np.isin, np.common_type, np.min_scalar_type, np.iscomplex, np.isreal,
    np.lexsort, np.nanargmax, np.nanargmin, np.savetxt, np.save,
)  # fmt: skip
STEPPED: tuple[Any, ...] = (np.round, np.around, np.fix)
OF_A_NUMBER = (np.sum, np.mean, np.prod, np.max, np.min)  # the number itself
IGNORED = ("dtype", "order", "casting", "subok", "like")


class Slot:
    """A place in a call's arguments where an array stood."""


SLOT = Slot()


def call(function: Callable, arguments: Sequence, options: dict, module: str = "numpy") -> Any:
    """Compute, and record as one node."""
    out = options.pop("out", None)
    for name in IGNORED:
        options.pop(name, None)
    if arguments and np.ndim(arguments[0]) == 0 and function in OF_A_NUMBER:
        return recorded(arguments[0])
    found = _recorded_call(function, arguments, options, module, None)
    return found if out is None else stored(found, out)


PRODUCTS = ("dot", "vdot", "inner", "outer", "tensordot", "kron", "cross", "matmul", "vecdot")


def _recorded_call(
    function: Callable, arguments: Sequence, options: dict, module: str, part: int | None
) -> Any:
    arrays: list = []
    if function.__name__ in PRODUCTS:  # JAX takes no plain sequences
        two = [
            np.asarray(v) if isinstance(v, list | tuple | range) and not holds_recorded(v) else v
            for v in arguments[:2]
        ]
        arguments = [*two, *arguments[2:]]
    layout = _taken(arguments, arrays)
    named = {
        name: _taken((value,), arrays)[0] for name, value in options.items() if name != "where"
    }
    if "where" in options:
        named["where"] = plain(options["where"])
    values = function(*_put(layout, map(plain, arrays)), **_named(named, arrays, len(arrays)))
    if part is None and isinstance(values, list | tuple):  # as np.gradient's along several axes
        parts = range(len(values))
        return tuple(_recorded_call(function, arguments, options, module, n) for n in parts)
    made = _operation(function, layout, named, module, part)
    return node(made, arrays, values if part is None else values[part])


def _taken(arguments: Sequence, arrays: list) -> list:
    """The arguments with each array replaced by a slot, and the arrays in order."""
    found: list[Any] = []
    for value in arguments:
        if isinstance(value, list | tuple) and holds_recorded(value):
            if all(isinstance(v, np.ndarray | float | int) for v in value) and _alike(value):
                arrays.append(recorded(list(value)))
                found.append(SLOT)
            else:
                found.append(_taken(value, arrays))
        elif (isinstance(value, np.ndarray) and value.dtype.kind in "fb") or isinstance(
            value, Recorded
        ):
            arrays.append(recorded(value))
            found.append(SLOT)
        else:
            found.append(value)
    return found


def _alike(parts: Sequence) -> bool:
    return len({np.shape(part) for part in parts}) == 1


def _put(layout: Sequence, arrays: Any) -> list:
    """The layout with arrays in its slots again."""
    arrays = iter(arrays)

    def filled(value: Any) -> Any:
        if value is SLOT:
            return next(arrays)
        return [filled(v) for v in value] if isinstance(value, list) else value

    return [filled(value) for value in layout]


def _named(named: dict, arrays: Sequence, count: int) -> dict:
    """Keyword arguments; arrays among them are the last ones taken."""
    slots = sum(1 for value in named.values() if value is SLOT)
    rest = iter([plain(a) for a in arrays[count - slots :]])
    return {name: next(rest) if value is SLOT else value for name, value in named.items()}


def _operation(
    function: Callable, layout: Sequence, named: dict, module: str, part: int | None
) -> Operation:
    name = function.__name__

    def in_jax() -> Callable:
        found = namesake(function, module)

        def run(*arrays: Any) -> Any:
            slots = sum(1 for value in named.values() if value is SLOT)
            first = arrays[: len(arrays) - slots] if slots else arrays
            rest = iter(arrays[len(arrays) - slots :])
            options = {k: next(rest) if v is SLOT else v for k, v in named.items()}
            result = found(*_put(layout, first), **options)
            return result if part is None else result[part]

        return run

    key = (
        module,
        name,
        part,
        hashed(_keyed(layout)),
        hashed({k: _keyed([v]) for k, v in named.items()}),
    )
    return Operation(name, in_jax, key)


def _keyed(layout: Sequence) -> list:
    return ["slot" if v is SLOT else _keyed(v) if isinstance(v, list) else v for v in layout]


def namesake(function: Callable, module: str) -> Callable:
    """The function of the same name in JAX.

    Raises:
        RecordError: JAX has none.
    """
    import jax

    own = getattr(function, "__module__", "") or ""
    places = {"numpy": [jax.numpy, jax.numpy.linalg], "signal": [jax.scipy.signal]}.get(
        module, [jax.scipy.special, jax.nn]
    )
    if "linalg" in own:
        places = places[::-1]
    for place in places:
        if hasattr(place, function.__name__):
            return getattr(place, function.__name__)
    raise session.refused(function, "JAX has no function of this name")


def _handler(function: Callable) -> Callable:
    def handler(*arguments: Any, **options: Any) -> Any:
        return call(function, arguments, options)

    return handler


def _several(function: Callable, count: int) -> Callable:
    def handler(*arguments: Any, **options: Any) -> tuple:
        parts = range(count)
        return tuple(_recorded_call(function, arguments, options, "numpy", n) for n in parts)

    return handler


def _plain(function: Callable) -> Callable:
    def handler(*arguments: Any, **options: Any) -> Any:
        return function(*map(plain, arguments), **{k: plain(v) for k, v in options.items()})

    return handler


for _function in COMPUTING:
    FUNCTIONS[_function] = _handler(_function)
for _function, _count in SEVERAL.items():
    FUNCTIONS[_function] = _several(_function, _count)
for _function in PLAIN:
    FUNCTIONS[_function] = _plain(_function)


def _rounded(a: Any, decimals: int = 0, out: Any = None) -> Any:
    scale = 10.0**decimals
    found: Any = np.rint(recorded(a) * scale) / scale
    return found if out is None else stored(found, out)


for _function in STEPPED:
    FUNCTIONS[_function] = np.trunc if _function is np.fix else _rounded
