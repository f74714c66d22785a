"""B1–B11: the one table that knows the equations of the backward pass.

Reports and planted mistakes are derived from it. Numbers and symbols are those of
`docs/derivation.md`.
"""

from dataclasses import dataclass

import numpy as np

from gradparity.lstm.film import Array, Film
from gradparity.lstm.forms import (
    Form,
    Slot,
    derivative_forms,
    factor_forms,
    late,
    numbers,
    state_forms,
    wrapped,
)
from lstm_spec import GATES

Key = tuple[str, str]  # equation number and gate; "v" is the readout, "" no gate
GATE_EQUATIONS: tuple[Key, ...] = (("B4", "o"), ("B6", "g"), ("B7", "i"), ("B8", "f"))


@dataclass(frozen=True)
class Equation:
    """One equation of the backward pass.

    Attributes:
        number: "B4".
        gate: f, i, g, o, "v" for the readout, or "" where no gate is meant.
        name: what it computes, in words.
        formula: for people, a line for each result.
        result: the symbol of what it computes.
        slots: its factors, each with the right form and the wrong ones.
        terms: what is added to the product, or chosen before it, in the same way.
    """

    number: str
    gate: str
    name: str
    formula: str
    result: str
    slots: tuple[Slot, ...]
    terms: tuple[Slot, ...] = ()

    @property
    def key(self) -> Key:
        """Number and gate, which identify the equation in the table."""
        return self.number, self.gate

    def slot(self, name: str) -> Slot:
        """A factor by name."""
        return next(slot for slot in (*self.slots, *self.terms) if slot.name == name)


def _upstream_dh() -> Slot:
    return Slot(
        "dh",
        (
            Form("dh", lambda c, t: c["dh"][t]),
            Form("dh_out", lambda c, t: c["dh_out"][t], "dh without what step t+1 sends back", 1),
        ),
    )


def _upstream_dC() -> Slot:
    return Slot(
        "dC",
        (
            Form("dC", lambda c, t: c["dC"][t]),
            Form("dC_local", lambda c, t: c["dC_local"][t], "dC without dC_next", 1),
            Form("dC_next", lambda c, t: c["dC"][t] - c["dC_local"][t], "dC_next in dC's place", 1),
            Form("dh", lambda c, t: c["dh"][t], "dh where dC belongs", 1),
            Form("dh*o", lambda c, t: c["dh"][t] * c["o"][t], "dh ⊙ o where dC belongs", 1),
        ),
    )


def _gate(number: str, gate: str, name: str, formula: str, *slots: Slot) -> Equation:
    factors = (*slots, Slot("derivative", derivative_forms(gate)), Slot("number", numbers()))
    return Equation(number, gate, name, formula, f"da_{gate}", factors)


def _steps(what: str) -> Slot:
    """Which time steps enter a sum over time; the value is a weight."""

    def form(code: str, enters: object, wrong: str) -> Form:
        return Form(code, lambda c, t: np.asarray(float(enters(c, t))), wrong, 1)  # type: ignore[operator]

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


def _delta(gate: str, name: str) -> Slot:
    others = [k for k in GATES if k != gate]
    forms = [Form(f"da_{gate}", lambda c, t: c[f"da_{gate}"][t])]
    forms += [_other_delta(other, gate) for other in others]
    forms.append(
        Form(f"d{gate}", lambda c, t: c[f"d{gate}"][t], f"d{gate} before the activation", 1)
    )
    return Slot(name, tuple(forms))


def _other_delta(other: str, gate: str) -> Form:
    return Form(f"da_{other}", lambda c, t: c[f"da_{other}"][t], f"the delta of gate {other}", 1)


