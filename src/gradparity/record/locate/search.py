"""From wrong gradients to the statements that are wrong, and what should stand there."""

import ast
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from gradparity.record.frontend.hooks import Hooks, Patch, Seen
from gradparity.record.frontend.source import Slot, Statement, with_calls_hooked
from gradparity.record.graph import Array
from gradparity.record.locate.flow import depths, nearest, parents_of, recurrent
from gradparity.record.locate.missing import Gatherer, additions, last_slots
from gradparity.record.locate.probe import Again, Prober, Trial
from gradparity.record.locate.purity import Purity
from gradparity.record.locate.recognise import (
    EXACT,
    FORWARD,
    PARTIAL,
    SCALED,
    UNKNOWN,
    WORTH,
    Table,
    fingerprints,
    prints_of,
)
from gradparity.record.locate.replay import AT_ONCE, Replay
from gradparity.record.locate.response import Response, respond
from gradparity.record.locate.statements import StatementEdit, statement_edits
from gradparity.record.rules import Rules
from gradparity.record.runs import Plain, Record, Runner
from gradparity.record.subject.trees import Path
from gradparity.record.truth import Truth

RTOL = 1e-6
LINEAR = 1e-7
LEAF_WORTH = 3.0
PER_WORTH = 2.0
FINALISTS = 40
MOST_EDITS = 8
MOST_SUSPECTS = 12
MOVES = 0.5  # what a change costs more at a statement that only hands a value on
ALL_TURNS = 3  # executions up to which a slot's changes are tried at each
EVALUATIONS = 8000  # of changes of one slot, over all its executions
CHEAP = 2.6
STATEMENT_SECONDS = 6.0
RESHAPED = 40  # changes of a value's shape that are run
LEADING = 2  # executions of a slot that count for themselves
WORTHS = np.array([WORTH[s] for s in range(len(WORTH))])


class Watch(Hooks):
    """Keeps the fingerprint of every value at a slot."""

    def __init__(self, runner: Runner, version: "Version", slots: frozenset[int]) -> None:
        super().__init__(runner.code.program, runner.code.files, version.patches, version.codes)
        self.slots = slots
        self.keys: list[int] = []
        self.values: list[Array] = []

    def s(self, number: int, value: Any) -> Any:
        """Note a value."""
        if number in self.slots:
            for part in value if isinstance(value, tuple) else (value,):
                self._note(number, part)
        return value

    def after(self, number: int, value: Any) -> None:
        """Note what an assignment in place has made."""
        if number in self.slots:
            self._note(number, value)

    def _note(self, number: int, value: Any) -> None:
        if (isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size) or isinstance(
            value, float | np.floating
        ):
            self.keys.append(number)
            self.values.append(fingerprints([np.asarray(value, dtype=np.float64)])[0])


Repair = Trial | StatementEdit


@dataclass(frozen=True)
class Version:
    """How the subject runs with some repairs.

    Attributes:
        patches, codes: as hooks take them.
    """

    patches: Mapping[int, Patch]
    codes: Mapping[CodeType, CodeType]


@dataclass
class Explanation:
    """Changes that put the gradients right, or some of them.

    Attributes:
        trials: the changes.
        right: parameters whose gradients they make right.
        score: how much of the backward pass is recognised under them.
        own: of how many of the changes the own values are known then.
    """

    trials: list[Repair] = field(default_factory=list)
    right: frozenset[Path] = frozenset()
    score: float = 0.0
    own: float = 0.0
    plain: Plain | None = None

    @property
    def price(self) -> float:
        """Of all changes together; what only hands a value on is the less likely culprit."""
        return sum(t.price + (MOVES if _only_moves(t) else 0.0) for t in self.trials)

    @property
    def total(self) -> float:
        """The smaller, the better."""
        return self.price - PER_WORTH * (self.score + LEAF_WORTH * len(self.right)) - self.own


@dataclass
class Scenery:
    """What is known of a version of the subject: a record, and what its values are."""

    record: Record
    truth: Truth
    response: Response
    seen: dict[tuple[int, int], Seen]
    counts: dict[int, int]
    states: Array
    first: dict[int, int]
    parents: list[set[int]]
    depth: Array
    recurrent: set[int]


