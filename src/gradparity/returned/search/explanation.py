"""What is wrong with a backward pass, equation by equation, and how simple it is to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import Mistake
from gradparity.lstm.film import Array
from gradparity.lstm.forms import Form
from gradparity.lstm.gates import GATE_EQUATIONS
from gradparity.returned.search.bank import Written

GATE_KEYS: dict[str, Key] = {gate: (number, gate) for number, gate in GATE_EQUATIONS}
B1, B2, B3 = ("B1", "v"), ("B2", "v"), ("B3", "v")
B5, B10, B11 = ("B5", ""), ("B10", ""), ("B11", "")
RIGHT = Written(())
Cost = tuple[bool, float, int]
ONE_EQUATION = (False, 1, 9)  # cost of a single wrong equation, cause known
TWO_EQUATIONS = (False, 2, 9)
ONE_UNKNOWN = (True, 1.5, 0)  # cost of a single wrong equation, cause not known


@dataclass(frozen=True)
class Explanation:
    """What is wrong, equation by equation.

    Attributes:
        written: for each wrong equation the ways of writing it that fit, equally simple.
        unknown: equations that are wrong in a way that no form fits.
        given: what a simulation must be given in their place: by symbol, an array for
            each probe.
        parts: of an unknown B2 or B9, the gradients left free: "f:h", "v:b".
    """

    written: Mapping[Key, tuple[Written, ...]] = dataclass_field(default_factory=dict)
    unknown: tuple[Key, ...] = ()
    given: Mapping[str, Sequence[Array]] = dataclass_field(default_factory=dict)
    parts: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        """Whether a cause is unknown, wrong equations, slips: what is cheapest is believed."""
        shared = _shared(self.written)
        unknown = self._unknown_lines()
        known = len(set(self.written) - shared - set(self.unknown))
        equations = known + unknown + _beside_a_carry(self.written) + _roundabout(self.mistakes)
        faults = sum(ways[0].faults for key, ways in self.written.items() if key not in shared)
        return bool(self.unknown), equations + 0.5 * unknown, faults

    def _unknown_lines(self) -> int:
        """Unknown mistakes; the same at several gates of B9 is one: one line computes all four."""
        lines = set()
        for key in self.unknown:
            own = (p.partition(":") for p in self.parts if key[0] == "B9")
            parts = tuple(part for gate, _, part in own if gate == key[1])
            lines.add((key[0], *(parts or key[1:])))
        return len(lines)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The first way of writing each."""
        return tuple(m for ways in self.written.values() for m in ways[0].mistakes)

    def joined(self, other: "Explanation") -> "Explanation":
        """Both together."""
        written = dict(self.written)
        for key, ways in other.written.items():
            before = written.get(key, (RIGHT,))
            written[key] = tuple(Written((*a.mistakes, *b.mistakes)) for a in before for b in ways)
        return Explanation(
            written,
            tuple(dict.fromkeys((*self.unknown, *other.unknown))),
            {**self.given, **other.given},
            (*self.parts, *other.parts),
        )


def single(key: Key, slot: str, form: Form) -> Explanation:
    """A single mistake."""
    return Explanation({key: (Written((Mistake(*key, slot, form),)),)})


def _shared(written: Mapping[Key, tuple[Written, ...]]) -> set[Key]:
    """Gates of B9 or B10 with the same slip count once: one line computes all four."""
    repeated: set[Key] = set()
    for number in ("B9", "B10"):
        seen: list[tuple] = []
        for key, ways in written.items():
            if key[0] != number:
                continue
            slips = tuple((m.slot, m.form.code.replace(f"_{key[1]}", "")) for m in ways[0].mistakes)
            if slips in seen:
                repeated.add(key)
            seen.append(slips)
    return repeated


def _beside_a_carry(written: Mapping[Key, tuple[Written, ...]]) -> int:
    """A carry that is not read, in an equation that is wrong besides, counts for itself."""
    slots = [{m.slot for m in ways[0].mistakes} for ways in written.values()]
    return sum(len(s) > 1 and bool(s & {"dh_next", "dC_next"}) for s in slots)


def _roundabout(mistakes: Sequence[Mistake]) -> float:
    """Extra cost of saying at each reader that a carry is not read, when it may be dropped."""
    read = {(m.key, m.form.code) for m in mistakes}
    hidden = all((key, "dh_out") in read for key in (GATE_KEYS["o"], B5))
    cell = all((GATE_KEYS[gate], "dC_local") in read for gate in "fig")
    return 1.5 * (hidden + cell)
