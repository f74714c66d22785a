"""From wrong gradients to the statements that are wrong, and what should stand there."""

import ast
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np

from gradparity.record.frontend.source import Slot, Statement
from gradparity.record.graph import Array
from gradparity.record.locate.carried import Carrier, joined, loops_of
from gradparity.record.locate.court import Court
from gradparity.record.locate.definitions import at_definition
from gradparity.record.locate.missing import Gatherer, additions, last_slots
from gradparity.record.locate.probe import Again, Prober, Trial
from gradparity.record.locate.purity import Purity
from gradparity.record.locate.recognise import Table
from gradparity.record.locate.repairs import PER_WORTH, Explanation, Repair
from gradparity.record.locate.response import respond
from gradparity.record.locate.scenery import Scenery
from gradparity.record.locate.solve import MOST_TURNS, Solver, aims_of
from gradparity.record.locate.stages import ANY, FEW, LIKELY, QUITE, Stages, Turns
from gradparity.record.locate.statements import (
    StatementEdit,
    handed_on,
    misnamings,
    renamings,
    rescalings,
    statement_edits,
)
from gradparity.record.locate.weigh import Scales
from gradparity.record.rules import Rules
from gradparity.record.runs import Plain, Record, Runner
from gradparity.record.subject.trees import Path
from gradparity.record.truth import Truth

MOST_REPAIRS = 12
SECONDS = 20.0  # for the whole search
STATEMENT_SECONDS, NAMING_SECONDS = 3.0, 1.0
RUN_SECONDS = 1.5  # for running the most promising changes of a stage
FEWEST, MOST = 16, 160  # changes of a stage that are run
CHEAP = 2.0  # price of a change that solves at which nothing else is looked at
FEW_ACTING = 30
FEW_WRONG = 2  # gradients that are still wrong, up to which one mistake is taken for their cause
FITTING = 1.0  # how much more it may cost where exactly the wrong gradients depend on it
BETTER, MUCH, NEVER = 0.5, 2.0, 1e9  # by how much a repair has to improve, and to end the search
MORE_RIGHT = 2.1  # the same, where it also has to put a gradient right
MOST_SUSPECTS = 12
RIVAL = 3.0  # how much dearer a change may be that is held against one that helps
MOST_KNOWN = 6  # changes of a slot that make it known that are run
COUPLES_SECONDS = 5.0
SOLVING_SECONDS, MOST_SOLVED = 1.5, 24
SLIP = 2.7  # price of a change that may be one of two
BESIDE = 1.0  # what a change costs more where no value of the backward pass is
SURE = 4.5  # price of a repair up to which it is told although it is not all
HELPS = 1.5  # how much more is known with it


