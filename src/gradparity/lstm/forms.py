"""The ways a factor of an equation gets written: the right one, and what people write instead.

A factor such as o(1−o) has two parts: which array is differentiated (o, or o one
step early, or σ(o), …) and which expression is formed of it (v(1−v), or v alone,
or 1−v², …). Wrong forms are the products of the two lists, so a wrong index *and*
a double activation are one form, with both explanations.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gradparity.lstm.film import Array, Film, sigmoid

Value = Callable[[Film, int], Array]
Expression = Callable[[Array], Array]


@dataclass(frozen=True)
class Form:
    """One way of writing a factor at time step t.

    Attributes:
        code: the expression, as a person would write it.
        value: computes it from a film.
        wrong: what is wrong with it, for people; empty for the right form.
        faults: how many separate slips it takes to write this.
    """

    code: str
    value: Value
    wrong: str = ""
    faults: int = 0


@dataclass(frozen=True)
class Slot:
    """One factor of an equation, by name, with its forms; the first is right."""

    name: str
    forms: tuple[Form, ...]

    @property
    def right(self) -> Form:
        """The right form."""
        return self.forms[0]


def at(symbol: str, t: int) -> str:
    """How an array at a step is written: `C[t-1]`."""
    return f"{symbol}[t{t:+d}]" if t else f"{symbol}[t]"


def early(film: Film, symbol: str, t: int) -> Array:
    """A quantity one step early; before the first step that is the initial state's."""
    if t > 0 or symbol not in ("C", "h", "m"):
        return film[symbol][t - 1]  # gates have no initial value: Python wraps to the last
    return {"C": film["C_prev"][0], "h": film["h_prev"][0], "m": np.tanh(film["C_prev"][0])}[symbol]


def late(film: Film, symbol: str, t: int) -> Array:
    """A quantity one step late; at the last step there is only its own."""
    return film[symbol][min(t + 1, film.time - 1)]


def wrapped(film: Film, symbol: str, t: int) -> Array:
    """A quantity one step early by Python's index −1: the first step reads the last."""
    return film[symbol][t - 1]


ACTIVATE: dict[str, Expression] = {"sigma": sigmoid, "tanh": np.tanh}
ACTIVATION_OF = {"f": "sigma", "i": "sigma", "o": "sigma", "g": "tanh", "m": "tanh"}
RAW = {"f": "a_f", "i": "a_i", "g": "a_g", "o": "a_o", "m": "C"}
HIDDEN = ("f", "i", "g", "o", "m", "C", "C_prev", "h", "h_prev")


def argument_forms(q: str) -> Iterator[Form]:
    """What stands where the activated quantity q (a gate, or m) belongs."""
    raw, activation = RAW[q], ACTIVATION_OF[q]
    act: Expression = ACTIVATE[activation]
    yield Form(at(q, 0), lambda c, t: c[q][t])
    twice = f"already activated: {activation} is applied to {q} again"
    yield Form(f"{activation}({at(q, 0)})", lambda c, t: act(c[q][t]), twice, 1)
    yield Form(at(raw, 0), lambda c, t: c[raw][t], f"{q} without its activation", 1)
    yield Form(at(q, -1), lambda c, t: early(c, q, t), f"{q} one step early", 1)
    both = f"{q} one step early, and activated twice"
    yield Form(f"{activation}({at(q, -1)})", lambda c, t: act(early(c, q, t)), both, 2)
    yield Form(at(q, 1), lambda c, t: late(c, q, t), f"{q} one step late", 1)
    yield Form(f"{q}[T-1]", lambda c, t: c[q][-1], f"{q} left over from the last step", 1)
    if q == "m":
        yield Form("C[t-1]", lambda c, t: c["C_prev"][t], "C_prev where tanh(C) belongs", 2)
        wraps = "m one step early, wrapping to the last at t = 0"
        yield Form("m[t-1] (wraps at t = 0)", lambda c, t: wrapped(c, "m", t), wraps, 1)
    for other in HIDDEN:
        if other not in (q, raw):
            yield _other(other, q)


def _other(other: str, q: str) -> Form:
    return Form(at(other, 0), lambda c, t: c[other][t], f"{other} where {q} belongs", 1)


def factor_forms(q: str) -> tuple[Form, ...]:
    """Forms of a plain factor q: a gate or m."""
    return (*argument_forms(q), _omitted(q))


