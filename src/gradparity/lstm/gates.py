"""B4–B8: from the hidden state through the cell to the gates."""

from gradparity.lstm.equation import Equation, Key
from gradparity.lstm.forms import (
    Form,
    Slot,
    derivative_forms,
    factor_forms,
    numbers,
    received,
    state_forms,
)

GATE_EQUATIONS: tuple[Key, ...] = (("B4", "o"), ("B6", "g"), ("B7", "i"), ("B8", "f"))


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


CELL = (
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
        (received("dC_next"),),
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
)