Edits = Callable[[Sequence[Statement]], Iterator[StatementEdit]]


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
        both: slots of functions that both passes call.
        moves: slots that only name a forward value.
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
    both: set[int]
    moves: set[int]
    loss: float

    def __post_init__(self) -> None:
        self.pure = Purity(self.runner.code.program)
        self.court = Court(
            self.runner, self.right, self.table, self.backward, self.loss, self.moves
        )
        self.deadline = time.process_time() + SECONDS
        self.simpler: dict[int, dict[tuple, float]] = {}  # what a slot has more simply, in a step

    def run(self, start: Sequence[Repair] = ()) -> Explanation:
        """The best explanation that was found.

        Args:
            start: repairs to begin with.
        """
        now = self.court.evaluated(list(start))
        record, truth = self.recorded_with(start) if start else (self.record, self.truth)
        while not now.complete and len(now.trials) < MOST_REPAIRS:
            following = self._step(now, self._scenery(record, truth))
            if following is None:
                break
            now = following
            if not now.complete:
                record, truth = self.recorded_with(now.trials)
        return self._defined(self._pruned(now))

    def rescaled(self, found: Explanation) -> Explanation:
        """With the division by a size that all gradients lack, if one puts them right."""
        now = self.court.evaluated(found.trials)
        record, truth = self.recorded_with(found.trials)
        for better in self._rescaled(now, self._scenery(record, truth)):
            return better
        return now

    def certain(self, trials: Sequence[Repair]) -> list[Repair]:
        """The repairs that are told although they are not all: without each, less is right."""
        kept = [t for t in trials if t.price <= SURE]
        for trial in list(kept):
            whole = self.court.evaluated(kept)
            fewer = self.court.evaluated([t for t in kept if t is not trial])
            if len(fewer.right) >= len(whole.right) and fewer.score >= whole.score - HELPS:
                kept.remove(trial)
        return kept

    def recorded_with(self, trials: Sequence[Repair]) -> tuple[Record, Truth]:
        """The subject with some repairs."""
        version = self.court.version(trials)
        record = self.runner.recorded(self.minted, patches=version.patches, codes=version.codes)
        return record, Truth.of(record.graph, record.seeds, self.rules)

    def _scenery(self, record: Record, truth: Truth) -> Scenery:
        response = respond(record, truth, self.right, self.rules, set(self.backward))
        slots = self.runner.code.program.slots
        return Scenery.of(
            record, truth, response, self.table, self.backward, slots, self.both, self.moves,
            self.right,
        )  # fmt: skip

    def _pruned(self, found: Explanation) -> Explanation:
        """Without repairs that a later one has made needless."""
        for trial in list(found.trials):
            if len(found.trials) > 1:
                fewer = self.court.evaluated([t for t in found.trials if t is not trial])
                if fewer.right >= found.right and fewer.total <= found.total + BETTER:
                    found = fewer
        return found

    def _defined(self, found: Explanation) -> Explanation:
        """With what was put in for a name where that is bound, if it was bound to another one."""
        for trial in found.trials:
            program = self.runner.code.program
            edit = at_definition(program, trial) if isinstance(trial, Trial) else None
            if edit is not None:
                moved = self.court.evaluated([edit if t is trial else t for t in found.trials])
                if moved.right >= found.right:
                    found = moved
        return found

    def _step(self, now: Explanation, scenery: Scenery) -> Explanation | None:
        """One more repair, or several that do not depend on each other."""
        self.simpler.clear()
        better: list[Explanation] = []
        for enough, gain, candidates in self._candidates(now, scenery, better):
            for found in candidates:
                if found.total < now.total - BETTER and not self._in_vain(found, scenery):
                    better.append(found)
                    cheap = found.price - now.price <= CHEAP and not _spoils(found, scenery)
                    if cheap and found.complete:
                        return found
            better.sort(key=lambda e: (round(e.total, 1), e.trials[-1].statement.number))
            if better and self._convinces(better[0], now, scenery, enough, gain):
                break
            if time.process_time() > self.deadline:
                break
        return self._combined(better) if better else None

    def _in_vain(self, found: Explanation, scenery: Scenery) -> bool:
        """Whether the last repair changes a returned gradient itself and leaves it wrong."""
        repair = found.trials[-1]
        if not isinstance(repair, Trial):
            return False
        returned = scenery.returned.get(repair.slot.place)
        return returned is not None and returned not in found.right

    def _combined(self, better: Sequence[Explanation]) -> Explanation:
        """The best, with the other ones that improve on it still."""
        best = better[0]
        if best.complete:
            return best
        taken = {best.trials[-1].statement.number}
        for other in better[1:]:
            repair = other.trials[-1]
            if repair.statement.number in taken:
                continue
            taken.add(repair.statement.number)
            both = self.court.evaluated([*best.trials, repair])
            enough = BETTER if both.right > best.right else MUCH
            if both.total < best.total - enough and both.right >= best.right:
                best = both
        return best

    def _convinces(
        self, best: Explanation, now: Explanation, scenery: Scenery, enough: float, gain: float
    ) -> bool:
        """Whether it is not worth looking further."""
        if enough < ANY and _spoils(best, scenery):
            return False
        if not best.complete:
            rights = len(best.right) - len(now.right) - (gain == MORE_RIGHT)
            return best.total < now.total - gain and rights >= 0
        repair = best.trials[-1]
        wrong = frozenset(self.right) - now.right
        fits = isinstance(repair, Trial) and not scenery.misfit(repair.slot.place, wrong)
        bonus = FITTING if fits and enough >= LIKELY else 0.0
        return best.price - now.price <= enough + bonus

    def _candidates(
        self, now: Explanation, scenery: Scenery, better: Sequence[Explanation]
    ) -> Iterator[tuple[float, float, Iterator[Explanation]]]:
        """Explanations with one repair more, the likelier ones first.

        Each with what ends the search after them: the price of a repair that makes all right, and
        by how much one that does not improves.
        """
        scales = Scales(scenery, self.table, self.rules, self.court.scale)
        changed = {t.slot.number for t in now.trials if isinstance(t, Trial)}
        free = [n for n in self.backward if n not in changed | set(self.runner.base)]
        wrong = frozenset(self.right) - now.right
        stages = Stages.of(scenery, self.runner.code.program.slots, free, self.moves, wrong)
        # One more mistake is likelier than several, unless several gradients go on being wrong.
        single = not now.trials or len(wrong) <= FEW_WRONG
        partly = NEVER if single else BETTER
        yield CHEAP, MUCH, self._rescaled(now, scenery)
        yield QUITE, NEVER, self._named(now, misnamings, early=True)
        for kind in ("slips", "missing") if stages.misshapen else ():
            yield QUITE, BETTER, self._local(now, stages.misshapen, scales, kind)
        yield QUITE, partly, self._local(now, stages.zero, scales, "slips")
        yield QUITE if single else ANY, partly, self._unused(now, scenery)
        yield QUITE, partly, self._tried(now, stages.silent, scales, "small", hasty=True)
        few = len(stages.fitting) <= FEW
        if few and single:
            yield QUITE, NEVER, self._tried(now, stages.nearest, scales, "small", hasty=True)
        if single:
            alone = NEVER if len(wrong) == 1 or not few else MORE_RIGHT
            yield QUITE, NEVER, self._joined(now)
            wide = [n for n in stages.first if n in stages.fitting or not few]
            yield QUITE, alone, self._solved(now, {**stages.acting, **dict.fromkeys(wide)}, scenery)
        for kind in ("missing", "twice"):
            yield QUITE, partly, self._local(now, stages.unknown, scales, kind)
        yield QUITE, partly, self._tried(now, stages.still, scales, "deep")
        if single:
            yield QUITE, NEVER, self._tried(now, stages.nearest, scales, "deep")
            yield QUITE, NEVER, self._named(now, renamings)
            yield ANY, NEVER, self._statements(now, scenery)
            helps = any(len(e.right) > len(now.right) for e in better)
            if not helps and len(stages.acting) <= FEW_ACTING:
                yield ANY, NEVER, self._couples(now, stages.acting, scales)
            yield ANY, NEVER if len(wrong) == 1 else BETTER, iter(())
        for stage, (enough, turns, kind) in enumerate(stages.all()):
            if turns:
                yield enough, MUCH, self._tried(now, turns, scales, kind)
            if stage == 2:
                yield ANY, MUCH, self._left_out(now, scenery)
                if not single:
                    yield ANY, MUCH, self._named(now, renamings)
                    yield ANY, MUCH, self._statements(now, scenery)
                if not single and len(stages.acting) <= FEW_ACTING:
                    yield ANY, NEVER, self._couples(now, stages.acting, scales)

    def _local(
        self, now: Explanation, turns: Turns, scales: Scales, kind: str
    ) -> Iterator[Explanation]:
        """Changes that make a first unknown value a true quantity that was nowhere yet."""
        prober = self._probed(now, turns, kind)
        moving = [t for n in turns if n in self.moves for t in prober.trials[n].values()]
        gains = scales.gains(moving, prober)
        moving.sort(key=lambda t: t.price - PER_WORTH * gains.get(t, 0.0))
        shaped = sorted((t for t in moving if not t.values), key=lambda t: t.price)
        for trial in dict.fromkeys([*moving[:MOST_KNOWN], *shaped[:MOST_KNOWN]]):
            yield self.court.evaluated([*now.trials, trial])
        for number in turns:
            trials = prober.trials[number].values()
            for trial in self._righting(number, trials, scales.scenery):
                yield self.court.evaluated([*now.trials, trial])
            simpler = scales.newly_known([t for t in trials if t.simplifies])
            for trial in sorted(simpler, key=lambda t: t.price)[:MOST_KNOWN]:
                found = self.court.evaluated([*now.trials, trial])
                if found.total < now.total - MUCH:  # else it may well be a step on the way
                    yield found
            had = self.simpler.setdefault(number, {})
            had.update({_signature(t): t.price for t in simpler})
            known = scales.newly_known([t for t in trials if not t.simplifies])
            known = [t for t in known if t.price <= had.get(_signature(t), t.price)]
            most = MOST_KNOWN * (3 if kind == "twice" else 1)
            enough = float("inf")
            for trial in sorted(known, key=lambda t: t.price)[:most]:
                if trial.price > enough:
                    break
                found = self.court.evaluated([*now.trials, trial])
                yield found
                if found.total < now.total - BETTER:
                    enough = min(enough, trial.price + RIVAL)
                if found.complete:
                    break

    def _righting(self, number: int, trials: Collection[Trial], scenery: Scenery) -> list[Trial]:
        """Changes that make a returned gradient what it should be, the likeliest first."""
        place = self.runner.code.program.slots[number].place
        path = scenery.returned.get(place)
        if path is None:
            return []
        right = self.right[path]
        found = [
            t
            for t in trials
            if any(self.court.equal(v, right) for v in (*t.values.values(), *t.reshaped.values()))
        ]
        return sorted(found, key=lambda t: t.price)[:2]

    def _solved(
        self, now: Explanation, among: Collection[int], scenery: Scenery
    ) -> Iterator[Explanation]:
        """Products in operands' places that do what the gradients lack."""
        wrong = sorted(frozenset(self.right) - now.right)
        slots = self.runner.code.program.slots
        counts = {n: scenery.counts[slots[n].place] for n in among}
        every = {n: frozenset(range(c)) for n, c in counts.items() if c <= MOST_TURNS}
        code, version = self.runner.code, self.court.version(now.trials)
        solver = Solver(
            code.program, code.files, every, self.pure, version.patches, version.codes,
            min(self.deadline, time.process_time() + SOLVING_SECONDS), "", self.table,
        ).asked(scenery, aims_of(scenery, wrong))  # fmt: skip
        self.runner.plain(solver)
        for trial in solver.found()[:MOST_SOLVED]:
            yield self.court.evaluated([*now.trials, trial])

    def _couples(self, now: Explanation, turns: Turns, scales: Scales) -> Iterator[Explanation]:
        """Two slips that put all right together, of which none does anything alone."""
        until = min(self.deadline, time.process_time() + COUPLES_SECONDS)
        first = self._probed(now, turns, "slips")
        trials = [t for n in turns for t in first.trials[n].values() if scales.complete(t)]
        for one in _in_turns(trials):
            if time.process_time() > until:
                return
            others = {n: t for n, t in turns.items() if n != one.slot.number}
            with_one = Explanation([*now.trials, one])
            try:
                prober, plain = self._probed_run(with_one, others, "slips")
            except Exception:  # the subject cannot be run so
                continue
            wanted = scales.scenery.response.lacking(self.right, plain.gradients)
            if wanted is None:
                continue
            second = [t for n in others for t in prober.trials[n].values()]
            for two in scales.solving(second, prober, wanted)[:2]:
                yield self.court.evaluated([*now.trials, one, two])

    def _unused(self, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
        """Statements that hand on what is computed, true, and used by nobody."""
        slots = self.runner.code.program.slots
        taken = {t.statement.number for t in now.trials}
        dead = [
            slots[n].statement
            for n in sorted(self.backward)
            if slots[n].kind in ("value", "element")
            and slots[n].place in scenery.counts
            and not scenery.acts(slots[n].place)
            and scenery.known(slots[n].place, 0)
            and slots[n].statement.number not in taken
        ]
        still = {slots[n].statement for n in scenery.still}
        for statement in dict.fromkeys(dead):
            for edit in islice(handed_on(statement, still), MOST):
                yield self.court.evaluated([*now.trials, edit])

    def _tried(
        self, now: Explanation, turns: Turns, scales: Scales, kind: str, hasty: bool = False
    ) -> Iterator[Explanation]:
        """The most promising changes of some slots, run; in haste only a few."""
        prober = self._probed(now, turns, kind)
        trials = _simplest([t for n in turns for t in prober.trials[n].values()])
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
            silent = [t for t in trials if t.slot.place not in scales.scenery.counts]
            known = set(scales.making_known(silent))
            silent.sort(key=lambda t: (t not in known, t.price))
            chosen = [*gaining[: MOST // 2], *scales.reshaping(trials), *silent]
            if hasty:
                chosen = [*gaining[:FEWEST], *silent, *scales.reshaping(trials)[:FEWEST]]
            chosen = [*scales.recurring(trials), *chosen]
        budget = int(np.clip(RUN_SECONDS / self.court.pace, FEWEST, MOST))
        for trial in _distinct(chosen)[:budget]:
            if time.process_time() < self.deadline:
                yield self.court.evaluated([*now.trials, trial])

    def _probed(self, now: Explanation, turns: Turns, kind: str) -> Prober:
        return self._probed_run(now, turns, kind)[0]

    def _probed_run(self, now: Explanation, turns: Turns, kind: str) -> tuple[Prober, Plain]:
        code, version = self.runner.code, self.court.version(now.trials)
        prober = Prober(
            code.program, code.files, turns, self.pure, version.patches, version.codes,
            self.deadline, kind, self.table,
        )  # fmt: skip
        return prober, self.runner.plain(prober)

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
        loops = loops_of(code.program, self.backward)
        carrier = Carrier.of(code, version, loops, self.table)
        self.runner.plain(carrier)
        for edit in carrier.found[:MOST]:
            yield from self._if_more_right(now, edit)

    def _joined(self, now: Explanation) -> Iterator[Explanation]:
        """Sums left out at the beginning of a loop."""
        for edit in islice(joined(self.runner.code.program, self.backward), MOST):
            yield from self._if_more_right(now, edit)

    def _rescaled(self, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
        """A size by which an array was to be divided, where all gradients lack the same factor."""
        graph = scenery.record.graph
        factors = [
            float((graph.values(scenery.record.gradients[p]) * truly).sum() / (truly**2).sum())
            for p, truly in self.right.items()
            if scenery.record.gradients[p].shape == truly.shape and truly.any()
        ]
        if not factors or now.right or np.ptp(factors) > 1e-6 * abs(factors[0]):
            return
        clips = {self.runner.code.program.slots[n].statement for n in self.runner.base}
        behind = [s for s in self._late() if s not in clips]
        for edit in islice(rescalings(behind, factors[0]), MOST):
            if len(self.court.right_with([*now.trials, edit])) == len(self.right):
                yield self.court.evaluated([*now.trials, edit])

    def _named(self, now: Explanation, edits: Edits, early: bool = False) -> Iterator[Explanation]:
        """Other names in the functions of the backward pass, where no value shows them."""
        statements: Sequence[Statement] = self._late()
        if early:
            scopes = {id(s.scope) for s in statements}
            statements = [s for s in self.runner.code.program.statements if id(s.scope) in scopes]
        end = time.process_time() + NAMING_SECONDS
        for edit in edits(statements):
            if time.process_time() > end:
                return
            yield from self._if_more_right(now, edit)

    def _late(self) -> list[Statement]:
        """In each function those behind the first one of the backward pass."""
        program = self.runner.code.program
        first: dict[int, int] = {}
        for n in self.backward:
            statement = program.slots[n].statement
            line = first.get(id(statement.scope), statement.line)
            first[id(statement.scope)] = min(line, statement.line)
        return [s for s in program.statements if s.line >= first.get(id(s.scope), s.line + 1)]

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
        single = min(misfits.values(), default=1) == 0
        end = time.process_time() + (STATEMENT_SECONDS if single else STATEMENT_SECONDS / 3)
        wanted = [s for s in dict.fromkeys(ordered) if s.number not in taken]
        for edit in statement_edits(program, wanted):
            if time.process_time() > end:
                return
            if edit.statement not in misfits:
                edit.price += BESIDE
            yield from self._if_more_right(now, edit)

    def _if_more_right(self, now: Explanation, edit: StatementEdit) -> Iterator[Explanation]:
        if self.court.right_with([*now.trials, edit]) > now.right:
            yield self.court.evaluated([*now.trials, edit])

    def suspects(self, trials: Sequence[Repair]) -> list[Statement]:
        """Statements one of which is wrong besides some repairs: the first unknown values' ones."""
        record, truth = self.recorded_with(trials)
        shaped = self._of_wrong_shape(record)
        if shaped:
            return shaped
        scenery = self._scenery(record, truth)
        slots = self.runner.code.program.slots
        found: dict[Statement, None] = {}
        for number in np.argsort(scenery.depth, kind="stable")[:MOST_SUSPECTS]:
            seen = record.seen[number]
            along = scenery.response.along.get((seen.slot, seen.turn))
            moves = scenery.helping[number]
            if scenery.depth[number] <= 1 and not moves and along is not None and along.any():
                found[slots[seen.slot].statement] = None
        if not found:
            acting = [n for n in sorted(self.backward) if scenery.acts(slots[n].place)]
            computing = [n for n in acting if n not in scenery.returned]
            acting = computing or acting
            found = {slots[n].statement: None for n in acting[-3:] or self._returning()}
        return list(found)

    def _returning(self) -> list[int]:
        """Slots of what the functions of the backward pass return, the last one's."""
        slots = self.runner.code.program.slots
        return [n for n in sorted(self.backward) if slots[n].kind == "return"][-1:]

    def _of_wrong_shape(self, record: Record) -> list[Statement]:
        """The statements that made the gradients whose shape is wrong, behind their names."""
        slots = self.runner.code.program.slots
        found: dict[Statement, None] = {}
        for path, right in self.right.items():
            places = record.gradients[path]
            if places.shape == right.shape:
                continue
            same = [s.slot for s in record.seen if np.array_equal(s.provenance, places)]
            for number in same[-1:]:
                found[self._binding(slots[number])] = None
        return list(found)

    def _binding(self, slot: Slot) -> Statement:
        """Of a name that is handed on, the last statement that bound it."""
        name = slot.expression.id if isinstance(slot.expression, ast.Name) else None
        binding = [
            s
            for s in self.runner.code.program.statements
            if s.scope is slot.statement.scope
            and s.line < slot.statement.line
            and isinstance(s.node, ast.Assign)
            and name in [n.id for n in ast.walk(s.node) if isinstance(n, ast.Name)
                         and isinstance(n.ctx, ast.Store)]
        ]  # fmt: skip
        return binding[-1] if binding else slot.statement


def _in_turns(trials: Sequence[Trial]) -> Iterator[Trial]:
    """The likeliest of every slot, then the second likeliest, and so on."""
    slots: dict[int, list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=lambda t: t.price):
        if trial.price <= SLIP:
            slots[trial.slot.number].append(trial)
    for row in zip_longest(*slots.values()):
        yield from sorted((t for t in row if t is not None), key=lambda t: t.price)


def _simplest(trials: Sequence[Trial]) -> list[Trial]:
    """Without changes that only make what leaving something out makes as well."""
    had: dict[tuple, float] = {}
    for t in trials:
        if t.simplifies:
            key = (t.slot.number, *_signature(t))
            had[key] = min(t.price, had.get(key, t.price))
    if not had:
        return list(trials)
    known = ((t, had.get((t.slot.number, *_signature(t)), t.price)) for t in trials)
    return [t for t, price in known if t.simplifies or t.price <= price]


def _signature(trial: Trial) -> tuple:
    """Tells changes apart by what they make of a slot's values."""
    values = sorted({**trial.reshaped, **trial.values}.items())
    return tuple((turn, np.round(v, 9).tobytes()) for turn, v in values)


def _spoils(found: Explanation, scenery: Scenery) -> bool:
    """Whether the last repair changes what was a true quantity into what is none."""
    repair = found.trials[-1]
    known = isinstance(repair, Trial) and repair.slot.place not in scenery.first
    return known and found.own < len(found.trials) - 0.01


def _distinct(trials: Sequence[Trial]) -> list[Trial]:
    found: dict[tuple, Trial] = {}
    for t in trials:
        found.setdefault((t.slot.number, t.key), t)
    return list(found.values())