def _paired_h() -> Slot:
    return Slot(
        "h",
        (
            Form("h[t-1]", lambda c, t: c["h_prev"][t]),
            Form("h[t]", lambda c, t: c["h"][t], "h of this step where h_prev belongs", 1),
            Form(
                "h[t-2]",
                lambda c, t: c["h_prev"][t - 1] if t else c["h"][-1],
                "h two steps early: a list that begins with the initial state, read at t-1",
                1,
            ),
            Form(
                "h[t-1] (wraps at t = 0)",
                lambda c, t: wrapped(c, "h", t),
                "h[t-1] wraps to the last state at t = 0",
                1,
            ),
            Form("C[t-1]", lambda c, t: c["C_prev"][t], "C_prev where h_prev belongs", 1),
            Form("0", lambda c, t: np.zeros_like(c["h"][t]), "the recurrent part is missing", 1),
        ),
    )


def _paired_x() -> Slot:
    return Slot(
        "x",
        (
            Form("x[t]", lambda c, t: c["x"][t]),
            Form("x[t-1]", lambda c, t: wrapped(c, "x", t), "the input of the step before", 1),
            Form("x[t+1]", lambda c, t: late(c, "x", t), "the input of the step after", 1),
            Form("0", lambda c, t: np.zeros_like(c["x"][t]), "the input part is missing", 1),
        ),
    )


def _accumulation(gate: str) -> Equation:
    return Equation(
        "B9",
        gate,
        f"weight gradient, gate {gate}",
        "dW_k = Σ_t da^k_t z_tᵀ\ndb_k = Σ_t da^k_t",
        f"dW_{gate}",
        (
            _delta(gate, "delta"),
            _paired_h(),
            _paired_x(),
            _steps("steps"),
            Slot("number", numbers()),
            _delta(gate, "bias delta"),
            _steps("bias steps"),
            Slot("bias number", (*numbers(), Form("0", lambda c, t: np.zeros(()), "missing", 1))),
        ),
    )


def _back_through(gate: str) -> Equation:
    """One gate's term of B10: a mistake here is in what the gate sends back."""
    others = [k for k in GATES if k != gate]
    weights = [Form(f"W_{gate}", lambda c, t: c.weight(gate))]
    weights += [_other_weight(other, gate) for other in others]
    weights.append(
        Form(f"W_{gate}.T", lambda c, t: _untransposed(c, gate), "the transpose is missing", 1)
    )
    numbers_and_none = (*numbers(), Form("0", lambda c, t: np.zeros(()), "the term is missing", 1))
    return Equation(
        "B10",
        gate,
        f"what gate {gate} sends back",
        "dz_t = Σ_k W_kᵀ da^k_t\n[dh_next; dx_t] = dz_t",
        "dz",
        (Slot("W", tuple(weights)), _delta(gate, "delta"), Slot("number", numbers_and_none)),
    )


def _other_weight(other: str, gate: str) -> Form:
    return Form(f"W_{other}", lambda c, t: c.weight(other), f"the weights of gate {other}", 1)


def _untransposed(film: Film, gate: str) -> Array:
    W, hidden = film.weight(gate), film["h"].shape[1]
    return np.hstack([W[:, :hidden].T, W[:, hidden:]])


_CARRIED_DH = Slot(
    "dh_next",
    (
        Form("dh_next", lambda c, t: np.asarray(1.0)),
        Form("0", lambda c, t: np.asarray(0.0), "dh_next is dropped", 1),
    ),
)

_CARRIED_DC = Slot(
    "dC",
    (
        Form("dC", lambda c, t: c["dC"][t]),
        Form("0", lambda c, t: np.zeros_like(c["dC"][t]), "dC_next is dropped", 1),
        Form("dC_local", lambda c, t: c["dC_local"][t], "only one step back: dC_next left out", 1),
    ),
)

