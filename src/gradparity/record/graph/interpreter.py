"""Run a program that JAX has traced (a jaxpr) on NumPy's arrays.

Small arrays cost NumPy a microsecond an operation, and JAX tens of milliseconds to compile each
shape. What a primitive means is written here for those that occur; any other is left to JAX.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradparity.record.graph import convolution, indexing

Step = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...], bool]


class Program:
    """A jaxpr as a list of steps over numbered values.

    Args:
        closed: what `jax.make_jaxpr` returned.
    """

    def __init__(self, closed: Any) -> None:
        from jax.extend.core import Literal

        self._literal = Literal
        self._numbers: dict[Any, int] = {}
        self._initial: list[Any] = []
        self._steps: list[Step] = []
        self._inputs = [self._number(v) for v in closed.jaxpr.invars]
        outputs = self._inline(closed.jaxpr, closed.consts, self._inputs)
        self._outputs = outputs
        self._prune()

    def __call__(self, *arguments: np.ndarray) -> list[np.ndarray]:
        """Its outputs for these inputs."""
        values = self._initial.copy()
        for number, argument in zip(self._inputs, arguments, strict=True):
            values[number] = argument
        with np.errstate(all="ignore"):
            for function, inputs, outputs, several in self._steps:
                found = function(*[values[n] for n in inputs])
                if several:
                    for number, value in zip(outputs, found, strict=True):
                        values[number] = value
                else:
                    values[outputs[0]] = found
        return [values[n] for n in self._outputs]

    def _number(self, variable: Any) -> int:
        if isinstance(variable, self._literal):
            self._initial.append(np.asarray(variable.val))
            return len(self._initial) - 1
        if variable not in self._numbers:
            self._numbers[variable] = len(self._initial)
            self._initial.append(None)
        return self._numbers[variable]

    def _inline(self, jaxpr: Any, constants: Sequence, inputs: Sequence[int]) -> list[int]:
        """Take in a jaxpr's equations, inner ones' too; the numbers of its outputs."""
        for variable, number in zip(jaxpr.invars, inputs, strict=True):
            self._numbers[variable] = number
        for variable, value in zip(jaxpr.constvars, constants, strict=True):
            self._initial[self._number(variable)] = np.asarray(value)
        for equation in jaxpr.eqns:
            self._add(equation)
        return [self._number(v) for v in jaxpr.outvars]

    def _add(self, equation: Any) -> None:
        inputs = [self._number(v) for v in equation.invars]
        inner = next(
            (
                equation.params[n]
                for n in ("jaxpr", "call_jaxpr", "fun_jaxpr")
                if n in equation.params
            ),
            None,
        )
        name = equation.primitive.name
        if inner is not None and name in INLINED:
            open_, constants = (
                (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
            )
            # The same inner program may be called twice: its variables are numbered anew.
            outer, self._numbers = self._numbers, {}
            outputs = self._inline(open_, constants, inputs)
            self._numbers = outer
            for variable, number in zip(equation.outvars, outputs, strict=True):
                self._numbers[variable] = number
            return
        places = tuple(self._number(v) for v in equation.outvars)
        function, several = _primitive(equation)
        self._steps.append((function, tuple(inputs), places, several))

    def _prune(self) -> None:
        """Leave out steps that no output needs."""
        needed, kept = set(self._outputs), []
        for step in reversed(self._steps):
            if needed & set(step[2]):
                needed |= set(step[1])
                kept.append(step)
        self._steps = kept[::-1]


INLINED = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "remat",
    "checkpoint",
    "custom_vjp_call_jaxpr",
)


def _primitive(equation: Any) -> tuple[Callable[..., Any], bool]:
    """What a primitive does, with its parameters bound, and whether it yields several arrays."""
    name, params = equation.primitive.name, equation.params
    if name in SIMPLE:
        return SIMPLE[name], False
    if name in MAKERS:
        return MAKERS[name](params, equation), bool(equation.primitive.multiple_results)

    def by_jax(*values: Any) -> Any:
        import jax

        with jax.enable_x64(True):
            typed = [
                jax.numpy.asarray(v, dtype=x.aval.dtype)
                for v, x in zip(values, equation.invars, strict=True)
            ]
            found = equation.primitive.bind(*typed, **params)
        if equation.primitive.multiple_results:
            return [np.asarray(x) for x in found]
        return np.asarray(found)

    return by_jax, bool(equation.primitive.multiple_results)


def _integer_pow(params: dict, _: Any) -> Callable:
    power = params["y"]
    if power < 0:
        return lambda x: 1.0 / x ** (-power)
    return lambda x: x * x if power == 2 else x**power


def _broadcast(params: dict, _: Any) -> Callable:
    shape, places = params["shape"], params["broadcast_dimensions"]

    def run(x: np.ndarray) -> np.ndarray:
        inner = [1] * len(shape)
        for place, size in zip(places, np.shape(x), strict=True):
            inner[place] = size
        return np.broadcast_to(np.reshape(x, inner), shape)

    return run


def _dot_general(params: dict, _: Any) -> Callable:
    (left, right), (left_batch, right_batch) = params["dimension_numbers"]

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        free_x = [k for k in range(x.ndim) if k not in left and k not in left_batch]
        free_y = [k for k in range(y.ndim) if k not in right and k not in right_batch]
        batch = [x.shape[k] for k in left_batch]
        inner = int(np.prod([x.shape[k] for k in left], dtype=np.int64))
        rows, columns = [x.shape[k] for k in free_x], [y.shape[k] for k in free_y]
        a = x.transpose(*left_batch, *free_x, *left)
        b = y.transpose(*right_batch, *right, *free_y)
        a = a.reshape(*batch, int(np.prod(rows, dtype=np.int64)), inner)
        b = b.reshape(*batch, inner, int(np.prod(columns, dtype=np.int64)))
        return np.matmul(a, b).reshape(*batch, *rows, *columns)

    return run


def _reduced(function: Callable) -> Callable:
    return lambda params, _: lambda x: function(x, axis=tuple(params["axes"]))


def _argument(function: Callable) -> Callable:
    return lambda params, _: lambda x: function(x, axis=params["axes"][0])


def _cumulated(function: Callable) -> Callable:
    def make(params: dict, _: Any) -> Callable:
        axis = params["axis"]
        if not params["reverse"]:
            return lambda x: function(x, axis=axis)
        return lambda x: np.flip(function(np.flip(x, axis), axis=axis), axis)

    return make


def _converted(params: dict, _: Any) -> Callable:
    dtype = np.dtype(params["new_dtype"])
    return lambda x: np.asarray(x).astype(dtype, copy=False)


def _slice(params: dict, _: Any) -> Callable:
    steps = params["strides"] or (1,) * len(params["start_indices"])
    parts = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    index = tuple(slice(*part) for part in parts)
    return lambda x: x[index]


def _pad(params: dict, _: Any) -> Callable:
    config = params["padding_config"]

    def run(x: np.ndarray, value: np.ndarray) -> np.ndarray:
        shape = [
            low + high + n + max(n - 1, 0) * inside
            for n, (low, high, inside) in zip(x.shape, config, strict=True)
        ]
        found = np.full([max(n, 0) for n in shape], value, dtype=x.dtype)
        if any(low < 0 or high < 0 for low, high, _ in config):
            wide = [(max(low, 0), max(high, 0), inside) for low, high, inside in config]
            full = _pad({"padding_config": wide}, None)(x, value)
            cut = tuple(
                slice(max(-low, 0), full.shape[k] - max(-high, 0))
                for k, (low, high, _) in enumerate(config)
            )
            return full[cut]
        place = tuple(
            slice(low, low + (n - 1) * (inside + 1) + 1 if n else low, inside + 1)
            for n, (low, _, inside) in zip(x.shape, config, strict=True)
        )
        found[place] = x
        return found

    return run


def _iota(params: dict, _: Any) -> Callable:
    shape, dimension = params["shape"], params["dimension"]
    inner = [1] * len(shape)
    inner[dimension] = shape[dimension]
    values = np.broadcast_to(
        np.arange(shape[dimension], dtype=params["dtype"]).reshape(inner), shape
    )
    return lambda: values


def _reshape(params: dict, _: Any) -> Callable:
    order, shape = params.get("dimensions"), params["new_sizes"]
    if order is None:
        return lambda x: np.reshape(x, shape)
    return lambda x: np.reshape(np.transpose(x, order), shape)


def _select(which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    if len(cases) == 2:
        return np.where(np.asarray(which).astype(bool), cases[1], cases[0])
    return np.choose(which, cases)


def _erf_inv(x: np.ndarray) -> np.ndarray:
    from scipy.special import erfinv

    return erfinv(x)


def _special(name: str) -> Callable:
    def run(*values: np.ndarray) -> np.ndarray:
        from scipy import special

        return getattr(special, name)(*values)

    return run


SIMPLE: dict[str, Callable] = {
    "add": np.add, "add_any": np.add, "sub": np.subtract, "mul": np.multiply,
    "div": np.true_divide, "neg": np.negative, "exp": np.exp, "exp2": np.exp2, "log": np.log,
    "log1p": np.log1p, "expm1": np.expm1, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "sinh": np.sinh, "cosh": np.cosh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "sqrt": np.sqrt, "rsqrt": lambda x: 1.0 / np.sqrt(x), "cbrt": np.cbrt,
    "logistic": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)), "square": np.square, "pow": np.power,
    "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "max": np.maximum,
    "min": np.minimum, "rem": np.fmod, "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert, "is_finite": np.isfinite,
    "select_n": _select, "stop_gradient": lambda x: x, "copy": lambda x: x, "copy_p": lambda x: x,
    "real": np.real, "erf": _special("erf"), "erfc": _special("erfc"), "erf_inv": _erf_inv,
    "lgamma": _special("gammaln"), "digamma": _special("psi"), "zeros_like": np.zeros_like,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high), "nextafter": np.nextafter,
    "optimization_barrier": lambda x: x, "pvary": lambda x: x, "name": lambda x: x,
}  # fmt: skip
MAKERS: dict[str, Callable[[dict, Any], Callable]] = {
    "integer_pow": _integer_pow,
    "broadcast_in_dim": _broadcast,
    "dot_general": _dot_general,
    "reduce_sum": _reduced(np.sum),
    "reduce_max": _reduced(np.max),
    "reduce_min": _reduced(np.min),
    "reduce_prod": _reduced(np.prod),
    "reduce_and": _reduced(np.all),
    "reduce_or": _reduced(np.any),
    "argmax": _argument(np.argmax),
    "argmin": _argument(np.argmin),
    "cumsum": _cumulated(np.cumsum),
    "cumprod": _cumulated(np.cumprod),
    "cummax": _cumulated(np.maximum.accumulate),
    "cummin": _cumulated(np.minimum.accumulate),
    "convert_element_type": _converted,
    "slice": _slice,
    "pad": _pad,
    "iota": _iota,
    "transpose": lambda params, _: lambda x: np.transpose(x, params["permutation"]),
    "reshape": _reshape,
    "squeeze": lambda params, _: lambda x: np.squeeze(x, tuple(params["dimensions"])),
    "expand_dims": lambda params, _: lambda x: np.expand_dims(x, tuple(params["dimensions"])),
    "rev": lambda params, _: lambda x: np.flip(x, tuple(params["dimensions"])),
    "concatenate": lambda params, _: lambda *xs: np.concatenate(xs, params["dimension"]),
    "conv_general_dilated": convolution.conv_general_dilated,
    "gather": indexing.gather,
    "scatter": indexing.scatter(None),
    "scatter-add": indexing.scatter(np.add),
    "scatter-mul": indexing.scatter(np.multiply),
    "scatter-min": indexing.scatter(np.minimum),
    "scatter-max": indexing.scatter(np.maximum),
    "dynamic_slice": indexing.dynamic_slice,
    "dynamic_update_slice": indexing.dynamic_update_slice,
    "sort": indexing.sort,
    "split": lambda params, _: (
        lambda x: np.split(x, np.cumsum(params["sizes"])[:-1], params["axis"])
    ),
}
