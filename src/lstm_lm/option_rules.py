"""What an option may be: its type, its range, and what goes together."""

import math
from dataclasses import fields
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from lstm_spec import InputError

if TYPE_CHECKING:
    from lstm_lm.options import Options

# Option, the check that must hold, and what to say of it.
_RULES = (
    ("layers", lambda v: v >= 1, "1 or more"),
    ("hidden", lambda v: v >= 1, "1 or more"),
    ("batch", lambda v: v >= 1, "1 or more"),
    ("window", lambda v: v >= 1, "1 or more"),
    ("keep_every", lambda v: v >= 0, "0 (keep all) or more"),
    ("steps", lambda v: v >= 0, "0 or more"),
    ("epochs", lambda v: v >= 0, "0 or more"),
    ("seed", lambda v: v >= 0, "0 or more"),
    ("min_count", lambda v: v >= 1, "1 or more"),
    ("evaluate_every", lambda v: v >= 1, "1 or more"),
    ("patience", lambda v: v >= 0, "0 or more"),
    ("plateau_patience", lambda v: v >= 1, "1 or more"),
    ("warmup", lambda v: v >= 0, "0 or more"),
    ("dropout", lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("validation", lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("test", lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("learning_rate", lambda v: v > 0, "above 0"),
    ("clip", lambda v: v >= 0, "0 (no clipping) or more"),
    ("eps", lambda v: v > 0, "above 0"),
    ("momentum", lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("beta1", lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("beta2", lambda v: 0 <= v < 1, "at least 0 and below 1"),
    ("weight_decay", lambda v: v >= 0, "0 or more"),
)


def flag(name: str) -> str:
    """An option as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def require_types(options: "Options") -> None:
    """Refuse what a hand-edited configuration may hold.

    Raises:
        InputError: names the first entry of another type than the option's.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        if not _fits(value, field.type):
            raise InputError(f"{field.name}: got {value!r}, expected {_named(field.type)}")


def _named(hint: Any) -> str:
    """A type for people: "int or null", "float32 or float64"."""
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    parts = get_args(hint)
    return " or ".join(map(_named, parts)) if parts else {NoneType: "null"}.get(hint, hint.__name__)


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if isinstance(hint, UnionType) or get_origin(hint) is not None:
        return any(_fits(value, part) for part in get_args(hint))
    if hint in (int, float) and isinstance(value, bool):
        return False
    kinds: dict[Any, Any] = {float: (int, float), None: NoneType}
    return isinstance(value, kinds.get(hint, hint))


def require_ranges(options: "Options") -> None:
    """Refuse what cannot be.

    Raises:
        InputError: names the option, what came and what was expected.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{flag(field.name)}: got {value}, expected a finite number")
    for name, holds, expected in _RULES:
        value = getattr(options, name)
        if not holds(value):
            raise InputError(f"{flag(name)}: got {value}, expected {expected}")
    _require_together(options)


def _require_together(options: "Options") -> None:
    if options.validation + options.test >= 1:
        shares = f"{options.validation} and {options.test}"
        raise InputError(f"--validation and --test: got {shares}, expected a sum below 1")
    if options.keep_every and options.backend not in ("numpy", "jax-manual"):
        found = f"got {options.keep_every} with backend {options.backend}"
        raise InputError(f"--keep-every: {found}, expected numpy or jax-manual")
    if options.task == "text" and not options.steps and not options.epochs:
        raise InputError("--steps and --epochs: both are 0, expected one of them above 0")
    if options.task == "anbn" and not options.steps:
        raise InputError("--steps: got 0, expected 1 or more (aⁿbⁿ has no epochs)")
