"""What is checked before a jitted function runs."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import jax

from lstm_spec import InputError


def validated(check: Callable[..., Any]) -> Callable[[Callable], Callable]:
    """Run `check` on a function's arguments first.

    Inside another jit the arguments are tracers: their shapes are checked, their
    values cannot be.
    """

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)

        @wraps(function)
        def checked(*args: Any, **named: Any) -> Any:
            given = signature.bind(*args, **named).args
            leaves = jax.tree.leaves(given)
            check(*given, values=not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves))
            require_precision(leaves)
            return function(*given)

        return checked

    return decorate


def require_precision(leaves: list) -> None:
    """Refuse float64 input that JAX would silently turn into float32.

    Raises:
        InputError: there is float64 input and `jax_enable_x64` is off.
    """
    if jax.config.read("jax_enable_x64"):
        return
    if any(getattr(leaf, "dtype", None) in ("float64", "complex128") for leaf in leaves):
        raise InputError(
            "float64 arrays, but JAX would compute in float32: call "
            "jax.config.update('jax_enable_x64', True) first, or set JAX_ENABLE_X64=1"
        )
