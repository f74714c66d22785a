"""A backward pass with any mistakes of the table written into it.

With no mistakes it is B1–B11 as they stand; it is kept literal, one equation
after the other, since checks and diagnoses are judged against it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array, Film
from gradparity.lstm.forms import Form
from gradparity.lstm.gates import GATE_EQUATIONS
from lstm_spec import GATES, LayerParams


class Plan:
    """Which form stands in every slot of every equation."""

    def __init__(self, mistakes: Iterable[Mistake] = ()) -> None:
        self.mistakes = tuple(mistakes)
        self._written: dict[tuple[Key, str], Form] = {
            (mistake.key, mistake.slot): mistake.form for mistake in self.mistakes
        }

    def form(self, key: Key, slot: str) -> Form:
        """The form written in a slot: the planned mistake, or what is right."""
        return self._written.get((key, slot)) or EQUATIONS[key].slot(slot).right

    def value(self, key: Key, slot: str, film: Film, t: int) -> Array:
        """A slot's value at a time step."""
        return self.form(key, slot).value(film, t)

    def product(self, key: Key, film: Film, t: int, slots: slice = slice(None)) -> Array:
        """The product of an equation's slots: all of them, or some."""
        result = np.asarray(1.0)
        for slot in EQUATIONS[key].slots[slots]:
            result = result * self.value(key, slot.name, film, t)
        return result


class LayerGradients(NamedTuple):
    """What a layer's backward pass yields besides the adjoints it leaves in the film."""

    params: LayerParams
    dh_initial: Array
    dC_initial: Array
    dx: Array


def logits_adjoint(plan: Plan, film: Film, N: float) -> Array:
    """B1 at every step; the film must hold y, target and mask."""
    if "dv" in film.given:
        return film.given["dv"]
    steps = [plan.product(("B1", "v"), film, t) * film["mask"][t] / N for t in range(film.time)]
    return np.stack(steps)


def readout_gradients(plan: Plan, film: Film) -> tuple[Array, Array]:
    """B2: dW_v and db_v; the film must hold dv."""
    key, dW, db = ("B2", "v"), 0.0, 0.0
    for t in range(film.time):
        weight = plan.value(key, "steps", film, t) * plan.value(key, "number", film, t)
        dW = dW + weight * film["dv"][t] @ plan.value(key, "h", film, t).T
        bias = plan.value(key, "bias steps", film, t) * plan.value(key, "bias number", film, t)
        db = db + bias * film["dv"][t].sum(axis=1)
    return np.asarray(dW), np.asarray(db)


def readout_upstream(plan: Plan, film: Film, W_v: Array) -> Array:
    """The readout's part of B3: W_vᵀ dv at every step."""
    return np.stack([W_v.T @ plan.product(("B3", "v"), film, t) for t in range(film.time)])


def layer_backward(
    plan: Plan, film: Film, dh_out: Array, dh_last: Array, dC_last: Array
) -> LayerGradients:
    """B3–B11 for one layer; `dh_out (time, hidden, batch)` comes from outside the layer."""
    _allocate(film, dh_out)
    dh_next, dC_next = dh_last, dC_last
    for t in reversed(range(film.time)):
        received = plan.value(("B3", "v"), "dh_next", film, t) * dh_next
        film.settle("dh", t, plan.value(("B3", "v"), "dh_out", film, t) + received)  # B3
        film["dm"][t] = plan.product(("B5", ""), film, t, slice(2))
        film["dC_local"][t] = plan.product(("B5", ""), film, t)
        received = plan.value(("B5", ""), "dC_next", film, t) * dC_next
        film.settle("dC", t, received + film["dC_local"][t])  # B5
        for number, gate in GATE_EQUATIONS:
            film[f"d{gate}"][t] = plan.product((number, gate), film, t, slice(2))
            film.settle(f"da_{gate}", t, plan.product((number, gate), film, t))
        film["dz"][t] = _back_through_gates(plan, film, t)  # B10
        carried = plan.product(("B10", ""), film, t)
        dh_next = carried * film["dz"][t][: len(dh_next)]
        dC_next = plan.product(("B11", ""), film, t)
    dx = film["dz"][:, len(dh_next) :]
    return LayerGradients(_accumulate(plan, film), dh_next, dC_next, dx)


def _allocate(film: Film, dh_out: Array) -> None:
    film["dh_out"] = dh_out
    by_gate = [f"{prefix}{gate}" for prefix in ("d", "da_") for gate in GATES]
    for symbol in ("dh", "dm", "dC", "dC_local", *by_gate):
        film[symbol] = np.zeros_like(film["h"])
    film["dz"] = np.zeros_like(film["z"])


def _back_through_gates(plan: Plan, film: Film, t: int) -> Array:
    total = np.zeros_like(film["z"][t])
    for gate in GATES:
        key = ("B10", gate)
        weight = plan.value(key, "number", film, t) * plan.value(key, "W", film, t)
        total += weight.T @ plan.value(key, "delta", film, t)
    return total


def _accumulate(plan: Plan, film: Film) -> LayerParams:
    """B9 for every gate."""
    pairs = [_accumulate_gate(plan, film, ("B9", gate)) for gate in GATES]
    return LayerParams._make([dW for dW, _ in pairs] + [db for _, db in pairs])


def _accumulate_gate(plan: Plan, film: Film, key: Key) -> tuple[Array, Array]:
    dW, db = 0.0, 0.0
    for t in range(film.time):
        paired = np.concatenate([plan.value(key, part, film, t) for part in ("h", "x")])
        weight = plan.value(key, "steps", film, t) * plan.value(key, "number", film, t)
        dW = dW + weight * plan.value(key, "delta", film, t) @ paired.T
        bias = plan.value(key, "bias steps", film, t) * plan.value(key, "bias number", film, t)
        db = db + bias * plan.value(key, "bias delta", film, t).sum(axis=1)
    return np.asarray(dW), np.asarray(db)
