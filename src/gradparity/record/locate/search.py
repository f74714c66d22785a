"""From wrong gradients to the statements that are wrong, and what should stand there."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from gradparity.record.frontend.source import Statement
from gradparity.record.graph import Array
from gradparity.record.locate.court import Court
from gradparity.record.locate.missing import Gatherer, additions, last_slots
from gradparity.record.locate.probe import Again, Prober, Trial
from gradparity.record.locate.purity import Purity
from gradparity.record.locate.recognise import Table
from gradparity.record.locate.repairs import PER_WORTH, Explanation, Repair
from gradparity.record.locate.response import respond
from gradparity.record.locate.scenery import Scenery
from gradparity.record.locate.statements import StatementEdit, statement_edits
from gradparity.record.locate.weigh import Scales
from gradparity.record.rules import Rules
from gradparity.record.runs import Record, Runner
from gradparity.record.subject.trees import Path
from gradparity.record.truth import Truth

MOST_REPAIRS = 12
ALL_TURNS = 3  # executions up to which a slot's changes are tried at each
SECONDS = 20.0  # for the whole search
STATEMENT_SECONDS = 2.5
RUN_SECONDS = 1.5  # for running the most promising changes of a stage
FEWEST, MOST = 16, 160  # changes of a stage that are run
CHEAP = 2.0  # price of a change that solves at which nothing else is looked at
QUITE, LIKELY, ANY = 3.6, 4.2, 8.0  # prices of a change that ends the search, early to late
FEW = 8  # slots of which exactly the wrong gradients depend, up to which all are looked at closely
FITTING = 1.0  # how much more it may cost where exactly the wrong gradients depend on it
BETTER = 0.5  # by how much a repair has to improve on not having it
MOST_SUSPECTS = 12

Turns = dict[int, frozenset[int]]


@dataclass
class Search:
    """Looks for changes of a subject's statements that put its gradients right.

    Attributes:
        runner: of the subject.
        truth, record: of it as it stands.
        right: the right gradients.
        rules: derivatives.
        table: true quantities.
        backward: slots of the backward pass.
        minted: those whose values have numbers of their own.
        loss: of the forward pass.
    """

    runner: Runner
    truth: Truth
    record: Record
    right: dict[Path, Array]
    rules: Rules
    table: Table
    backward: frozenset[int]
    minted: frozenset[int]
    loss: float

    def __post_init__(self) -> None:
        self.pure = Purity(self.runner.code.program)
        self.court = Court(self.runner, self.right, self.table, self.backward, self.loss)
        self.deadline = time.monotonic() + SECONDS

    def run(self) -> Explanation:
        """The best explanation that was found."""
        now = self.court.evaluated([])
        record, truth = self.record, self.truth
        while len(now.right) < len(self.right) and len(now.trials) < MOST_REPAIRS:
            following = self._step(now, self._scenery(record, truth))
            if following is None:
                break
            now = following
            if len(now.right) < len(self.right):
                record, truth = self._recorded(now.trials)
        return self._pruned(now)

    def _recorded(self, trials: Sequence[Repair]) -> tuple[Record, Truth]:
        version = self.court.version(trials)
        record = self.runner.recorded(self.minted, patches=version.patches, codes=version.codes)
        return record, Truth.of(record.graph, record.seeds, self.rules)

    def _scenery(self, record: Record, truth: Truth) -> Scenery:
        response = respond(record, truth, self.right, self.rules, set(self.backward))
        slots = self.runner.code.program.slots
        return Scenery.of(record, truth, response, self.table, self.backward, slots)

    def _pruned(self, found: Explanation) -> Explanation:
        """Without repairs that a later one has made needless."""
        for trial in list(found.trials):
            if len(found.trials) > 1:
                fewer = self.court.evaluated([t for t in found.trials if t is not trial])
                if fewer.right >= found.right and fewer.total <= found.total + BETTER:
                    found = fewer
        return found

    def _step(self, now: Explanation, scenery: Scenery) -> Explanation | None:
        """One more repair, or several that do not depend on each other."""
        better: list[Explanation] = []
        for enough, candidates in self._candidates(now, scenery):
            for found in candidates:
                if found.total < now.total - BETTER:
                    better.append(found)
                    cheap = found.price - now.price <= CHEAP and not _spoils(found, scenery)
                    if cheap and len(found.right) == len(self.right):
                        return found
            better.sort(key=lambda e: e.total)
            if better and self._convinces(better[0], now, scenery, enough):
                break
            if time.monotonic() > self.deadline:
                break
        return self._combined(better) if better else None

    def _combined(self, better: Sequence[Explanation]) -> Explanation:
        """The best, with the other ones that improve on it still."""
        best = better[0]
        if len(best.right) == len(self.right):
            return best
        taken = {best.trials[-1].statement.number}
        for other in better[1:]:
            repair = other.trials[-1]
            if repair.statement.number in taken:
                continue
            taken.add(repair.statement.number)
            both = self.court.evaluated([*best.trials, repair])
            if both.total < best.total - BETTER and both.right >= best.right:
                best = both
        return best

    def _convinces(
        self, best: Explanation, now: Explanation, scenery: Scenery, enough: float
    ) -> bool:
        """Whether it is not worth looking further."""
        if len(best.right) < len(self.right):
            return best.total < now.total - 2.0 and len(best.right) >= len(now.right)
        if enough < ANY and _spoils(best, scenery):
            return False
        repair = best.trials[-1]
        wrong = frozenset(self.right) - now.right
        fits = isinstance(repair, Trial) and not scenery.misfit(repair.slot.place, wrong)
        return best.price - now.price <= enough + (FITTING if fits else 0.0)

    def _candidates(
        self, now: Explanation, scenery: Scenery
    ) -> Iterator[tuple[float, Iterator[Explanation]]]:
        """Explanations with one repair more, the likelier ones first.

        Each with the price of a repair that ends the search after them.
        """
        scales = Scales(scenery, self.table, self.rules, self.court.scale)
        for stage, (enough, turns, kind) in enumerate(self._stages(now, scenery)):
            if turns:
                yield enough, self._tried(now, turns, scales, kind)
            if stage == 2:
                yield ANY, self._left_out(now, scenery)
                yield ANY, self._statements(now, scenery)

    def _stages(self, now: Explanation, scenery: Scenery) -> Iterator[tuple[float, Turns, str]]:
        """Slots and executions to look at, and how.

        First those of which exactly the wrong gradients depend; then what is seldom executed, and
        what is near the first unknown values.
        """
        slots = self.runner.code.program.slots
        taken = {t.slot.number for t in now.trials if isinstance(t, Trial)} | set(self.runner.base)
        every = [
            n
            for n in self.backward
            if n not in taken and slots[n].kind != "after" and scenery.acts(slots[n].place)
        ]
        counts = {n: scenery.counts[slots[n].place] for n in every}
        seldom = {n: frozenset(range(counts[n])) for n in every if counts[n] <= ALL_TURNS}
        near = {most: scenery.near(most) for most in (0, 1, 4)}

        def close(most: int) -> Turns:
            found = {n: frozenset(near[most].get(slots[n].place, ())) for n in every}
            return {n: turns for n, turns in found.items() if turns}

        def all_of() -> Turns:
            first = {n: scenery.first.get(slots[n].place, 0) for n in every}
            return {n: frozenset({0, first[n], min(first[n] + 1, counts[n] - 1)}) for n in every}

        wrong = frozenset(self.right) - now.right
        fitting = {n for n in every if not scenery.misfit(slots[n].place, wrong)}
        first = _together(seldom, close(1))
        fits = _only(_together(first, all_of() if len(fitting) <= FEW else {}), fitting)
        nearest = fits if len(fitting) <= FEW else _only(close(0), fitting)
        second = _without(close(4), first)
        yield QUITE, nearest, "small"
        yield QUITE, nearest, "deep"
        yield QUITE, _without(fits, nearest), "slips"
        yield ANY, _without(fits, nearest), "missing"
        yield LIKELY, _without(first, fits), "slips"
        yield ANY, _without(_together(close(0), seldom), nearest), "deep"
        yield ANY, _without(first, fits), "missing"
        yield ANY, second, "small"
        yield ANY, _without(all_of(), _together(first, second)), "small"

    def _tried(
        self, now: Explanation, turns: Turns, scales: Scales, kind: str
    ) -> Iterator[Explanation]:
        """The most promising changes of some slots, run."""
        prober = self._probed(now, turns, kind)
        trials = [t for n in turns for t in prober.trials[n].values()]
        if kind == "deep":
            trials = scales.making_known(trials) + scales.solving(trials, prober)
        solving = scales.solving(trials, prober)
        most = solving[0].price + 0.5 if solving else None
        rivals = [t for t in trials if most is None or t.price <= most]
        gains = {} if solving else scales.gains(rivals, prober)
        solving += self._repeated(now, rivals, gains, scales)
        if solving:
            cheapest = min(t.price for t in solving)
            chosen = [t for t in solving if t.price <= cheapest + 1.0]
        else:
            gaining = [t for t in rivals if gains.get(t, 0.0) > 1e-6]
            gaining.sort(key=lambda t: t.price - PER_WORTH * gains[t])
            chosen = [*gaining[: MOST // 2], *scales.reshaping(trials)]
        budget = int(np.clip(RUN_SECONDS / self.court.pace, FEWEST, MOST))
        for trial in _distinct(chosen)[:budget]:
            if time.monotonic() < self.deadline:
                yield self.court.evaluated([*now.trials, trial])

    def _probed(self, now: Explanation, turns: Mapping[int, frozenset[int]], kind: str) -> Prober:
        code, version = self.runner.code, self.court.version(now.trials)
        prober = Prober(
            code.program, code.files, turns, self.pure, version.patches, version.codes,
            self.deadline, kind, self.table,
        )  # fmt: skip
        self.runner.plain(prober)
        return prober

    def _repeated(
        self, now: Explanation, trials: Sequence[Trial], gains: Mapping, scales: Scales
    ) -> list[Trial]:
        """Changes of often executed statements that solve when tried at every execution."""
        repeating = scales.worth_repeating(trials, gains, PER_WORTH)
        if not repeating:
            return []
        code, version = self.runner.code, self.court.version(now.trials)
        again = Again(code.program, code.files, version.patches, version.codes, repeating)
        self.runner.plain(again)
        return scales.solving([t for ts in repeating.values() for t in ts], again)

    def _left_out(self, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
        """Statements that add what gradients lack."""
        code, version, graph = (
            self.runner.code,
            self.court.version(now.trials),
            scenery.record.graph,
        )
        lacking = [
            truly - graph.values(scenery.record.gradients[p])
            for p, truly in self.right.items()
            if p not in now.right and scenery.record.gradients[p].shape == truly.shape
        ]
        slots = last_slots(code.program, self.backward)
        shapes = {lack.shape for lack in lacking}
        gathered = Gatherer(code.program, code.files, version.patches, version.codes, slots, shapes)
        self.runner.plain(gathered)
        for edit in islice(additions(gathered, lacking), MOST):
            yield from self._if_more_right(now, edit)

    def _statements(self, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
        """Changes of whole statements that put more gradients right."""
        program = self.runner.code.program
        wrong = frozenset(self.right) - now.right
        misfits: dict[Statement, int] = {}
        for n in self.backward:
            slot = program.slots[n]
            if slot.kind != "after":
                known = misfits.get(slot.statement, len(self.right))
                misfits[slot.statement] = min(known, scenery.misfit(slot.place, wrong))
        ordered = sorted(misfits, key=lambda s: misfits[s])
        scopes = {id(s.scope) for s in ordered}
        inside = [s for s in program.statements if s.scope is not None]
        ordered += [*(s for s in inside if id(s.scope) in scopes), *inside]
        taken = {t.statement.number for t in now.trials}
        end = time.monotonic() + STATEMENT_SECONDS
        wanted = [s for s in dict.fromkeys(ordered) if s.number not in taken]
        for edit in statement_edits(program, wanted):
            if time.monotonic() > end:
                return
            yield from self._if_more_right(now, edit)

    def _if_more_right(self, now: Explanation, edit: StatementEdit) -> Iterator[Explanation]:
        if self.court.right_with([*now.trials, edit]) > now.right:
            yield self.court.evaluated([*now.trials, edit])

    def suspects(self, trials: Sequence[Repair]) -> list[Statement]:
        """Statements one of which is wrong besides some repairs: the first unknown values' ones."""
        record, truth = self._recorded(trials)
        scenery = self._scenery(record, truth)
        slots = self.runner.code.program.slots
        found: dict[Statement, None] = {}
        for number in np.argsort(scenery.depth, kind="stable")[:MOST_SUSPECTS]:
            seen = record.seen[number]
            along = scenery.response.along.get((seen.slot, seen.turn))
            if scenery.depth[number] <= 1 and along is not None and along.any():
                found[slots[seen.slot].statement] = None
        if not found:
            acting = [n for n in sorted(self.backward) if scenery.acts(slots[n].place)]
            found = {slots[n].statement: None for n in acting[-3:]}
        return list(found)


def _spoils(found: Explanation, scenery: Scenery) -> bool:
    """Whether the last repair changes what was a true quantity into what is none."""
    repair = found.trials[-1]
    known = isinstance(repair, Trial) and repair.slot.place not in scenery.first
    return known and found.own < len(found.trials) - 0.01


def _together(left: Turns, right: Turns) -> Turns:
    return {n: left.get(n, frozenset()) | right.get(n, frozenset()) for n in {**left, **right}}


def _only(wanted: Turns, slots: Collection[int]) -> Turns:
    return {n: turns for n, turns in wanted.items() if n in slots}


def _without(wanted: Turns, done: Turns) -> Turns:
    found = {n: turns - done.get(n, frozenset()) for n, turns in wanted.items()}
    return {n: turns for n, turns in found.items() if turns}


def _distinct(trials: Sequence[Trial]) -> list[Trial]:
    found: dict[tuple, Trial] = {}
    for t in trials:
        found.setdefault((t.slot.number, t.key), t)
    return list(found.values())
