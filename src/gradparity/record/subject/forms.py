"""The three ways in which people write a backward pass, and one run of each.

1. A function of parameters that returns the loss and its gradients.
2. `out, cache = forward(x, w, b)` and `dx, dw, db = backward(dout, cache)`.
3. An object, or a list of them, with `forward` and `backward`, that keeps its gradients.
"""

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.record.frontend.session import RecordError
from gradparity.record.subject.surroundings import Surroundings, around
from gradparity.record.subject.trees import Path, leaves, mapped
from lstm_spec import InputError

FORWARD = ("forward", "__call__", "fprop", "fwd", "feed_forward", "feedforward", "forward_pass")
BACKWARD = ("backward", "backprop", "bprop", "backward_pass", "bwd", "back", "backpropagate")
CACHES = (
    "cache",
    "caches",
    "ctx",
    "context",
    "saved",
    "tape",
    "mem",
    "memory",
    "state",
    "residuals",
    "c",
)
Upstream = Callable[[int, Any], Any]  # (number of the output, output) -> its gradient
Make = Callable[[Path, Any], Any]  # (path, array of the caller's) -> the array of this run


@dataclass
class Outcome:
    """One run.

    Attributes:
        given: `(objects, arguments, options, surroundings)` as they were passed; what is changed
            in place, or bound anew in an object or module, is as the run left it.
        loss: what form 1 and losses return.
        outputs: with their upstream gradients.
        upstream: likewise.
        returned: the gradients that came back; None where they are kept.
    """

    given: tuple[Any, ...]
    loss: Any = None
    outputs: list[Any] = field(default_factory=list)
    upstream: list[Any] = field(default_factory=list)
    returned: Any = None


@dataclass
class Form:
    """A subject with its arguments.

    Attributes:
        arguments: positional ones, of the caller's.
        options: by name.
        name: what reports call it.
        surroundings: arrays of the module that count as given.
    """

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    name: str
    surroundings: Surroundings = field(default_factory=Surroundings, kw_only=True)

    def run(self, make: Make, upstream: Upstream) -> Outcome:
        """Call the subject on copies of its arguments and surroundings."""
        with self.surroundings.replaced(make) as held:
            found = self._run(make, upstream)
            found.given = (*found.given, held())
        return found

    def _run(self, make: Make, upstream: Upstream) -> Outcome:
        raise NotImplementedError

    def look_around(self) -> bool:
        """Take what the functions read from their module as given; whether there is anything."""
        self.surroundings = self.around()
        return bool(self.surroundings.names)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Have the module's arrays as they were afterwards, where they do not count as given."""
        around = Surroundings() if self.surroundings.names else self.around()
        with around.replaced(lambda _, value: np.array(value)):
            yield

    def around(self) -> Surroundings:
        """What the functions read from their module."""
        return around(self.called())

    def roots(self) -> list[Any]:
        """Where the subject's source is found."""
        raise NotImplementedError

    def called(self) -> Callable[..., Any]:
        """What the arguments are given to."""
        raise NotImplementedError

    def defaults(self) -> dict[str, Any]:
        """What the subject takes where it is given nothing."""
        try:
            parameters = inspect.signature(self.called()).parameters.values()
        except (TypeError, ValueError):
            return {}
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    def names(self) -> list[str]:
        """What the subject calls its arguments."""
        try:
            return list(inspect.signature(self.called()).parameters)
        except (TypeError, ValueError):
            return []


@dataclass
class LossAndGrads(Form):
    """Form 1; a bound method's object holds parameters as well."""

    function: Callable[..., Any] = field(kw_only=True)

    def _run(self, make: Make, upstream: Upstream) -> Outcome:
        owner = getattr(self.function, "__self__", None)
        given = mapped((owner, self.arguments, self.options), make)
        new, arguments, options = given
        function = self.function if owner is None else self.function.__func__.__get__(new)  # type: ignore[attr-defined]
        returned = function(*arguments, **options)
        loss, grads = split_loss(returned)
        return Outcome(given, loss=loss, returned=grads)

    def called(self) -> Callable[..., Any]:
        """The function."""
        return self.function

    def roots(self) -> list[Any]:
        """The function and its arguments."""
        return [self.function, getattr(self.function, "__self__", None), *self.arguments]