def state_forms() -> tuple[Form, ...]:
    """Forms of the factor C_{t−1}."""
    return (
        Form("C[t-1]", lambda c, t: c["C_prev"][t]),
        Form("C[t]", lambda c, t: c["C"][t], "C of this step where C_prev belongs", 1),
        Form(
            "C[t-1] (wraps at t = 0)",
            lambda c, t: wrapped(c, "C", t),
            "C[t-1] wraps to the last state at t = 0",
            1,
        ),
        Form(
            "C[t-2]",
            lambda c, t: c["C_prev"][t - 1] if t else c["C"][-1],
            "C two steps early: a list that begins with the initial state, read at t-1",
            1,
        ),
        Form(
            "tanh(C[t-1])",
            lambda c, t: np.tanh(c["C_prev"][t]),
            "tanh of C_prev where C_prev itself belongs",
            1,
        ),
        *[_other(other, "C_prev") for other in HIDDEN if other not in ("C", "C_prev")],
        _omitted("C_prev"),
    )


def _omitted(q: str) -> Form:
    return Form("1", lambda c, t: np.ones_like(c["h"][t]), f"the factor {q} is missing", 1)


# What is formed of the argument: code, expression, what is wrong with it.
_LOGISTIC: tuple[str, Expression] = ("{v}*(1 - {v})", lambda v: v * (1 - v))
_TANGENT: tuple[str, Expression] = ("(1 - {v}**2)", lambda v: 1 - v * v)
_SLIPS: tuple[tuple[str, Expression, str], ...] = (
    ("{v}", lambda v: v, "derivative left out: the value stands in its place"),
    ("(1 - {v})", lambda v: 1 - v, "half of the derivative"),
    ("{v}*(1 + {v})", lambda v: v * (1 + v), "a sign inside the derivative"),
    ("(1 + {v}**2)", lambda v: 1 + v * v, "a sign inside the derivative"),
    ("(1 - {v})**2", lambda v: (1 - v) ** 2, "the square in the wrong place"),
    ("{v}**2", lambda v: v * v, "derivative left out: the square stands in its place"),
)


def derivative_forms(q: str) -> tuple[Form, ...]:
    """Forms of the derivative of an activation, written in terms of its value q."""
    logistic = ACTIVATION_OF[q] == "sigma"
    right, foreign = (_LOGISTIC, _TANGENT) if logistic else (_TANGENT, _LOGISTIC)
    name = "tanh" if logistic else "sigma"
    shapes = ((*right, ""), (*foreign, f"the derivative of {name}"), *_SLIPS)
    forms = [_compose(shape, argument) for argument in argument_forms(q) for shape in shapes]
    forms.append(Form("1", lambda c, t: np.ones_like(c["h"][t]), "derivative left out", 1))
    return tuple(forms)


def _compose(shape: tuple[str, Expression, str], argument: Form) -> Form:
    code, expression, slip = shape
    wrong = "; ".join(part for part in (argument.wrong, slip) if part)
    return Form(
        code.format(v=argument.code),
        lambda c, t: expression(argument.value(c, t)),
        wrong,
        argument.faults + bool(slip),
    )


def numbers() -> tuple[Form, ...]:
    """Forms of the factor 1: a sign, and numbers that slip in."""

    def constant(code: str, value: Callable[[Film], float], wrong: str) -> Form:
        return Form(code, lambda c, t: np.asarray(value(c)), wrong, 1)

    return (
        Form("1", lambda c, t: np.asarray(1.0)),
        constant("-1", lambda c: -1.0, "the sign is wrong"),
        constant("2", lambda c: 2.0, "a factor 2"),
        constant("0.5", lambda c: 0.5, "a factor 1/2"),
        constant("1/T", lambda c: 1 / c.time, "divided by the number of steps"),
        constant("1/B", lambda c: 1 / c["h"].shape[2], "divided by the batch size"),
        constant("T", lambda c: float(c.time), "multiplied by the number of steps"),
    )


def steps_of(what: str) -> Slot:
    """Which time steps enter a sum over time; the value is a weight."""

    def form(code: str, enters: Callable[[Film, int], bool], wrong: str) -> Form:
        return Form(code, lambda c, t: np.asarray(float(enters(c, t))), wrong, 1)

    return Slot(
        what,
        (
            Form("+=", lambda c, t: np.asarray(1.0)),
            form("=", lambda c, t: t == 0, "assigned, not added up: only t = 0 is left"),
            form("last", lambda c, t: t == c.time - 1, "only the last step is counted"),
            form("t > 0", lambda c, t: t > 0, "the first step is left out"),
            form("t < T-1", lambda c, t: t < c.time - 1, "the last step is left out"),
        ),
    )


def received(symbol: str) -> Slot:
    """What the step after sent back, as the sum reads it."""
    one = Form(symbol, lambda c, t: np.asarray(1.0))
    return Slot(symbol, (one, Form("0", lambda c, t: np.asarray(0.0), f"{symbol} is not read", 1)))
