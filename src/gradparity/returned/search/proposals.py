"""Explanations that readings of the sums suggest, each with its chain of equations below."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from gradparity.lstm.equations import Mistake
from gradparity.lstm.film import Array
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import synthesize
from gradparity.returned.search.accumulation import Reading
from gradparity.returned.search.case import Case
from gradparity.returned.search.chain import Chain, chained
from gradparity.returned.search.clock import Clock
from gradparity.returned.search.explanation import B2, GATE_KEYS, ONE_EQUATION, Explanation
from gradparity.returned.search.readout import logits, outside
from gradparity.returned.search.sums import alike_first, explained
from lstm_spec import GATES

MOST_READINGS = 8
MOST_PROPOSED = 8


def proposed(case: Case, clock: Clock, *, thorough: bool) -> list[Explanation]:
    """The simplest, the best first.

    Args:
        case: what is to be explained.
        clock: once there is one, no further readings are looked at when the time is spent.
        thorough: also suppose that what enters B3 from outside is wrong.
    """
    readings = {gate: case.sums.readings(("B9", gate)) for gate in GATES}
    found: list[Explanation] = []
    for readout in case.sums.readings(B2) if case.is_model else [None]:
        start = logits(readout, case.films, case.true, case.tolerance)
        for chosen in islice(alike_first(readings), MOST_READINGS):
            if found and clock.spent():
                break
            found += _chained(case, start, chosen, thorough)
            if found and min(e.cost for e in found) <= ONE_EQUATION:
                return _simplest(found)
    return _simplest(found)


def before_activation(case: Case, suggested: Sequence[Explanation]) -> list[Explanation]:
    """Supposing that a gate's weights and bias were summed from dk instead of da^k.

    Args:
        case: what is to be explained.
        suggested: explanations that blame the gate's delta, which would be an innocent one.
    """
    suspects = {
        key[1]
        for e in suggested
        for key in (*e.unknown, *e.written)
        if key[1] in GATES and key == GATE_KEYS[key[1]]
    }
    found: list[Explanation] = []
    for gate in sorted(suspects):
        for early in case.sums.summed_early(gate, (("delta", "bias delta"),)):
            readings = {g: case.sums.readings(("B9", g))[:2] for g in GATES} | {gate: [early]}
            readout = case.sums.readings(B2)[0] if case.is_model else None
            start = logits(readout, case.films, case.true, case.tolerance)
            for chosen in islice(alike_first(readings), 4):
                found += _chained(case, start, chosen, thorough=False)
    return _simplest(found)


def _simplest(found: Sequence[Explanation]) -> list[Explanation]:
    return sorted(found, key=lambda e: e.cost)[:MOST_PROPOSED]


def _chained(
    case: Case, start: Explanation, chosen: Sequence[Reading], thorough: bool
) -> list[Explanation]:
    """Explanations of the chain under one choice of readings."""
    for reading in chosen:
        start = start.joined(explained(reading))
    deltas = {r.key[1]: list(r.deltas) for r in chosen}
    if all(r.complete for r in chosen):
        return [start.joined(e) for e in chained(_chain(case, deltas, deltas), thorough)]
    # What left no trace depends on what is wrong: settle the steps without a carry
    # first, then those with one, then all.
    guess: tuple[Mistake, ...] = start.mistakes
    for longest in (1, 2, max(p.time for p in case.probes)):
        filled = _filled(case, deltas, guess)
        chain = _chain(case, deltas, filled, longest)
        found = [start.joined(e) for e in chained(chain, thorough)]
        guess = found[0].mistakes if found else guess
    return found


def _filled(
    case: Case, deltas: Mapping[str, list[Array]], guess: tuple[Mistake, ...]
) -> dict[str, list[Array]]:
    """Deltas that left no trace, by a simulation with the mistakes known so far."""
    if all(np.isfinite(d).all() for arrays in deltas.values() for d in arrays):
        return dict(deltas)
    made = [synthesize(c.probe, Plan(guess), c.film)[1] for c in case.close]
    return {
        gate: [
            np.where(np.isnan(d), film[f"da_{gate}"], d)
            for d, film in zip(arrays, made, strict=True)
        ]
        for gate, arrays in deltas.items()
    }


def _chain(
    case: Case,
    deltas: Mapping[str, list[Array]],
    sent: Mapping[str, list[Array]],
    longest: int = 99,
) -> Chain:
    """The chain over the probes up to a length."""
    bench = case.bench(longest)
    field, kept = bench.field, [n for n, p in enumerate(case.probes) if p.time <= longest]
    entering = {
        ms: field.flat([arrays[n] for n in kept])
        for ms, arrays in outside(case.probes, case.films).items()
    }
    for film, dh in zip(field.films, field.apart(entering[()]), strict=True):
        film["dh_out"] = dh
    last = [np.zeros_like(film["h"]) for film in field.films]
    for array, n in zip(last, kept, strict=True):
        dC = case.probes[n].dC
        array[-1] = 0 if dC is None else dC
    flat, sent_flat = (
        {gate: field.flat([arrays[n] for n in kept]) for gate, arrays in some.items()}
        for some in (deltas, sent)
    )
    return Chain(bench, flat, sent_flat, entering, field.flat(last))