def split_loss(returned: Any) -> tuple[Any, Any]:
    """What a function returned as its loss and the rest."""
    if isinstance(returned, dict):
        for name in ("loss", "cost", "L", "J", "nll"):
            if name in returned and np.ndim(returned[name]) == 0:
                rest = {k: v for k, v in returned.items() if k != name}
                return returned[name], rest["grads"] if len(rest) == 1 and "grads" in rest else rest
    if isinstance(returned, tuple | list) and returned:
        parts = list(returned)
        first = next((k for k, part in enumerate(parts) if _number(part)), None)
        if first is not None:
            others = [part for k, part in enumerate(parts) if k != first]
            return parts[first], others[0] if len(others) == 1 else tuple(others)
    if _number(returned):
        return returned, None
    raise InputError(
        f"it returned {described(returned)}, expected (loss, gradients) with the loss one number"
    )


def _number(value: Any) -> bool:
    return isinstance(value, float | np.floating | np.ndarray) and np.size(value) == 1


def described(value: Any) -> str:
    """What something is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}" if value is not None else "nothing"


@dataclass
class ForwardBackward(Form):
    """Form 2."""

    forward: Callable[..., Any] = field(kw_only=True)
    backward: Callable[..., Any] = field(kw_only=True)

    def _run(self, make: Make, upstream: Upstream) -> Outcome:
        given = mapped((None, self.arguments, self.options), make)
        _, arguments, options = given
        returned = self.forward(*arguments, **options)
        outputs, call = self._call(returned, arguments, options)
        gradients = [upstream(k, out) for k, out in enumerate(outputs)]
        grads = call(gradients)
        return Outcome(given, None, outputs, gradients, grads)

    def _call(
        self, returned: Any, arguments: tuple, options: dict
    ) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
        """The outputs among what forward returned, and backward of their gradients alone."""
        parts = (
            list(returned)
            if isinstance(returned, tuple) and not hasattr(returned, "_fields")
            else [returned]
        )
        named = self._bound(arguments, options)
        slots = _positional(self.backward)
        own = [n for n in slots if n in named]
        free = [n for n in slots if n not in named]
        cached = [n for n in free if n.lower() in CACHES or "cache" in n.lower()]
        wants = len(free) - (len(cached) if cached else 1 if len(parts) > 1 and not own else 0)
        count = max(1, min(wants, len(parts)))
        outputs = list(parts[:count])
        rest = parts[count:]
        cache = rest[0] if len(rest) == 1 else tuple(rest)
        if not all(isinstance(out, np.ndarray | float | np.floating) for out in outputs):
            raise InputError(
                f"{_name(self.forward)} returned {described(returned)}, expected (out, cache) with "
                "out an array"
            )

        def call(gradients: Sequence[Any]) -> Any:
            waiting = list(gradients)
            caches = list(rest) if len(cached) == len(rest) > 1 else [cache]
            filled = []
            for slot in slots:
                if slot in named:
                    filled.append(named[slot])
                elif slot in cached or (not cached and not waiting):
                    filled.append(caches.pop(0))
                else:
                    filled.append(waiting.pop(0))
            return self.backward(*filled)

        return outputs, call

    def _bound(self, arguments: tuple, options: dict) -> dict[str, Any]:
        try:
            return dict(inspect.signature(self.forward).bind(*arguments, **options).arguments)
        except (TypeError, ValueError):
            return {}

    def called(self) -> Callable[..., Any]:
        """The forward pass."""
        return self.forward

    def roots(self) -> list[Any]:
        """Both functions."""
        return [self.forward, self.backward, *self.arguments]


def _positional(function: Callable) -> list[str]:
    """Names of the positional parameters that have to be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["dout", "cache"]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
    if not found and any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return ["dout", "cache"]
    return found


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__name__)


