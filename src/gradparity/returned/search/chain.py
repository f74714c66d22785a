"""B3–B8, B10 and B11: which equations yield the deltas that were read off.

Each equation is tested on the subject's own upstream values, so that one wrong equation
shows as one. At the last step of a sequence nothing is carried back: there the local
equations are settled (B3, B4, B5–B8). The steps before then settle the carries (B10, B11).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gradparity.lstm.equations import Mistake
from gradparity.lstm.film import Array
from gradparity.returned.search.bank import Bank, Field, Written
from gradparity.returned.search.cells import Cells, cell_states
from gradparity.returned.search.explanation import B3, B5, B11, GATE_KEYS, Explanation
from gradparity.returned.search.gates import Gates
from gradparity.returned.search.hidden import Hidden, hidden_states


class Bench:
    """The forms of all equations, evaluated once on the probes' forward passes."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.gates = {gate: Bank(key, field, ("dh", "dC")) for gate, key in GATE_KEYS.items()}
        self.local = Bank(B5, field, ("dh",))
        self.carry = Bank(B11, field, ("dC",))


@dataclass(frozen=True)
class Chain:
    """What one explanation of a set of deltas is sought in.

    Attributes:
        bench: forms, and the probes' films.
        deltas: da by gate, flat, as read off; NaN where not known.
        sent: the same with a guess where not known: what B10 sends back.
        outside: dh_out under each way of writing B3 outside the carry; the right one under ().
        dC_last: upstream gradient of the last C, flat, zero elsewhere.
    """

    bench: Bench
    deltas: Mapping[str, Array]
    sent: Mapping[str, Array]
    outside: Mapping[tuple[Mistake, ...], Array]
    dC_last: Array

    @cached_property
    def gates(self) -> Gates:
        """B4 and B6 to B8, held to the deltas."""
        return Gates(self.bench.field, self.bench.gates, self.deltas)


def chained(chain: Chain, thorough: bool) -> list[Explanation]:
    """The simplest explanations, the best first.

    Args:
        chain: what is to be explained.
        thorough: also suppose that what enters B3 from outside is wrong.
    """
    best = _with_outside(chain, ())
    if thorough:
        for outside in chain.outside:
            if outside and _plausible(chain, chain.outside[outside]):
                best += _with_outside(chain, outside)
    return sorted(best, key=lambda e: e.cost)[:4]


def _plausible(chain: Chain, dh_out: Array) -> bool:
    """Whether some equation is right at the last steps with this dh_out."""
    gates, field = chain.gates, chain.bench.field
    dC = dh_out * chain.bench.local.right + chain.dC_last
    right_o = field.equal(gates.deltas["o"], dh_out * gates.banks["o"].right, field.last)
    return right_o or any(gates.passes(gate, dC) for gate in "fig")


def _with_outside(chain: Chain, outside: tuple[Mistake, ...]) -> list[Explanation]:
    """Explanations with B3 written in one way."""
    hidden = Hidden(chain.gates, chain.sent)
    cells = Cells(chain.gates, chain.bench.local, chain.bench.carry, chain.dC_last)
    dh_out, found = chain.outside[outside], []
    start = Explanation({B3: (Written(outside),)} if outside else {})
    for dh, carried in hidden_states(hidden, dh_out):
        for explained in cell_states(cells, dh, dh_out):
            found.append(start.joined(carried).joined(explained))
    return sorted(found, key=lambda e: e.cost)[:2]
