"""B1–B11: the one table that knows the equations of the backward pass.

Reports and planted mistakes are derived from it. Numbers and symbols are those of
`docs/derivation.md`.
"""

from dataclasses import dataclass

from gradparity.lstm.equation import Equation, Key
from gradparity.lstm.forms import Form
from gradparity.lstm.gates import CELL, GATE_EQUATIONS
from gradparity.lstm.readout import READOUT
from gradparity.lstm.weights import WEIGHTS
from lstm_spec import GATES

_ALL = (*READOUT, *CELL, *WEIGHTS)

EQUATIONS: dict[Key, Equation] = {equation.key: equation for equation in _ALL}
NUMBERS = tuple(dict.fromkeys(equation.number for equation in _ALL))

# What an equation makes at each step, as maps of errors show it: sums over time have none, and
# what B11 sends back enters the step before by B5.
QUANTITIES: dict[str, str] = {
    number: next(e.result for e in _ALL if e.number == number)
    for number in NUMBERS
    if number not in ("B2", "B9", "B11")
}

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