@dataclass
class Layers(Form):
    """Form 3: one object, or several in order."""

    layers: list[Any] = field(kw_only=True)

    def _run(self, make: Make, upstream: Upstream) -> Outcome:
        given = mapped((self.layers, self.arguments, self.options), make)
        layers, arguments, options = given
        values = arguments
        for number, layer in enumerate(layers):
            last = number == len(layers) - 1
            found = _method(layer, FORWARD)(*values, **(options if last else {}))
            values = found if isinstance(found, tuple) else (found,)
        outputs = [v for v in values if isinstance(v, np.ndarray | float | np.floating)]
        if not outputs:
            raise InputError(f"forward returned {described(found)}, expected an array")
        takes = _takes(_method(layers[-1], BACKWARD))
        if takes == 0:
            return self._as_loss(given, layers, outputs[0])
        outputs = outputs[:takes]
        gradients = [upstream(k, out) for k, out in enumerate(outputs)]
        returned: Any = tuple(gradients)
        for layer in reversed(layers):
            returned = returned if isinstance(returned, tuple) else (returned,)
            returned = _method(layer, BACKWARD)(*returned)
        return Outcome(given, None, outputs, gradients, returned)

    def _as_loss(self, given: tuple, layers: list, loss: Any) -> Outcome:
        returned = _method(layers[-1], BACKWARD)()
        for layer in reversed(layers[:-1]):
            returned = _method(layer, BACKWARD)(returned)
        return Outcome(given, loss=loss, returned=returned)

    def called(self) -> Callable[..., Any]:
        """The first object's forward pass."""
        return _method(self.layers[0], FORWARD)

    def roots(self) -> list[Any]:
        """The objects."""
        return [*self.layers, *self.arguments]


def _takes(backward: Callable) -> int:
    """How many upstream gradients it takes; a default of 1 or None is a loss's."""
    try:
        parameters = list(inspect.signature(backward).parameters.values())
    except (TypeError, ValueError):
        return 1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for p in parameters if p.kind in kinds and p.default is p.empty)


def _method(layer: Any, names: Sequence[str]) -> Callable[..., Any]:
    for name in names:
        if callable(getattr(layer, name, None)):
            return getattr(layer, name)
    raise InputError(
        f"{type(layer).__name__} has no method {names[0]}, expected an object with forward and "
        "backward"
    )


def has_both(value: Any) -> bool:
    """Whether something is an object with a forward and a backward pass."""
    if isinstance(value, type) or inspect.isroutine(value):
        return False
    return all(
        any(callable(getattr(value, n, None)) for n in names) for names in (FORWARD, BACKWARD)
    )


def returned_names(function: Callable) -> list[str]:
    """What the elements of a function's last returned tuple are called; "" for no name."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return []
    text = "".join(linecache.getlines(code.co_filename))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.name != code.co_name:
            continue
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        if first == code.co_firstlineno:
            returns = [n for n in ast.walk(node) if isinstance(n, ast.Return)]
            if returns and isinstance(returns[-1].value, ast.Tuple):
                return [e.id if isinstance(e, ast.Name) else "" for e in returns[-1].value.elts]
    return []


def form_of(
    subject: Any, arguments: tuple, options: dict, backward: Callable | None = None
) -> Form:
    """The form that a subject is in.

    Raises:
        InputError: it is none.
    """
    if backward is not None:
        name = f"{_name(subject)} and {_name(backward)}"
        return ForwardBackward(arguments, options, name, forward=subject, backward=backward)
    if isinstance(subject, list | tuple) and subject and all(has_both(x) for x in subject):
        name = " → ".join(type(x).__name__ for x in subject)
        return Layers(arguments, options, name, layers=list(subject))
    if has_both(subject):
        return Layers(arguments, options, type(subject).__name__, layers=[subject])
    if callable(subject):
        return LossAndGrads(arguments, options, _name(subject), function=subject)
    raise InputError(
        f"got {described(subject)}, expected a function, an object with forward and backward, or "
        "a list of such objects"
    )


__all__ = ["Form", "Outcome", "RecordError", "form_of", "leaves", "returned_names"]
