"""What an option may be: its type, its range, and what goes together."""

import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from jax_mesh.sizes import Grid
from lstm_spec import InputError, load_backend

MEASURED = "measured"  # pieces of the NumPy backend's products, as the machine decides

# Option, the check that must hold, and what to say of it.
_RULES = (
    ("layers", lambda v: v >= 1, "1 or more"),
    ("hidden", lambda v: v >= 1, "1 or more"),
    ("batch", lambda v: v >= 1, "1 or more"),
    ("window", lambda v: v >= 1, "1 or more"),
    ("keep_every", lambda v: v >= 0, "0 (keep all) or more"),
    ("processes", lambda v: v >= 0, "0 (as many as pay) or more"),
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


def require_types(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Refuse what a hand-edited configuration may hold.

    Args:
        values: options by name.
        types: what each may be.

    Raises:
        InputError: names the first entry of another type than the option's.
    """
    for name, value in values.items():
        if not _fits(value, types[name]):
            raise InputError(f"{name}: got {value!r}, expected {_named(types[name])}")


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


def require_ranges(values: Mapping[str, Any], task: str) -> None:
    """Refuse what cannot be.

    Args:
        values: options by name, none of them None that depends on the task.
        task: "anbn" or "text".

    Raises:
        InputError: names the option, what came and what was expected.
    """
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{flag(name)}: got {value}, expected a finite number")
    for name, holds, expected in _RULES:
        if not holds(values[name]):
            raise InputError(f"{flag(name)}: got {values[name]}, expected {expected}")
    _require_processes(values["processes"], values["backend"])
    _require_pieces(values["pieces"])
    _require_mesh(values["mesh"], values["backend"])
    _require_shares(values["validation"], values["test"])
    _require_length(values["steps"], values["epochs"], task)
    if values["keep_every"] and values["backend"] not in ("numpy", "jax-manual"):
        found = f"got {values['keep_every']} with backend {values['backend']}"
        raise InputError(f"--keep-every: {found}, expected numpy or jax-manual")


def _require_processes(processes: int, backend: str) -> None:
    if processes and backend != "numpy":
        found = f"got {processes} with backend {backend}"
        raise InputError(f"--processes: {found}, expected numpy; the JAX backends have --mesh")


def _require_pieces(pieces: str) -> None:
    if pieces != MEASURED:
        backend: Any = load_backend("numpy")
        try:
            backend.Workspace.require_pieces(pieces)
        except InputError as error:
            raise InputError(f"--{error}") from None


def _require_mesh(mesh: str, backend: str) -> None:
    if Grid.of(mesh).devices > 1 and backend not in ("jax", "jax-manual"):
        raise InputError(f"--mesh: got {mesh} with backend {backend}, expected jax or jax-manual")


def _require_shares(validation: float, test: float) -> None:
    if validation + test >= 1:
        shares = f"{validation} and {test}"
        raise InputError(f"--validation and --test: got {shares}, expected a sum below 1")


def _require_length(steps: int, epochs: float, task: str) -> None:
    if task == "text" and not steps and not epochs:
        raise InputError("--steps and --epochs: both are 0, expected one of them above 0")
    if task == "anbn" and not steps:
        raise InputError("--steps: got 0, expected 1 or more (aⁿbⁿ has no epochs)")


def require_effect(given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse what was asked for and would do nothing.

    Args:
        given: options by name, as they were written on the command line; none of a stored run.
        values: the run's.

    Raises:
        InputError: names the option, what came and what was expected.
    """
    if given.get("epochs") is not None and values["steps"]:
        counted = f"the run counts updates (--steps), {values['steps']:,} of them"
        raise InputError(f"--epochs: got {given['epochs']:g}, expected none: {counted}")
    if given.get("dropout") and values["layers"] == 1:
        found = f"got {given['dropout']:g} with 1 layer"
        raise InputError(f"--dropout: {found}, expected 2 or more layers: it acts between them")
