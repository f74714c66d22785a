"""B3–B8, B10 and B11: which equations yield the deltas that were read off.

Each equation is tested on the subject's own upstream values, so that one wrong equation
shows as one. At the last step of a sequence nothing is carried back: there the local
equations are settled (B3, B4, B5–B8). The steps before then settle the carries (B10, B11).
"""

from collections.abc import Mapping

from gradparity.lstm.equations import Mistake
from gradparity.lstm.film import Array
from gradparity.returned.bank import Bank, Field, Written
from gradparity.returned.cells import Cells, cell_states
from gradparity.returned.explanation import B3, B5, B11, GATE_KEYS, Explanation
from gradparity.returned.gates import Gates
from gradparity.returned.hidden import Hidden, hidden_states


class Bench:
    """The forms of all equations, evaluated once on the probes' forward passes."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.gates = {gate: Bank(key, field, ("dh", "dC")) for gate, key in GATE_KEYS.items()}
        self.local = Bank(B5, field, ("dh",))
        self.carry = Bank(B11, field, ("dC",))


class Chain:
    """The search for one explanation of a set of deltas.

    Args:
        bench: forms, and the probes' films.
        deltas: da by gate, flat, as read off; NaN where not known.
        sent: the same with a guess where not known: what B10 sends back.
        outside: dh_out under each way of writing B3 outside the carry; the right one under None.
        dC_last: upstream gradient of the last C, flat, zero elsewhere.
    """

    def __init__(
        self,
        bench: Bench,
        deltas: Mapping[str, Array],
        sent: Mapping[str, Array],
        outside: Mapping[tuple[Mistake, ...], Array],
        dC_last: Array,
    ) -> None:
        self.field, self.local, self.outside, self.dC_last = (
            bench.field, bench.local, outside, dC_last
        )  # fmt: skip
        self.gates = Gates(bench.field, bench.gates, deltas)
        self.hidden = Hidden(self.gates, sent)
        self.cells = Cells(self.gates, bench.local, bench.carry, dC_last)

    def explanations(self, thorough: bool) -> list[Explanation]:
        """The simplest explanations, the best first.

        Args:
            thorough: also suppose that what enters B3 from outside is wrong.
        """
        best = self._with_outside(())
        if thorough:
            for outside in self.outside:
                if outside and self._plausible(self.outside[outside]):
                    best += self._with_outside(outside)
        return sorted(best, key=lambda e: e.cost)[:4]

    def _plausible(self, dh_out: Array) -> bool:
        """Whether some equation is right at the last steps with this dh_out."""
        dC = dh_out * self.local.right + self.dC_last
        right_o = self.field.equal(
            self.gates.deltas["o"], dh_out * self.gates.banks["o"].right, self.field.last
        )
        return right_o or any(self.gates.passes(gate, dC) for gate in "fig")

    def _with_outside(self, outside: tuple[Mistake, ...]) -> list[Explanation]:
        """Explanations with B3 written in one way."""
        dh_out, found = self.outside[outside], []
        start = Explanation({B3: (Written(outside),)} if outside else {})
        for dh, carried in hidden_states(self.hidden, dh_out):
            for explained in cell_states(self.cells, dh, dh_out):
                found.append(start.joined(carried).joined(explained))
        return sorted(found, key=lambda e: e.cost)[:2]