_PAIRED_OUTPUT = Slot(
    "h",
    (
        Form("h[t]", lambda c, t: c["h"][t]),
        Form("h[t-1]", lambda c, t: c["h_prev"][t], "h_prev where h belongs", 1),
        Form(
            "h[t-1] (wraps at t = 0)",
            lambda c, t: wrapped(c, "h", t),
            "h one step early, wrapping to the last at t = 0",
            1,
        ),
        Form("h[t+1]", lambda c, t: late(c, "h", t), "h one step late", 1),
        Form("m[t]", lambda c, t: c["m"][t], "m where h belongs", 1),
        Form("C[t]", lambda c, t: c["C"][t], "C where h belongs", 1),
        Form("o[t]", lambda c, t: c["o"][t], "o where h belongs", 1),
    ),
)

_RESIDUAL = Slot(
    "residual",
    (
        Form("y - onehot", lambda c, t: c["y"][t] - c["target"][t]),
        Form("y", lambda c, t: c["y"][t], "1 is not subtracted at the target", 1),
        Form(
            "(y - onehot)*y*(1 - y)",
            lambda c, t: (c["y"][t] - c["target"][t]) * c["y"][t] * (1 - c["y"][t]),
            "a derivative of the activation too much",
            1,
        ),
        Form(
            "y - onehot[t-1]",
            lambda c, t: c["y"][t] - wrapped(c, "target", t),
            "the target of the step before",
            1,
        ),
        Form(
            "y - onehot[t+1]",
            lambda c, t: c["y"][t] - late(c, "target", t),
            "the target of the step after",
            1,
        ),
    ),
)

_READOUT_DV = Slot(
    "dv",
    (
        Form("dv", lambda c, t: c["dv"][t]),
        Form("0", lambda c, t: np.zeros_like(c["dv"][t]), "the readout sends nothing back", 1),
        Form("y", lambda c, t: c["y"][t], "y where dv belongs", 1),
        Form("dv[t+1]", lambda c, t: late(c, "dv", t), "dv one step late", 1),
        Form("dv*y*(1 - y)", lambda c, t: c["dv"][t] * _slope(c, t), "a derivative too much", 1),
    ),
)


_OUTSIDE_DH = Slot(
    "dh_out",
    (
        Form("dh_out[t]", lambda c, t: c["dh_out"][t]),
        Form(
            "dh_out[T-1]",
            lambda c, t: c["dh_out"][t] * (t == c.time - 1),
            "only the last step's gradient enters",
            1,
        ),
        Form("dh_out[t+1]", lambda c, t: late(c, "dh_out", t), "the gradient of the step after", 1),
        Form("dh_out[t-1]", lambda c, t: wrapped(c, "dh_out", t), "that of the step before", 1),
    ),
)


def _received(symbol: str) -> Slot:
    """What the step after sent back, as the sum reads it."""
    one = Form(symbol, lambda c, t: np.asarray(1.0))
    return Slot(symbol, (one, Form("0", lambda c, t: np.asarray(0.0), f"{symbol} is not read", 1)))


def _slope(film: Film, t: int) -> Array:
    return film["y"][t] * (1 - film["y"][t])