@dataclass
class Search:
    """Looks for changes of a subject's statements that put its gradients right."""

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
        self.scale = max((float(np.abs(v).max()) for v in self.right.values()), default=1.0)

    def run(self) -> Explanation:
        """The best explanation that was found."""
        now = self.evaluated([])
        record, truth = self.record, self.truth
        while len(now.right) < len(self.right) and len(now.trials) < MOST_EDITS:
            following = self.step(now, self._scenery(record, truth))
            if following is None:
                break
            now = following
            if len(now.right) < len(self.right):
                version = self.version(now.trials)
                record = self.runner.recorded(
                    self.minted, patches=version.patches, codes=version.codes
                )
                truth = Truth.of(record.graph, record.seeds, self.rules)
        return now

    def _scenery(self, record: Record, truth: Truth) -> Scenery:
        response = respond(record, truth, self.right, self.rules, set(self.backward))
        values = [record.graph.values(s.provenance) for s in record.seen]
        states, _, _ = self.table.states(fingerprints(values))
        seen: dict[tuple[int, int], Seen] = {}
        counts: dict[int, int] = defaultdict(int)
        first: dict[int, int] = {}
        for number, s in enumerate(record.seen):
            seen[s.slot, s.turn] = s
            counts[s.slot] = max(counts[s.slot], s.turn + 1)
            if states[number] not in (EXACT, PARTIAL) and s.slot not in first:
                first[s.slot] = s.turn
        parents = parents_of(record.graph, truth, record.seen)
        mine = np.array([s.slot in self.backward for s in record.seen])
        bad = mine & np.isin(states, (UNKNOWN, SCALED, FORWARD))
        depth = depths(parents, bad)
        return Scenery(
            record,
            truth,
            response,
            seen,
            counts,
            states,
            first,
            parents,
            depth,
            recurrent(record.seen, parents),
        )

    sure = 4.0  # price of a change up to which it is told although it is not all

    def suspects(self, trials: Sequence[Repair]) -> list[Statement]:
        """Statements one of which is wrong besides some repairs: the first unknown values' ones."""
        version = self.version(trials)
        record = self.runner.recorded(self.minted, patches=version.patches, codes=version.codes)
        scenery = self._scenery(record, Truth.of(record.graph, record.seeds, self.rules))
        slots = self.runner.code.program.slots
        found: dict[Statement, None] = {}
        for number in np.argsort(scenery.depth, kind="stable")[:MOST_SUSPECTS]:
            slot = slots[record.seen[number].slot]
            if scenery.depth[number] <= 1 and self._changes_anything(record.seen[number], scenery):
                found[slot.statement] = None
        if not found:
            reach = [n for n in sorted(self.backward) if self._matters(n, scenery)]
            found = {slots[n].statement: None for n in reach[-3:]}
        return list(found)

    @staticmethod
    def _changes_anything(seen: Seen, scenery: Scenery) -> bool:
        along = scenery.response.along.get((seen.slot, seen.turn))
        return along is not None and bool(along.any())

    def step(self, now: Explanation, scenery: Scenery) -> Explanation | None:
        """One more change: first where the first unknown values are, then everywhere."""
        best = None
        for candidates in self._candidates(now, scenery):
            for found in candidates:
                if best is None or found.total < best.total:
                    best = found
            if best is not None and self._convinces(best, now):
                return best
        return best if best is not None and best.total < now.total else None

    def _candidates(self, now: Explanation, scenery: Scenery) -> Iterator[Iterator[Explanation]]:
        """Explanations with one repair more, the likelier ones first."""
        for stage, (turns, deep) in enumerate(self._stages(now, scenery)):
            yield self._tried(now, turns, scenery, deep)
            if stage == 0:
                yield self._left_out(now, scenery)
                yield self._statements(now, scenery)

    def _left_out(self, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
        """Statements that add what gradients lack."""
        code, version = self.runner.code, self.version(now.trials)
        graph = scenery.record.graph
        lacking = [
            truly - graph.values(scenery.record.gradients[p])
            for p, truly in self.right.items()
            if p not in now.right and scenery.record.gradients[p].shape == truly.shape
        ]
        slots = last_slots(code.program, self.backward)
        shapes = {lack.shape for lack in lacking}
        gathered = Gatherer(code.program, code.files, version.patches, version.codes, slots, shapes)
        self.runner.plain(gathered)
        for count, (_, edit) in enumerate(additions(gathered, lacking)):
            if count >= FINALISTS:
                return
            if self._right_with([*now.trials, edit]) > now.right:
                yield self.evaluated([*now.trials, edit])

    def _statements(self, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
        """Changes of whole statements that put more gradients right."""
        program = self.runner.code.program
        near = self._near(scenery, 1)
        scopes = {id(program.slots[n].statement.scope) for n in self.backward}
        close = [program.slots[n].statement for n in near]
        rest = [s for s in program.statements if id(s.scope) in scopes and s.scope is not None]
        others = [s for s in program.statements if s.scope is not None]
        ordered = list(dict.fromkeys([*close, *rest, *others]))
        taken = {t.statement.number for t in now.trials}
        deadline = time.monotonic() + STATEMENT_SECONDS
        for edit in statement_edits(program, [s for s in ordered if s.number not in taken]):
            if time.monotonic() > deadline:
                return
            right = self._right_with([*now.trials, edit])
            if right > now.right:
                yield self.evaluated([*now.trials, edit])

    def _right_with(self, trials: list[Repair]) -> frozenset[Path]:
        """Which gradients are right with some repairs."""
        try:
            version = self.version(trials)
            code = self.runner.code
            plain = self.runner.plain(
                Hooks(code.program, code.files, version.patches, version.codes)
            )
        except Exception:
            return frozenset()
        if not self._same_loss(plain):
            return frozenset()
        return frozenset(p for p, v in self.right.items() if self.equal(plain.gradients.get(p), v))

    def _tried(
        self, now: Explanation, turns: dict[int, frozenset[int]], scenery: Scenery, deep: bool
    ) -> Iterator[Explanation]:
        """The most promising changes of some slots, run."""
        prober = self._probed(now, turns, deep)
        trials = [t for n in turns for t in prober.trials[n].values()]
        complete = [t for t in trials if self._complete(t, scenery)]
        finalists = self._linear(complete, scenery, prober)
        if finalists and finalists[0].price <= CHEAP + 1.0:
            # Anything that is to be better must be about as cheap.
            most = finalists[0].price + 0.5
            trials = [t for t in trials if t.price <= most]
        finalists = finalists[: FINALISTS // 2]
        finalists += self._by_replay(now, trials, scenery, prober, deep)
        finalists += self._reshaped(trials, scenery)
        for trial in self._distinct(finalists)[: 4 * FINALISTS]:
            yield self.evaluated([*now.trials, trial])

    def _known_now(self, trials: Sequence[Trial]) -> list[Trial]:
        """Changes that make a value known at an execution."""
        pairs = [(t, v) for t in trials for v in t.values.values()]
        if not pairs:
            return []
        states, _, _ = self.table.states(fingerprints([v for _, v in pairs]))
        known = np.isin(states, (EXACT, PARTIAL))
        return list(dict.fromkeys(t for (t, _), k in zip(pairs, known, strict=True) if k))

    def _reshaped(self, trials: Sequence[Trial], scenery: Scenery) -> list[Trial]:
        """Changes that give a value another shape: those that make it known, and the cheap ones."""
        found = [t for t in trials if t.reshaped and not t.values]
        if not found:
            return []
        states, _, _ = self.table.states(
            fingerprints([next(iter(t.reshaped.values())) for t in found])
        )
        known = np.isin(states, (EXACT, PARTIAL))
        order = sorted(
            range(len(found)), key=lambda k: found[k].price + self._fine(found[k], scenery)
        )
        first = [found[k] for k in order if known[k]]
        return [*first[:RESHAPED], *[found[k] for k in order if not known[k]][:RESHAPED]]

    def _fine(self, trial: Trial, scenery: Scenery) -> float:
        """What a change costs more where the value is known as it stands."""
        turn = next(iter(trial.reshaped))
        seen = scenery.seen.get((self._place(trial.slot.number), turn))
        if seen is None:
            return 0.0
        states, _, _ = self.table.states(
            fingerprints([scenery.record.graph.values(seen.provenance)])
        )
        return 3.0 if states[0] in (EXACT, PARTIAL) else 0.0

    def _convinces(self, best: Explanation, now: Explanation) -> bool:
        """Whether it is not worth looking further."""
        price = best.price - now.price
        if len(best.right) == len(self.right):
            return price <= 4.2
        return best.total < now.total - 2.0 and len(best.right) >= len(now.right)

    def _stages(
        self, now: Explanation, scenery: Scenery
    ) -> Iterator[tuple[dict[int, frozenset[int]], bool]]:
        """Slots and executions to look at: seldom executed and first unknown ones first."""
        taken = {t.slot.number for t in now.trials if isinstance(t, Trial)}
        every = [n for n in self.backward if n not in taken and self._matters(n, scenery)]
        seldom = {
            n: frozenset(range(scenery.counts[self._place(n)]))
            for n in every
            if scenery.counts[self._place(n)] <= ALL_TURNS
        }
        done: dict[int, frozenset[int]] = {}
        for most in (1, 4, None):
            if most is None:
                near = self._near(scenery, 0)
                close = {
                    n: frozenset(near[self._place(n)]) for n in every if self._place(n) in near
                }
                yield close | seldom, True
            wanted = dict(seldom) if not done else {}
            if most is None:
                near = {self._place(n): set(self._turns(n, scenery)) for n in every}
            else:
                near = self._near(scenery, most)
            for n in every:
                turns = frozenset(near.get(self._place(n), ()))
                if turns - done.get(n, frozenset()) - wanted.get(n, frozenset()):
                    wanted[n] = turns | wanted.get(n, frozenset())
            for n, turns in wanted.items():
                done[n] = done.get(n, frozenset()) | turns
            if wanted:
                yield wanted, False

    @staticmethod
    def _near(scenery: Scenery, most: int) -> dict[int, set[int]]:
        doubtful = scenery.states == PARTIAL
        return nearest(scenery.depth, doubtful, scenery.record.seen, scenery.parents, most)

    def _by_replay(
        self, now: Explanation, trials: list[Trial], scenery: Scenery, prober: Prober, deep: bool
    ) -> list[Trial]:
        """Changes under which more would be recognised, or that are right at every execution."""
        found: list[Trial] = []
        if deep:
            trials = self._known_now(trials)
        gains = self._gains(trials, scenery, prober)
        survivors = self._survivors(trials, gains, scenery)
        if survivors:
            version, code = self.version(now.trials), self.runner.code
            again = Again(code.program, code.files, version.patches, version.codes, survivors)
            self.runner.plain(again)
            later = [t for ts in survivors.values() for t in ts if self._complete(t, scenery)]
            found += self._linear(later, scenery, again)
        ranked = sorted(
            (t for t in trials if gains.get(t, 0.0) > 1e-6),
            key=lambda t: t.price - PER_WORTH * gains[t],
        )
        return [*found[: FINALISTS // 2], *ranked[:FINALISTS]]

    @staticmethod
    def _distinct(trials: Sequence[Trial]) -> list[Trial]:
        found: dict[tuple, Trial] = {}
        for t in trials:
            found.setdefault((t.slot.number, t.key), t)
        return list(found.values())

    def _probed(
        self,
        now: Explanation,
        turns: Mapping[int, frozenset[int]],
        deep: bool,
    ) -> Prober:
        code, version = self.runner.code, self.version(now.trials)
        prober = Prober(
            code.program, code.files, turns, self.pure, version.patches, version.codes, deep
        )
        self.runner.plain(prober)
        return prober

    def _place(self, number: int) -> int:
        """The slot whose numbers are an expression's value: of an addend, what was made."""
        slot = self.runner.code.program.slots[number]
        return number if slot.after is None else slot.after

    def _matters(self, number: int, scenery: Scenery) -> bool:
        if self.runner.code.program.slots[number].kind == "after":
            return False
        place = self._place(number)
        along = scenery.response.along
        return any(
            (place, turn) in along and along[place, turn].any()
            for turn in range(scenery.counts.get(place, 0))
        )

    def _turns(self, number: int, scenery: Scenery) -> frozenset[int]:
        count = scenery.counts[self._place(number)]
        if count <= ALL_TURNS:
            return frozenset(range(count))
        first = scenery.first.get(self._place(number), 0)
        return frozenset({0, first, min(first + 1, count - 1)})

    def _complete(self, trial: Trial, scenery: Scenery) -> bool:
        return len(trial.values) == scenery.counts[self._place(trial.slot.number)]

    def _linear(
        self, trials: Sequence[Trial], scenery: Scenery, prober: Prober | Again
    ) -> list[Trial]:
        """Changes that put all gradients right, to first order."""
        response = scenery.response
        if not trials or not response.judged:
            return []
        if (np.abs(response.wanted) <= LINEAR * response.scale + 1e-12 * self.scale).all():
            return []  # what is wrong has another shape
        effects = np.zeros((len(trials), response.judged))
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, trial in enumerate(trials):
            for turn in trial.values:
                groups[trial.slot.number, turn].append(row)
        for (number, turn), rows in groups.items():
            along = response.along.get((self._place(number), turn))
            if along is None:
                continue
            values = np.array([trials[r].values[turn].reshape(-1) for r in rows])
            change = values - prober.now[number, turn].reshape(-1)
            with np.errstate(all="ignore"):
                effects[rows] += change @ along[: response.judged].T
        left = np.abs(response.wanted - effects)
        fine = (left <= LINEAR * response.scale + 1e-12 * self.scale).all(1)
        return sorted((trials[int(k)] for k in np.flatnonzero(fine)), key=lambda t: t.price)

    def _gains(
        self, trials: Sequence[Trial], scenery: Scenery, prober: Prober
    ) -> dict[Trial, float]:
        """How much more of the backward pass would be recognised, by replay."""
        record = scenery.record
        replay = Replay(record.graph, np.flatnonzero(~scenery.truth.forward).tolist(), self.rules)
        found: dict[Trial, float] = {}
        groups: dict[tuple[int, int], dict[bytes, list[Trial]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for trial in trials:
            for turn, value in trial.values.items():
                groups[trial.slot.number, turn][np.round(value, 10).tobytes()].append(trial)
        for (number, turn), alike in groups.items():
            place = self._place(number)
            seen = scenery.seen.get((place, turn))
            if seen is None:
                continue
            following = scenery.seen.get((place, turn + 1))
            until = record.graph.size if following is None else following.size
            asked = {
                k: s.provenance
                for k, s in enumerate(record.seen)
                if s.slot in self.backward
                and seen.size <= s.size <= until
                and not s.provenance.max() >= until
            }
            gathered = list(alike.values())
            base = prober.now[number, turn]
            for start in range(0, len(gathered), AT_ONCE):
                part = gathered[start : start + AT_ONCE]
                values = [g[0].values[turn] for g in part]
                values += [base] * (AT_ONCE - len(part))
                made = replay.run([(seen.provenance, np.array(values))], asked, until)
                gains = self._worth(made, scenery)
                for group, gain in zip(part, gains, strict=False):
                    for trial in group:
                        found[trial] = max(found.get(trial, -1e9), float(gain))
        return found

    def _worth(self, values: dict[int, Array], scenery: Scenery) -> Array:
        """`(changes,)` what is recognised more, each slot counted once."""
        if not values:
            return np.zeros(AT_ONCE)
        keys = list(values)
        prints = np.stack([prints_of(values[key]) for key in keys])
        states, _, _ = self.table.states(prints.reshape(-1, 4))
        worth = WORTHS[states].reshape(len(keys), AT_ONCE) - WORTHS[scenery.states[keys]][:, None]
        slots = np.array([scenery.record.seen[k].slot for k in keys])
        return sum((worth[slots == n].mean(0) for n in np.unique(slots)), np.zeros(AT_ONCE))

    def _survivors(
        self, trials: Sequence[Trial], gains: Mapping[Trial, float], scenery: Scenery
    ) -> dict[int, list[Trial]]:
        """Changes of often executed slots that are worth trying at every execution."""
        chosen: dict[int, list[Trial]] = defaultdict(list)
        for trial in sorted(trials, key=lambda t: t.price - PER_WORTH * gains.get(t, 0.0)):
            number = trial.slot.number
            most = min(400, max(40, EVALUATIONS // max(1, scenery.counts[self._place(number)])))
            if self._place(number) in scenery.recurrent:
                continue
            if not self._complete(trial, scenery) and len(chosen[number]) < most:
                chosen[number].append(trial)
        return {n: ts for n, ts in chosen.items() if ts}

    def version(self, trials: Sequence[Repair]) -> Version:
        """The subject with some repairs."""
        patches = {t.slot.number: patch_of(t) for t in trials if isinstance(t, Trial)}
        edits: dict[ast.stmt, list[ast.stmt]] = {}
        for t in trials:
            if isinstance(t, StatementEdit):
                edits |= t.replaced
        return Version(patches, self.runner.code.edited(edits) if edits else {})

    def evaluated(self, trials: list[Repair]) -> Explanation:
        """Run the subject with changes, and see what has become right."""
        try:
            watch = Watch(self.runner, self.version(trials), self.backward)
            plain = self.runner.plain(watch)
        except Exception:
            return Explanation(trials, frozenset(), -1e9)
        if not self._same_loss(plain):
            return Explanation(trials, frozenset(), -1e9)
        right = frozenset(p for p, v in self.right.items() if self.equal(plain.gradients.get(p), v))
        return Explanation(trials, right, self._score(watch), self._own(trials, watch), plain)

    def _own(self, trials: Sequence[Repair], watch: Watch) -> float:
        """How many of the changed statements have known values, each by the share of them."""
        places = [self._place(t.slot.number) for t in trials if isinstance(t, Trial)]
        keys = np.array(watch.keys)
        found = 0.0
        for place in places:
            rows = np.flatnonzero(keys == place)
            if len(rows):
                states, _, _ = self.table.states(np.array(watch.values)[rows])
                found += float(np.isin(states, (EXACT, PARTIAL)).mean())
        return found

    def _same_loss(self, plain: Plain) -> bool:
        """Whether the forward pass is what it was: it is what the truth is the truth of."""
        return abs(plain.loss - self.loss) <= 1e-9 * max(abs(self.loss), 1e-300)

    def equal(self, got: Array | None, right: Array) -> bool:
        """Whether a gradient is right."""
        if got is None or got.shape != right.shape or not np.isfinite(got).all():
            return False
        size = float(np.abs(right).max()) if right.size else 0.0
        return bool(np.abs(got - right).max(initial=0.0) <= RTOL * max(size, 1e-6 * self.scale))

    def _score(self, watch: Watch) -> float:
        """How much of the backward pass is recognised; each slot's first values count most."""
        if not watch.values:
            return 0.0
        states, _, _ = self.table.states(np.array(watch.values))
        worth, keys = WORTHS[states], np.array(watch.keys)
        total = 0.0
        for number in np.unique(keys):
            own = worth[keys == number]
            total += 0.5 * float(own.mean()) + 0.5 * float(own[:LEADING].cumprod().mean())
        return total


def _only_moves(repair: Repair) -> bool:
    names = (ast.Name, ast.Attribute, ast.Subscript)
    return isinstance(repair, Trial) and isinstance(repair.root, names)


def patch_of(trial: Trial) -> Patch:
    """A change as hooks take it."""
    slot: Slot = trial.slot
    file = slot.statement.file
    code = with_calls_hooked(trial.expression(), file)
    if slot.after is None:
        return Patch(code)
    node = slot.statement.node
    assert isinstance(node, ast.AugAssign)
    assert isinstance(trial.root, ast.BinOp)
    return Patch(code, with_calls_hooked(trial.root.left, file), type(node.op).__name__)
