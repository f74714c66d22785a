"""From returned gradients to the fewest wrong equations that reproduce them all.

Readings and chains suggest explanations; a simulated backward pass with exactly these
mistakes convicts, if it reproduces every gradient on every probe.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice, product

import numpy as np

from gradparity.diagnosis.accumulation import Reading, read
from gradparity.diagnosis.bank import Field, Written
from gradparity.diagnosis.chain import (
    B3,
    B10,
    B11,
    GATE_KEYS,
    ONE_EQUATION,
    Bench,
    Chain,
    Explanation,
)
from gradparity.diagnosis.probes import Gradients, Probe, synthesize
from gradparity.equations import EQUATIONS, Key, Mistake, known_mistakes
from gradparity.film import Array, Film
from gradparity.simulate import Plan
from lstm_spec import GATES

B1, B2 = ("B1", "v"), ("B2", "v")
MOST_READINGS = 8
TWO_EQUATIONS = (False, 2, 9)
ONE_UNKNOWN = (True, 1.5, 0)  # cost of a single wrong equation, cause not known


@dataclass(frozen=True, eq=False)
class Call:
    """A probe and what the subject returned for it, its loss's scale taken out."""

    probe: Probe
    film: Film
    grads: Gradients


class Search:
    """The search over everything that a subject returned.

    Args:
        calls: all probes.
        tolerance: relative difference that is the subject's own noise.
    """

    def __init__(self, calls: Sequence[Call], tolerance: float) -> None:
        self.calls, self.tolerance = calls, tolerance
        self.close = [call for call in calls if call.probe.film]
        self.probes = [call.probe for call in self.close]
        self.films = [Film(c.film.params, dict(c.film.values)) for c in self.close]
        self._benches: dict[int, Bench] = {}
        self.grads = [call.grads for call in self.close]
        self.model = self.probes[0].W_v is not None
        self.true = [synthesize(c.probe, Plan(), c.film)[1] for c in self.close]

    def explanations(self) -> list[Explanation]:
        """Explanations that reproduce everything, the simplest first; may be empty."""
        proposed, convicted = self._proposed(), []
        ways: tuple[Callable[[], Iterable[Explanation]], ...] = (
            lambda: proposed,
            lambda: self._repaired(proposed),
            lambda: self._before_activation(proposed),
            self._singles,
            lambda: self._with_one_more(proposed),
        )
        for propose in ways:
            convicted += [e for e in propose() if self.reproduces(e)]
            if any(e.cost <= ONE_UNKNOWN for e in convicted):
                break
        convicted.sort(key=lambda e: e.cost)
        return [e for e in convicted if e.cost <= convicted[0].cost]

    # --- proposing --------------------------------------------------------------------

    def _proposed(self) -> list[Explanation]:
        readings = {gate: self._readings(("B9", gate)) for gate in GATES}
        readouts = self._readings(B2) if self.model else [None]
        found: list[Explanation] = []
        for thorough in (False, True):
            for readout in readouts:
                start = self._logits(readout)
                for chosen in islice(_alike_first(readings), MOST_READINGS):
                    found += self._chained(start, chosen, thorough)
                    if found and min(e.cost for e in found) <= ONE_EQUATION:
                        return sorted(found, key=lambda e: e.cost)[:8]
            if any(e.cost <= TWO_EQUATIONS and not e.unknown for e in found):
                break
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
            for early in self._summed_early(gate, (("delta", "bias delta"),)):
                readings = {g: self._readings(("B9", g))[:2] for g in GATES} | {gate: [early]}
                start = self._logits(self._readings(B2)[0] if self.model else None)
                for chosen in islice(_alike_first(readings), 4):
                    found += self._chained(start, chosen, thorough=False)
        return sorted(found, key=lambda e: e.cost)[:8]

    def _summed_early(self, gate: str, choices: Sequence[tuple[str, ...]]) -> list[Reading]:
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
                    b is None or _equal(b, m, self.tolerance)
                    for b, m in zip(given, biases, strict=True)
                ):
                    forms = [
                        next(f for f in EQUATIONS[key].slot(s).forms if f.code == f"d{gate}")
                        for s in slots
                    ]
                    wrong = tuple(Mistake(*key, s, f) for s, f in zip(slots, forms, strict=True))
                    found.append(Reading(key, (*reading.mistakes, *wrong), (), deltas))
        return found

    def _readings(self, key: Key) -> list[Reading]:
        """How a gate's or the readout's gradients can have been summed."""
        found = read(key, self.probes, self.films, self.grads, self.tolerance)
        swapped = self._swapped(key)
        if key[1] in GATES and not any(not r.wrong for r in found):
            swapped += self._summed_early(key[1], (("delta",), ("bias delta",)))
        found = [r for r in found if not r.wrong] + swapped + [r for r in found if r.wrong]
        return found or [Reading(key, (), ("h", "x", "b"), self._unknown_deltas(key))]

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
            a is not None and b is not None and _equal(a, b, self.tolerance) for a, b in pairs
        )

    def _unknown_deltas(self, key: Key) -> tuple[Array, ...]:
        symbol = "v" if key == B2 else "h"
        return tuple(np.full_like(film[symbol], np.nan) for film in self.films)

    def _logits(self, readout: Reading | None) -> Explanation:
        """B1 and B2: what is wrong there; leaves dv in the films."""
        if readout is None:
            return Explanation()
        start = _explained(readout)
        dv = [
            np.where(np.isnan(d), t["dv"], d)
            for d, t in zip(readout.deltas, self.true, strict=True)
        ]
        for film, array in zip(self.films, dv, strict=True):
            film["dv"] = array
        for mistakes in _choices(B1):
            plan = Plan(mistakes)
            made = [_logits_of(plan, film) for film in self.films]
            if all(_equal(d, m, self.tolerance) for d, m in zip(readout.deltas, made, strict=True)):
                wrong = Explanation({B1: (Written(mistakes),)} if mistakes else {})
                return start.joined(wrong)
        return start.joined(Explanation(unknown=(B1,), given={"dv": dv}))

    def _chained(
        self, start: Explanation, chosen: Sequence[Reading], thorough: bool
    ) -> list[Explanation]:
        """Explanations of the chain under one choice of readings."""
        for reading in chosen:
            start = start.joined(_explained(reading))
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
        outside = {
            ms: field.flat([arrays[n] for n in kept]) for ms, arrays in self._outside().items()
        }
        for film, dh in zip(field.films, field.apart(outside[()]), strict=True):
            film["dh_out"] = dh
        last = [np.zeros_like(film["h"]) for film in field.films]
        for array, n in zip(last, kept, strict=True):
            array[-1] = 0 if self.probes[n].dC is None else self.probes[n].dC
        flat, sent_flat = (
            {gate: field.flat([arrays[n] for n in kept]) for gate, arrays in some.items()}
            for some in (deltas, sent)
        )
        return Chain(bench, flat, sent_flat, outside, field.flat(last))

    def _bench(self, longest: int) -> Bench:
        films = [f for f, p in zip(self.films, self.probes, strict=True) if p.time <= longest]
        if len(films) not in self._benches:
            self._benches[len(films)] = Bench(Field(films, self.tolerance))
        return self._benches[len(films)]

    def _outside(self) -> dict[tuple[Mistake, ...], list[Array]]:
        """dh_out under each way of writing what B3 takes from outside the layer."""
        if self.model:
            return {
                mistakes: [
                    np.stack(
                        [p.W_v.T @ Plan(mistakes).product(B3, film, t) for t in range(film.time)]
                    )
                    for p, film in zip(self.probes, self.films, strict=True)
                ]
                for mistakes in _choices(B3)
            }
        for film, probe in zip(self.films, self.probes, strict=True):
            film["dh_out"] = probe.dh
        forms = EQUATIONS[B3].slot("dh_out").forms
        return {
            () if form.faults == 0 else (Mistake(*B3, "dh_out", form),): [
                np.stack([form.value(film, t) for t in range(film.time)]) for film in self.films
            ]
            for form in forms
        }

    # --- convicting -------------------------------------------------------------------

    def reproduces(
        self,
        explanation: Explanation,
        calls: Sequence[Call] | None = None,
        leaves: tuple[str, ...] = (),
    ) -> bool:
        """Whether a backward pass with these mistakes returns what the subject returned.

        Args:
            explanation: the mistakes.
            calls: all, unless given.
            leaves: the gradients to compare; all, unless given.
        """
        free = _free_leaves(explanation)
        for call in self.calls if calls is None else calls:
            if explanation.unknown and not call.probe.film:
                continue
            number = self.close.index(call) if call.probe.film else 0
            made, _ = apply(explanation, call, number)
            for path, array in call.grads.items():
                if leaves and path not in leaves:
                    continue
                if path not in free and not _equal(array, made[path.rstrip("'")], self.tolerance):
                    return False
        return True

    def _singles(self) -> Iterator[Explanation]:
        """Each mistake of the table alone."""
        shortest = sorted(self.close, key=lambda c: c.probe.time)[-2:-1] or self.close
        for mistake in known_mistakes():
            explanation = _single(mistake)
            if self.reproduces(explanation, shortest):
                yield explanation

    def _with_one_more(self, proposed: Sequence[Explanation]) -> Iterator[Explanation]:
        """What was proposed, with another mistake of the table in place of what is unknown."""
        shortest = sorted(self.close, key=lambda c: c.probe.time)[-2:-1] or self.close
        for base in proposed[:2]:
            known = replace(base, unknown=(), given={}, parts=())
            for mistake in _not_yet(known):
                explanation = known.joined(_single(mistake))
                if self.reproduces(explanation, shortest):
                    yield explanation

    def _repaired(self, proposed: Sequence[Explanation]) -> Iterator[Explanation]:
        """What was proposed, with what only the gradients by the inputs can show: B10, B11."""
        inner = tuple(k for k in self.grads[0] if k not in ("dx", "dh0", "dC0"))
        for base in [e for e in proposed if self.reproduces(e, leaves=inner)][:3]:
            for carried in self._fitting(base, ("dC0",), "B11"):
                yield from self._fitting(carried, ("dh0", "dx"), "B10")
            yield self._freed(base)

    def _freed(self, base: Explanation) -> Explanation:
        """What was proposed, the gradients by the inputs that it does not reproduce left free."""
        freed = base
        for leaf, key in (("dx", B10), ("dh0", B10), ("dC0", B11)):
            if not self.reproduces(base, leaves=(leaf,)):
                freed = freed.joined(Explanation(unknown=(key,), parts=(leaf,)))
        return freed

    def _fitting(
        self, base: Explanation, leaves: tuple[str, ...], number: str
    ) -> Iterator[Explanation]:
        """The explanation, with up to two mistakes more in an equation, if some leaves need it."""
        if self.reproduces(base, self.close, leaves):
            yield base
            return
        singles = [m for m in _not_yet(base) if m.number == number]
        for some in (1, 2):
            fit = False
            for mistakes in combinations(singles, some):
                if len({(m.key, m.slot) for m in mistakes}) < some:
                    continue
                longer = base
                for mistake in mistakes:
                    longer = longer.joined(_single(mistake))
                if self.reproduces(longer, self.close[:1], leaves):
                    fit = True
                    yield longer
            if fit:
                return