_ALL = (
    Equation(
        "B1",
        "v",
        "logits",
        "dv_t = (ŷ_t − onehot_t) / N",
        "dv",
        (_RESIDUAL, Slot("number", numbers())),
    ),
    Equation(
        "B2",
        "v",
        "readout weights",
        "dW_v = Σ_t dv_t h_tᵀ\ndb_v = Σ_t dv_t",
        "dW_v",
        (
            _PAIRED_OUTPUT,
            _steps("steps"),
            Slot("number", numbers()),
            _steps("bias steps"),
            Slot("bias number", (*numbers(), Form("0", lambda c, t: np.zeros(()), "missing", 1))),
        ),
    ),
    Equation(
        "B3",
        "v",
        "hidden state",
        "dh_t = W_vᵀ dv_t + dh_next",
        "dh",
        (_READOUT_DV, Slot("number", numbers())),
        (_OUTSIDE_DH, _received("dh_next")),
    ),
    _gate(
        "B4",
        "o",
        "output gate",
        "da^o = dh ⊙ m ⊙ o(1−o)",
        _upstream_dh(),
        Slot("m", factor_forms("m")),
    ),
    Equation(
        "B5",
        "",
        "cell state",
        "dC_t = dC_next + dh ⊙ o ⊙ (1−m²)",
        "dC",
        (
            _upstream_dh(),
            Slot("o", factor_forms("o")),
            Slot("derivative", derivative_forms("m")),
            Slot("number", numbers()),
        ),
        (_received("dC_next"),),
    ),
    _gate(
        "B6",
        "g",
        "candidate",
        "da^g = dC ⊙ i ⊙ (1−g²)",
        _upstream_dC(),
        Slot("i", factor_forms("i")),
    ),
    _gate(
        "B7",
        "i",
        "input gate",
        "da^i = dC ⊙ g ⊙ i(1−i)",
        _upstream_dC(),
        Slot("g", factor_forms("g")),
    ),
    _gate(
        "B8",
        "f",
        "forget gate",
        "da^f = dC ⊙ C_{t−1} ⊙ f(1−f)",
        _upstream_dC(),
        Slot("C_prev", state_forms()),
    ),
    *[_accumulation(gate) for gate in GATES],
    *[_back_through(gate) for gate in GATES],
    Equation(
        "B10",
        "",
        "hidden state carried back",
        "dz_t = Σ_k W_kᵀ da^k_t\n[dh_next; dx_t] = dz_t",
        "dh_next",
        (_CARRIED_DH, Slot("number", numbers())),
    ),
    Equation(
        "B11",
        "",
        "cell state carried back",
        "dC_next = dC_t ⊙ f_t",
        "dC_next",
        (_CARRIED_DC, Slot("f", factor_forms("f")), Slot("number", numbers())),
    ),
)

EQUATIONS: dict[Key, Equation] = {equation.key: equation for equation in _ALL}
NUMBERS = tuple(dict.fromkeys(equation.number for equation in _ALL))

# F1–F9 as a whole: a forward pass that differs makes every verdict on the backward one idle.
FORWARD: Key = ("F", "")

# Which equation computes a quantity that backends report: adjoints, gradients, forward.
COMPUTED_BY: dict[str, Key] = {
    "v": ("B1", "v"),
    "h": ("B3", "v"),
    "C": ("B5", ""),
    "m": ("B5", ""),
    "z": ("B10", ""),
    **{f"a_{gate}": (number, gate) for number, gate in GATE_EQUATIONS},
    **{gate: (number, gate) for number, gate in GATE_EQUATIONS},
    **{f"{leaf}_{gate}": ("B9", gate) for gate in GATES for leaf in "Wb"},
    "W_v": ("B2", "v"),
    "b_v": ("B2", "v"),
    "initial_state.h": ("B10", ""),
    "initial_state.C": ("B11", ""),
    "loss": FORWARD,
    "final_state.h": FORWARD,
    "final_state.C": FORWARD,
}


@dataclass(frozen=True)
class Mistake:
    """One wrong form in one slot of one equation."""

    number: str
    gate: str
    slot: str
    form: Form

    @property
    def key(self) -> Key:
        """The equation it stands in."""
        return self.number, self.gate

    @property
    def right(self) -> Form:
        """What should stand in its place."""
        return EQUATIONS[self.key].slot(self.slot).right

    def __str__(self) -> str:
        where = f" (gate {self.gate})" if self.gate in GATES else ""
        return f"{self.number}{where}: {self.form.code} for {self.right.code} ({self.form.wrong})"


def known_mistakes(most_faults: int = 1) -> list[Mistake]:
    """Every wrong form in the table that takes at most so many slips to write."""
    return [
        Mistake(equation.number, equation.gate, slot.name, form)
        for equation in _ALL
        for slot in (*equation.slots, *equation.terms)
        for form in slot.forms[1:]
        if form.faults <= most_faults
    ]
