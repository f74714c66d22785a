"""Which of many changes are worth running: by what they do to first order, and by replay."""

import ast
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from gradparity.record.frontend.hooks import Seen
from gradparity.record.graph.nodes import Array
from gradparity.record.graph.rules import Rules
from gradparity.record.locate.known.recognise import (
    EXACT,
    PARTIAL,
    WORTHS,
    Table,
    fingerprints,
    prints_of,
)
from gradparity.record.locate.known.replay import AT_ONCE, Replay
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.trials.probe import Again, Prober, Trial

LINEAR = 1e-7
EVALUATIONS = 30_000  # of changes of one slot, over all its executions
WEIGHED = 640  # values of one execution that are put into the record, the likeliest ones
READ = 30  # operations behind the first one that reads a change, so far it is followed
RECURRING, SLIP = 60, 2.7  # changes of what comes back into itself, up to a price
RESHAPED = 40  # changes of a value's shape that are run


class Scales:
    """Weighs changes of one version of a subject.

    Args:
        scenery: what is known of it.
        table: true quantities.
        rules: derivatives and operations.
        scale: of the largest gradient.
    """

    def __init__(self, scenery: Scenery, table: Table, rules: Rules, scale: float) -> None:
        self.scenery, self.table, self.rules, self.scale = scenery, table, rules, scale
        backward = np.flatnonzero(~scenery.truth.forward).tolist()
        self._replay = Replay(scenery.record.graph, backward, rules)

    def complete(self, trial: Trial) -> bool:
        """Whether its values are known at every execution."""
        return len(trial.values) == self.scenery.counts.get(trial.slot.place)

    def solving(
        self, trials: Sequence[Trial], now: Prober | Again, wanted: Array | None = None
    ) -> list[Trial]:
        """Changes that put all gradients right, to first order, the likeliest first.

        Args:
            trials: the changes.
            now: the run in which they were tried.
            wanted: what the gradients lack, if it is not what they lack in this version.
        """
        response = self.scenery.response
        trials = [t for t in trials if self.complete(t)]
        nothing = LINEAR * response.scale + 1e-12 * self.scale
        wanted = response.wanted if wanted is None else wanted
        if not trials or (np.abs(wanted) <= nothing).all():
            return []  # nothing to put right, or what is wrong has another shape
        left = np.abs(wanted - self._effects(trials, now))
        fine = np.flatnonzero((left <= nothing).all(1))
        return sorted((trials[int(k)] for k in fine), key=lambda t: t.price)

    def _effects(self, trials: Sequence[Trial], now: Prober | Again) -> Array:
        response = self.scenery.response
        effects = np.zeros((len(trials), response.judged))
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, trial in enumerate(trials):
            for turn in trial.values:
                groups[trial.slot.number, turn].append(row)
        for (number, turn), rows in groups.items():
            slot = trials[rows[0]].slot
            along = response.along.get((slot.place, turn))
            # A slot that holds no array now and then has other executions here than there.
            if along is not None and along.shape[1] == now.now[number, turn].size:
                values = np.array([trials[r].values[turn].reshape(-1) for r in rows])
                change = values - now.now[number, turn].reshape(-1)
                with np.errstate(all="ignore"):
                    effects[rows] += change @ along[: response.judged].T
        return effects

    def gains(self, trials: Sequence[Trial], prober: Prober) -> dict[Trial, float]:
        """How much more of the backward pass would be recognised, until a slot's next execution."""
        found: dict[Trial, float] = {}
        groups: dict[tuple[int, int], dict[bytes, list[Trial]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for trial in sorted(trials, key=lambda t: t.price):
            for turn, value in trial.values.items():
                groups[trial.slot.number, turn][np.round(value, 10).tobytes()].append(trial)
        for (number, turn), alike in groups.items():
            gathered = sorted(alike.values(), key=lambda g: g[0].price)[:WEIGHED]
            place = gathered[0][0].slot.place
            base = prober.now[number, turn]
            for start in range(0, len(gathered), AT_ONCE):
                part = gathered[start : start + AT_ONCE]
                values = [g[0].values[turn] for g in part] + [base] * (AT_ONCE - len(part))
                gains = self._gain(place, turn, np.array(values))
                for group, gain in zip(part, gains, strict=False):
                    for trial in group:
                        found[trial] = max(found.get(trial, -1e9), float(gain))
        return found

    def _gain(self, place: int, turn: int, values: Array) -> Array:
        """`(changes,)` what is recognised more, each slot counted once."""
        scenery = self.scenery
        seen = scenery.seen.get((place, turn))
        if seen is None or seen.provenance.shape != values.shape[1:]:
            return np.zeros(AT_ONCE)  # a slot that holds no array now and then
        until = self._until(seen, scenery.seen.get((place, turn + 1)))
        asked = {
            k: s.provenance
            for k, s in enumerate(scenery.record.seen)
            if seen.size <= s.size <= until and s.provenance.max() < until
        }
        made = self._replay.run([(seen.provenance, values)], asked, until)
        if not made:
            return np.zeros(AT_ONCE)
        keys = list(made)
        prints = np.stack([prints_of(made[key]) for key in keys])
        states, _, _ = self.table.states(prints.reshape(-1, 4))
        worth = WORTHS[states].reshape(len(keys), AT_ONCE) - WORTHS[scenery.states[keys]][:, None]
        slots = np.array([scenery.record.seen[k].slot for k in keys])
        return sum((worth[slots == n].mean(0) for n in np.unique(slots)), np.zeros(AT_ONCE))

    def _until(self, seen: Seen, following: Seen | None) -> int:
        """How far a change is followed: to the next execution, but until somebody has read it."""
        graph = self.scenery.record.graph
        reader = int(self._readers[seen.provenance.reshape(-1)].min())
        if following is None or reader >= len(graph.nodes):
            return graph.size
        read = graph.nodes[min(reader + READ, len(graph.nodes) - 1)].stop
        return max(following.size, read)

    @cached_property
    def _readers(self) -> Array:
        """`(size,)` for every number the position of the first node that takes it."""
        graph = self.scenery.record.graph
        found = np.full(graph.size, len(graph.nodes))
        for number in range(len(graph.nodes) - 1, -1, -1):
            for places in graph.nodes[number].operands:
                found[places.reshape(-1)] = number
        return found

    def worth_repeating(
        self, trials: Sequence[Trial], gains: Mapping[Trial, float], per_worth: float
    ) -> dict[int, list[Trial]]:
        """By slot, changes of often executed statements to be tried at every execution."""
        chosen: dict[int, list[Trial]] = defaultdict(list)
        for trial in sorted(trials, key=lambda t: t.price - per_worth * gains.get(t, 0.0)):
            place, number = trial.slot.place, trial.slot.number
            most = min(1200, max(40, EVALUATIONS // max(1, self.scenery.counts.get(place, 1))))
            fits = place not in self.scenery.recurrent and not self.complete(trial)
            if fits and trial.values and len(chosen[number]) < most:
                chosen[number].append(trial)
        return {n: ts for n, ts in chosen.items() if ts}

    def recurring(self, trials: Sequence[Trial]) -> list[Trial]:
        """The likeliest changes of values that come back into themselves: not linear, so run."""
        found = [
            t
            for t in trials
            if t.price <= SLIP
            and (t.slot.place in self.scenery.recurrent or _reads_itself(t))
            and not self.complete(t)
            and t.values
        ]
        return sorted(found, key=lambda t: t.price)[:RECURRING]

    def making_known(self, trials: Sequence[Trial]) -> list[Trial]:
        """Changes that make a value known at an execution."""
        pairs = [(t, v) for t in trials for v in t.values.values()]
        if not pairs:
            return []
        known = self._known([v for _, v in pairs])
        return list(dict.fromkeys(t for (t, _), k in zip(pairs, known, strict=True) if k))

    def newly_known(self, trials: Sequence[Trial]) -> list[Trial]:
        """Changes that make a value known that no other is, in its shape or another."""
        pairs = [(t, v) for t in trials for v in (*t.values.values(), *t.reshaped.values())]
        if not pairs:
            return []
        states, _, which = self.table.states(fingerprints([v for _, v in pairs]))
        fresh = np.isin(states, (EXACT, PARTIAL)) & ~np.isin(which, self.scenery.there)
        return list(dict.fromkeys(t for (t, _), k in zip(pairs, fresh, strict=True) if k))

    def reshaping(self, trials: Sequence[Trial]) -> list[Trial]:
        """Changes that give a value another shape: those that make it known, and likely ones."""
        found = [t for t in trials if t.reshaped and not t.values]
        if not found:
            return []
        known = self._known([next(iter(t.reshaped.values())) for t in found])
        prices = [t.price + 1.0 * self.scenery.known(t.slot.place, min(t.reshaped)) for t in found]
        order = np.argsort(prices, kind="stable")
        first = [found[k] for k in order if known[k]]
        return [*first[:RESHAPED], *[found[k] for k in order if not known[k]][:RESHAPED]]

    def _known(self, values: Sequence[Array]) -> Array:
        states, _, _ = self.table.states(fingerprints(values))
        return np.isin(states, (EXACT, PARTIAL))


def _reads_itself(trial: Trial) -> bool:
    """Whether what a statement binds would be read by it, as in a sum over executions."""
    node, key = trial.slot.statement.node, trial.change.key
    names = [ast.unparse(t) for t in node.targets] if isinstance(node, ast.Assign) else []
    return key[0] == "replace" and key[1] in names
