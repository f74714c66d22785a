"""How a gate's or the readout's gradients can have been summed, and from which deltas."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array, Film
from gradparity.returned.call.probes import Gradients, Probe
from gradparity.returned.search.accumulation import Reading, read
from gradparity.returned.search.bank import Written
from gradparity.returned.search.explanation import B2, GATE_KEYS, Explanation
from gradparity.returned.search.replay import equal
from lstm_spec import GATES


@dataclass(frozen=True)
class Sums:
    """Readings of what a subject returned for probes in which no token repeats.

    Attributes:
        probes, films, grads: one of each for every call.
        tolerance: relative difference that is the subject's own noise.
    """

    probes: Sequence[Probe]
    films: Sequence[Film]
    grads: Sequence[Gradients]
    tolerance: float

    def readings(self, key: Key) -> list[Reading]:
        """How a gate's or the readout's gradients can have been summed."""
        found = read(key, self.probes, self.films, self.grads, self.tolerance)
        swapped = self._swapped(key)
        if key[1] in GATES and not any(not r.wrong for r in found):
            swapped += self.summed_early(key[1], (("delta",), ("bias delta",)))
        right = [r for r in found if not r.wrong]
        found = [*self._skipping(right), *right, *swapped, *(r for r in found if r.wrong)]
        return found or [Reading(key, (), ("h", "x", "b"), self._unknown_deltas(key))]

    def _skipping(self, right: Sequence[Reading]) -> list[Reading]:
        """Where every delta of the first step is zero, but for rounding, that step was left out."""
        largest = max((np.abs(d).max() for r in right[:1] for d in r.deltas), default=0.0)
        if not largest or any(np.abs(d[0]).max() > 1e-12 * largest for d in right[0].deltas):
            return []
        key, deltas = right[0].key, [delta.copy() for delta in right[0].deltas]
        for delta in deltas:
            delta[0] = np.nan
        skipped = tuple(
            Mistake(*key, slot, form)
            for slot in ("steps", "bias steps")
            for form in EQUATIONS[key].slot(slot).forms
            if form.code == "t > 0"
        )
        return [Reading(key, skipped, (), tuple(deltas))]

    def summed_early(self, gate: str, choices: Sequence[tuple[str, ...]]) -> list[Reading]:
        """Readings in which dk stands for da^k in the weights, the bias or both."""
        key: Key = ("B9", gate)
        derivative = EQUATIONS[GATE_KEYS[gate]].slot("derivative").right
        weights = [{k: v for k, v in g.items() if not k.startswith("b_")} for g in self.grads]
        found = []
        for reading in read(key, self.probes, self.films, weights, self.tolerance)[:1]:
            slopes = [np.stack([derivative.value(f, t) for t in range(f.time)]) for f in self.films]
            for slots in choices:
                factor = int("delta" in slots)
                deltas = tuple(d * s**factor for d, s in zip(reading.deltas, slopes, strict=True))
                biases = [
                    (d if "bias delta" not in slots else d / s).sum(axis=(0, 2))
                    for d, s in zip(deltas, slopes, strict=True)
                ]
                given = [g.get(f"b_{gate}") for g in self.grads]
                if all(
                    b is None or equal(b, m, self.tolerance)
                    for b, m in zip(given, biases, strict=True)
                ):
                    forms = [
                        next(f for f in EQUATIONS[key].slot(s).forms if f.code == f"d{gate}")
                        for s in slots
                    ]
                    wrong = tuple(Mistake(*key, s, f) for s, f in zip(slots, forms, strict=True))
                    found.append(Reading(key, (*reading.mistakes, *wrong), (), deltas))
        return found

    def _swapped(self, key: Key) -> list[Reading]:
        """Readings in which a gate's gradients are those of another gate's delta."""
        found = []
        gate = key[1]
        for other in GATES if gate in GATES else ():
            if other == gate:
                continue
            same = {part: self._same(part, gate, other) for part in ("W_{}[x]", "b_{}")}
            slots = [s for s, part in (("delta", "W_{}[x]"), ("bias delta", "b_{}")) if same[part]]
            forms = [
                next(f for f in EQUATIONS[key].slot(s).forms if f.code == f"da_{other}")
                for s in slots
            ]
            if slots:
                wrong = tuple(Mistake(*key, s, f) for s, f in zip(slots, forms, strict=True))
                found.append(Reading(key, wrong, (), self._without(key, slots)))
        return found

    def _without(self, key: Key, slots: Sequence[str]) -> tuple[Array, ...]:
        """The deltas as far as the parts without a swap show them."""
        hidden = {"delta": ("W_",), "bias delta": ("b_",)}
        names = tuple(prefix for slot in slots for prefix in hidden[slot])
        rest = [{k: v for k, v in g.items() if not k.startswith(names)} for g in self.grads]
        found = read(key, self.probes, self.films, rest, self.tolerance) if len(slots) == 1 else []
        return found[0].deltas if found and not found[0].wrong else self._unknown_deltas(key)

    def _same(self, part: str, gate: str, other: str) -> bool:
        pairs = [(g.get(part.format(gate)), g.get(part.format(other))) for g in self.grads]
        return all(
            a is not None and b is not None and equal(a, b, self.tolerance) for a, b in pairs
        )

    def _unknown_deltas(self, key: Key) -> tuple[Array, ...]:
        symbol = "v" if key == B2 else "h"
        return tuple(np.full_like(film[symbol], np.nan) for film in self.films)


def alike_first(readings: Mapping[str, list[Reading]]) -> Iterator[tuple[Reading, ...]]:
    """One reading for each gate; first those in which all gates are read alike."""
    by_kind = [{r.kind: r for r in reversed(found)} for found in readings.values()]
    common = [r.kind for r in next(iter(readings.values())) if all(r.kind in k for k in by_kind)]
    alike = [tuple(kinds[kind] for kinds in by_kind) for kind in dict.fromkeys(common)]
    yield from alike
    seen = {tuple(map(id, choice)) for choice in alike}
    for choice in product(*readings.values()):
        if tuple(map(id, choice)) not in seen:
            yield choice


def explained(reading: Reading) -> Explanation:
    """What a reading supposes to be wrong."""
    if reading.unknown:
        parts = tuple(f"{reading.key[1]}:{part}" for part in reading.unknown)
        return Explanation(unknown=(reading.key,), parts=parts)
    return Explanation({reading.key: (Written(reading.mistakes),)} if reading.mistakes else {})
