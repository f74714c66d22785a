"""What an equation of the backward pass is: factors, each with its right and its wrong forms."""

from dataclasses import dataclass
from functools import cached_property

from gradparity.lstm.forms import Slot

Key = tuple[str, str]  # equation number and gate; "v" is the readout, "" no gate


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
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Slot]:
        return {slot.name: slot for slot in (*self.slots, *self.terms)}