def _single(mistake: Mistake) -> Explanation:
    return Explanation({mistake.key: (Written((mistake,)),)})


def _not_yet(base: Explanation) -> list[Mistake]:
    """Mistakes of the table in places where there is none yet."""
    taken = {(m.key, m.slot) for m in base.mistakes}
    return [m for m in known_mistakes() if (m.key, m.slot) not in taken]


def apply(
    explanation: Explanation, call: Call, number: int, *, keep: bool = False
) -> tuple[Gradients, Film]:
    """A simulated backward pass with an explanation's mistakes, and its film.

    Args:
        explanation: the mistakes.
        call: the probe.
        number: which of the probes it is for which arrays are given.
        keep: do not replace anything by what is given.
    """
    film = Film(call.film.params, dict(call.film.values))
    if not keep:
        film.given = {symbol: arrays[number] for symbol, arrays in explanation.given.items()}
    return synthesize(call.probe, Plan(explanation.mistakes), film)


def _alike_first(readings: Mapping[str, list[Reading]]) -> Iterator[tuple[Reading, ...]]:
    """One reading for each gate; first those in which all gates are read alike."""
    by_kind = [{r.kind: r for r in reversed(found)} for found in readings.values()]
    common = [r.kind for r in next(iter(readings.values())) if all(r.kind in k for k in by_kind)]
    alike = [tuple(kinds[kind] for kinds in by_kind) for kind in dict.fromkeys(common)]
    yield from alike
    seen = {tuple(map(id, choice)) for choice in alike}
    for choice in product(*readings.values()):
        if tuple(map(id, choice)) not in seen:
            yield choice


