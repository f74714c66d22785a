"""From returned gradients to the fewest wrong equations that reproduce them all.

Readings and chains suggest explanations; a simulated backward pass with exactly these
mistakes convicts, if it reproduces every gradient on every probe.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import numpy as np

from gradparity.lstm.equations import Mistake
from gradparity.lstm.film import Array, Film
from gradparity.lstm.simulate import Plan
from gradparity.returned.accumulation import Reading
from gradparity.returned.bank import Field
from gradparity.returned.chain import Bench, Chain
from gradparity.returned.explanation import (
    B2,
    GATE_KEYS,
    ONE_EQUATION,
    ONE_UNKNOWN,
    TWO_EQUATIONS,
    Cost,
    Explanation,
)
from gradparity.returned.probes import synthesize
from gradparity.returned.readout import logits, outside
from gradparity.returned.repairs import Repairs
from gradparity.returned.replay import Call, Replay
from gradparity.returned.sums import Sums, alike_first, explained
from lstm_spec import GATES

MOST_READINGS = 8
SECONDS = 3  # of computing, after which the best found so far is reported
Propose = Callable[[], Iterable[Explanation]]


class Search:
    """The search over everything that a subject returned.

    Args:
        calls: all probes.
        tolerance: relative difference that is the subject's own noise.
    """

    def __init__(self, calls: Sequence[Call], tolerance: float) -> None:
        self.calls, self.tolerance = calls, tolerance
        self.replay = Replay(calls, tolerance)
        self.close = self.replay.close
        self.probes = [call.probe for call in self.close]
        self.films = [Film(c.film.params, dict(c.film.values)) for c in self.close]
        self.sums = Sums(self.probes, self.films, [call.grads for call in self.close], tolerance)
        self.repairs = Repairs(self.replay)
        self._benches: dict[int, Bench] = {}
        self._until = time.process_time() + SECONDS
        self.stopped = False
        self.model = self.probes[0].W_v is not None
        self.true = [synthesize(c.probe, Plan(), c.film)[1] for c in self.close]

    def explanations(self) -> list[Explanation]:
        """Explanations that reproduce everything, the simplest first; may be empty."""
        quick = self._proposed(thorough=False)
        convicted = self._convicted(self._near(quick), TWO_EQUATIONS)
        if not any(e.cost <= TWO_EQUATIONS for e in convicted):
            slow = quick + self._proposed(thorough=True)
            proposed = sorted(slow, key=lambda e: e.cost)[:8]
            convicted += self._convicted(
                (
                    *self._near(proposed),
                    lambda: self._before_activation(proposed),
                    self.repairs.singles,
                    lambda: self.repairs.with_one_more(proposed),
                ),
                ONE_UNKNOWN,
            )
        convicted.sort(key=lambda e: e.cost)
        return [e for e in convicted if e.cost <= convicted[0].cost]

    def _near(self, proposed: Sequence[Explanation]) -> tuple[Propose, ...]:
        """What was proposed, and small changes to it."""
        return (
            lambda: proposed,
            lambda: self.repairs.repaired(proposed),
            lambda: self.repairs.replaced(proposed),
        )

    def _convicted(self, ways: Sequence[Propose], enough: Cost) -> list[Explanation]:
        """Explanations that reproduce everything; once one is simple enough, no further way."""
        found: list[Explanation] = []
        for number, propose in enumerate(ways):
            for explanation in propose():
                if number and self._spent():  # what was proposed is judged in any case
                    return found
                if self.replay.reproduces(explanation):
                    found.append(explanation)
            if any(e.cost <= enough for e in found):
                break
        return found

    def _spent(self) -> bool:
        """Whether the search has taken as long as it may."""
        self.stopped = self.stopped or time.process_time() > self._until
        return self.stopped

    def _proposed(self, *, thorough: bool) -> list[Explanation]:
        readings = {gate: self.sums.readings(("B9", gate)) for gate in GATES}
        readouts = self.sums.readings(B2) if self.model else [None]
        found: list[Explanation] = []
        for readout in readouts:
            start = logits(readout, self.films, self.true, self.tolerance)
            for chosen in islice(alike_first(readings), MOST_READINGS):
                if found and self._spent():
                    break
                found += self._chained(start, chosen, thorough)
                if found and min(e.cost for e in found) <= ONE_EQUATION:
                    return sorted(found, key=lambda e: e.cost)[:8]
        return sorted(found, key=lambda e: e.cost)[:8]

    def _before_activation(self, proposed: Sequence[Explanation]) -> list[Explanation]:
        """Supposing that a gate's weights and bias were summed from dk instead of da^k."""
        suspects = {
            key[1]
            for e in proposed
            for key in (*e.unknown, *e.written)
            if key[1] in GATES and key == GATE_KEYS[key[1]]
        }
        found: list[Explanation] = []
        for gate in sorted(suspects):
            for early in self.sums.summed_early(gate, (("delta", "bias delta"),)):
                readings = {g: self.sums.readings(("B9", g))[:2] for g in GATES} | {gate: [early]}
                readout = self.sums.readings(B2)[0] if self.model else None
                start = logits(readout, self.films, self.true, self.tolerance)
                for chosen in islice(alike_first(readings), 4):
                    found += self._chained(start, chosen, thorough=False)
        return sorted(found, key=lambda e: e.cost)[:8]

    def _chained(
        self, start: Explanation, chosen: Sequence[Reading], thorough: bool
    ) -> list[Explanation]:
        """Explanations of the chain under one choice of readings."""
        for reading in chosen:
            start = start.joined(explained(reading))
        deltas = {r.key[1]: list(r.deltas) for r in chosen}
        if all(r.complete for r in chosen):
            return [start.joined(e) for e in self._chain(deltas, deltas).explanations(thorough)]
        # What left no trace depends on what is wrong: settle the steps without a carry
        # first, then those with one, then all.
        guess: tuple[Mistake, ...] = start.mistakes
        for longest in (1, 2, max(p.time for p in self.probes)):
            filled = self._filled(deltas, guess)
            found = [
                start.joined(e) for e in self._chain(deltas, filled, longest).explanations(thorough)
            ]
            guess = found[0].mistakes if found else guess
        return found

    def _filled(
        self, deltas: Mapping[str, list[Array]], guess: tuple[Mistake, ...]
    ) -> dict[str, list[Array]]:
        """Deltas that left no trace, by a simulation with the mistakes known so far."""
        if all(np.isfinite(d).all() for arrays in deltas.values() for d in arrays):
            return dict(deltas)
        made = [synthesize(c.probe, Plan(guess), c.film)[1] for c in self.close]
        return {
            gate: [
                np.where(np.isnan(d), film[f"da_{gate}"], d)
                for d, film in zip(arrays, made, strict=True)
            ]
            for gate, arrays in deltas.items()
        }

    def _chain(
        self, deltas: Mapping[str, list[Array]], sent: Mapping[str, list[Array]], longest: int = 99
    ) -> Chain:
        """The chain over the probes up to a length."""
        bench = self._bench(longest)
        field, kept = bench.field, [n for n, p in enumerate(self.probes) if p.time <= longest]
        entering = {
            ms: field.flat([arrays[n] for n in kept])
            for ms, arrays in outside(self.probes, self.films).items()
        }
        for film, dh in zip(field.films, field.apart(entering[()]), strict=True):
            film["dh_out"] = dh
        last = [np.zeros_like(film["h"]) for film in field.films]
        for array, n in zip(last, kept, strict=True):
            array[-1] = 0 if self.probes[n].dC is None else self.probes[n].dC
        flat, sent_flat = (
            {gate: field.flat([arrays[n] for n in kept]) for gate, arrays in some.items()}
            for some in (deltas, sent)
        )
        return Chain(bench, flat, sent_flat, entering, field.flat(last))

    def _bench(self, longest: int) -> Bench:
        films = [f for f, p in zip(self.films, self.probes, strict=True) if p.time <= longest]
        if len(films) not in self._benches:
            self._benches[len(films)] = Bench(Field(films, self.tolerance))
        return self._benches[len(films)]