def _explained(reading: Reading) -> Explanation:
    if reading.unknown:
        parts = tuple(f"{reading.key[1]}:{part}" for part in reading.unknown)
        return Explanation(unknown=(reading.key,), parts=parts)
    return Explanation({reading.key: (Written(reading.mistakes),)} if reading.mistakes else {})


def _choices(key: Key) -> list[tuple[Mistake, ...]]:
    """Ways of writing an equation with one slip, or two in different slots; none first."""
    slots = EQUATIONS[key].slots
    made = []
    for forms in product(*(slot.forms for slot in slots)):
        wrong = tuple(
            Mistake(*key, s.name, f) for s, f in zip(slots, forms, strict=True) if f.faults
        )
        made.append(wrong)
    return sorted(made, key=lambda ms: sum(m.form.faults for m in ms))


def _logits_of(plan: Plan, film: Film) -> Array:
    N = float(film["mask"].sum())
    return np.stack([plan.product(B1, film, t) * film["mask"][t] / N for t in range(film.time)])


def _equal(got: Array, made: Array, tolerance: float) -> bool:
    known = np.isfinite(got)
    scale = max(np.abs(got[known]).max(initial=0.0), np.abs(made[known]).max(initial=0.0))
    return bool(np.abs(got[known] - made[known]).max(initial=0.0) <= tolerance * scale)


def _free_leaves(explanation: Explanation) -> set[str]:
    """Gradients that an unknown mistake in B2 or B9 leaves free."""
    free: set[str] = set()
    for part in explanation.parts:
        if ":" not in part:
            free.add(part)
            continue
        gate, _, block = part.partition(":")
        names = {"h": "W_v", "b": "b_v"} if gate == "v" else {
            "h": f"W_{gate}[h]", "x": f"W_{gate}[x]", "b": f"b_{gate}"
        }  # fmt: skip
        free.add(names.get(block, ""))
        if block == "b":
            free.add(f"{names['b']}'")
    return free
