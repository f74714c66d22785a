"""From a subject to a verdict, and from a wrong one to the lines that make it so."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradparity.record.claims import claim
from gradparity.record.clipping import Clip, without_clipping
from gradparity.record.frontend.session import RecordError
from gradparity.record.frontend.source import Program, Slot, Statement
from gradparity.record.graph import Array
from gradparity.record.hidden import hidden_by
from gradparity.record.locate.case import Case
from gradparity.record.locate.grants import Grant
from gradparity.record.locate.recognise import EXACT, PARTIAL, Table, fingerprints
from gradparity.record.locate.repairs import Explanation
from gradparity.record.locate.search import Search
from gradparity.record.locate.suspects import suspects
from gradparity.record.lstm import Equations
from gradparity.record.meaning import Meaning, meanings
from gradparity.record.rules import Rules
from gradparity.record.runs import Plain, Record, Runner
from gradparity.record.subject.trees import Path
from gradparity.record.truth import RTOL, Truth, close, scale_of
from lstm_spec import InputError

STEP = 1e-6  # of the difference that the recorded truth is held to
DIFFERENCE = 1e-4  # how far from that it may be
BROKE_OFF = "one way to look for the line broke off"
OTHER_SEED = 1009


@dataclass
class Examination:
    """What was found about a subject.

    Attributes:
        right, wrong: parameters by whether their gradients are right.
        got, true: the gradients, as returned and as they should be.
        explanation: changes that put the wrong ones right, as many as were found.
        suspects: statements one of which is wrong, where no change explains it.
        meanings: of the changes, by their statements.
        equations: an LSTM's that they compute, likewise.
        notes, hidden: what else is worth knowing; what these arguments cannot show.
        held: lines whose values were held to the truth.
        unheld: lines that nothing could be held to.
    """

    right: list[Path] = field(default_factory=list)
    wrong: list[Path] = field(default_factory=list)
    got: dict[Path, Array | None] = field(default_factory=dict)
    true: dict[Path, Array] = field(default_factory=dict)
    explanation: Explanation | None = None
    suspects: list[Statement] = field(default_factory=list)
    meanings: dict[int, Meaning] = field(default_factory=dict)
    equations: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    held: int = 0
    unheld: list[int] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all gradients are right."""
        return not self.wrong


def examine(runner: Runner, rules: Rules | None = None) -> Examination:
    """Record, differentiate, compare, and find what is wrong.

    Args:
        runner: runs the subject.
        rules: derivatives known from before.

    Raises:
        RecordError: the subject cannot be followed, or was followed wrongly.
        InputError: no gradient was found.
    """
    rules = rules or Rules()
    plain = runner.plain()
    if not runner.sources.found and runner.form.look_around():
        plain = runner.plain()
    claimed = claim(runner, plain, rules)
    if not runner.sources.found:
        raise InputError(
            "no gradient was found: expected them returned, kept under the parameters' names "
            "(dW, gradW, W_grad, grads['W']), or in an update of the parameters, which a learning "
            "rate of 0 hides"
        )
    clips = without_clipping(runner)
    watched = runner.plain(runner.hooks())
    record = runner.recorded()
    truth = Truth.of(record.graph, record.seeds, rules)
    found = Examination()
    found.true = {p: truth.adjoints[record.parameters[p]] for p in runner.sources.found}
    found.got = watched.gradients
    _same_as_plain(record, watched.gradients)
    _same_as_differences(runner, record, truth)
    scale = scale_of(found.true.values())
    for path, truly in found.true.items():
        right = close(watched.gradients[path], truly, scale)
        (found.right if right else found.wrong).append(path)
    found.notes = [
        *_manners(runner, plain.changed), *claimed, *_missing(runner, record, truth),
        *(_clipped(clips) or _leftovers(runner, plain, watched)),
    ]  # fmt: skip
    found.hidden = hidden_by(runner, record)
    _hold(found, runner, record, truth)
    if found.wrong:
        with np.errstate(all="ignore"):  # a change that overflows when it is tried is no warning
            _locate(found, runner, record, truth, rules, watched.loss)
    return found


def _same_as_plain(record: Record, plain: dict[Path, Array | None]) -> None:
    """The recorded run's gradients are those of a plain one, or the record is refused."""
    for path, places in record.gradients.items():
        got, expected = record.graph.values(places), plain[path]
        if expected is None or got.shape != expected.shape:
            raise RecordError("the recorded run returned other gradients than a plain one")
        size = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
        if not np.allclose(got, expected, rtol=RTOL, atol=1e-9 * size + 1e-300, equal_nan=True):
            raise RecordError(
                "the recorded run returned other gradients than a plain one: it draws random "
                "numbers, or does something that recording does not see"
            )


def _same_as_differences(runner: Runner, record: Record, truth: Truth) -> None:
    """The recorded truth is a difference of the plain loss along a random direction."""
    above, below = runner.shifted(STEP).plain(), runner.shifted(-STEP).plain()
    slope = (above.loss - below.loss) / (2 * STEP)
    direction = np.zeros(record.graph.size)  # arrays may share memory: each number once
    for path, places in record.parameters.items():
        if path in above.given and above.given[path].dtype.kind == "f":
            moved = (above.given[path] - below.given[path]) / (2 * STEP)
            direction[places.reshape(-1)] = moved.reshape(-1)
    moves = direction != 0  # the exponent of a power has no derivative, and is not moved
    expected = float(truth.adjoints[moves] @ direction[moves])
    size = max(abs(slope), abs(expected), 1e-3 * abs(above.loss), 1e-12)
    if not abs(slope - expected) <= DIFFERENCE * size:
        raise RecordError(
            f"the recorded forward pass has another derivative ({expected:.6g}) than differences "
            f"of the loss ({slope:.6g}): part of it could not be followed"
        )


def _manners(runner: Runner, changed: list[Path]) -> list[str]:
    updates = [path for path, source in runner.sources.found.items() if source.rate]
    names = list(dict.fromkeys(runner.name(path) for path in changed if path not in updates))
    return [f"it changes its arguments: {', '.join(names)}"] if names else []


def _leftovers(runner: Runner, plain: Plain, watched: Plain) -> list[str]:
    """What is read before it is written is whatever was in memory; watched runs have zeros."""
    if not any("empty" in line for text in runner.code.program.texts.values() for line in text):
        return []
    pairs = [(plain.gradients.get(p), value) for p, value in watched.gradients.items()]
    same = all(
        a is None or b is None or a.shape != b.shape or np.allclose(a, b, equal_nan=True)
        for a, b in pairs
    )
    return [] if same else ["np.empty is read before it is written to: taken as zeros here"]


def _clipped(clips: list[Clip]) -> list[str]:
    return [
        f"line {c.line} clips the gradients by {c.kind}: judged as they are before" for c in clips
    ]


def _missing(runner: Runner, record: Record, truth: Truth) -> list[str]:
    places = {p: record.parameters.get(p) for p in runner.sources.missing}
    names = [
        runner.name(p) for p, at in places.items() if at is not None and truth.adjoints[at].any()
    ]
    return [f"no gradient was found for {', '.join(names)}"] if names else []


def _locate(
    found: Examination, runner: Runner, record: Record, truth: Truth, rules: Rules, loss: float
) -> None:
    """Look for the wrong lines; an explanation counts if it holds on other numbers as well."""
    seek = Seeker(found, runner, record, truth, rules, loss)
    search, factor = seek.search(), seek.factor
    explanation = search.run()
    if factor != 1.0:
        found.notes.append(
            f"the backward pass is {factor:.6g} times the gradient of this loss where it begins"
        )
        if len(explanation.right) == len(found.true):
            search, alone = seek.search(1.0), not explanation.trials
            trials = [t.over(factor) if isinstance(t, Grant) else t for t in explanation.trials]
            explanation = explanation if alone else search.rescaled(trials)
            if alone or not explanation.complete:
                explanation = search.run(explanation.trials)
    if search.case.failures:
        found.notes.append(f"{BROKE_OFF} ({search.case.failures[0]}): please report it")
    granted = any(isinstance(t, Grant) for t in explanation.trials)
    if explanation.complete and (granted or _confirmed(runner, search, explanation, rules)):
        found.explanation = explanation
    else:
        kept = search.certain(explanation.trials)
        found.explanation = search.case.court.evaluated(kept) if kept else None
        found.suspects = suspects(search.case, kept)
        found.notes.append(
            "the backward pass is held to the forward pass as it is written: where these lines are "
            "as you meant them, look there"
        )
    if found.explanation:
        repairs = found.explanation.trials
        after, _ = search.case.recorded_with(repairs)
        found.meanings = meanings(
            repairs, seek.record, after, seek.truth, seek.table, runner, seek.both
        )
        equations = Equations(seek.record.graph, seek.truth)
        for number, meaning in found.meanings.items():
            named = (equations.of(q) for q in meaning.quantities)
            found.equations[number] = next(filter(None, named), "")


def _confirmed(runner: Runner, search: Search, explanation: Explanation, rules: Rules) -> bool:
    """Whether the changes put the gradients right on another set of random numbers."""
    other = runner.reseeded(OTHER_SEED)
    record = other.recorded()
    truth = Truth.of(record.graph, record.seeds, rules)
    version = search.case.court.version(explanation.trials)
    hooks = other.hooks(version.patches, version.codes)
    plain = other.plain(hooks)
    right = {p: truth.adjoints[record.parameters[p]] for p in other.sources.found}
    scale = scale_of(right.values())
    return all(close(plain.gradients.get(p), v, scale) for p, v in right.items())


class Seeker:
    """A subject recorded once more, so that every value at a slot has numbers of its own."""

    def __init__(
        self, found: Examination, runner: Runner, record: Record, truth: Truth, rules: Rules,
        loss: float,
    ) -> None:  # fmt: skip
        self.found, self.runner, self.rules, self.loss = found, runner, rules, loss
        self.both = in_both_passes(record, truth)
        backward = backward_slots(runner, record, truth) - self.both
        self.moves = moves_beside(backward, runner.code.program, record, truth) - self.both
        self.moves |= naming(backward, runner.code.program, record, truth) - self.both
        self.backward = frozenset(backward | self.moves)
        self.minted = frozenset(self.backward - _shared(record))
        again = runner.recorded(self.minted, chains=True)
        if not _same(record, again):
            self.minted = frozenset()
            again = runner.recorded(self.minted, chains=True)
        self.record = again
        self.truth = Truth.of(again.graph, again.seeds, rules)
        self.named = [s.provenance for s in again.seen if self.truth.of_forward(s.provenance)]
        self.table = Table(self.truth, self.named)
        values = [again.graph.values(s.provenance) for s in again.seen if s.slot in self.backward]
        begins = bool(again.upstream)  # from a gradient that is given, so it has no factor
        self.factor = 1.0 if begins else self.table.common_factor(fingerprints(values))

    def search(self, factor: float | None = None) -> Search:
        """Look for what makes all gradients right, times a factor that they may have in common."""
        factor = self.factor if factor is None else factor
        table = self.table if factor == 1.0 else Table(self.truth, self.named, factor)
        right = {p: factor * v for p, v in self.found.true.items()}
        return Search(Case(
            self.runner, self.truth, self.record, right, self.rules, table, self.backward,
            self.minted, self.both, self.moves, self.loss,
        ))  # fmt: skip


def backward_slots(runner: Runner, record: Record, truth: Truth) -> set[int]:
    """Slots whose values the loss does not depend on, with the others of their statements."""
    slots = runner.code.program.slots
    end = max(int(places.max()) for places, _ in record.seeds)
    before = {id(slots[s.slot].statement.scope) for s in record.seen if s.size <= end + 1}
    late = {s.slot for s in record.seen if s.size > end + 1}
    found = {n for n in late if id(slots[n].statement.scope) not in before}
    statements = set()
    for s in record.seen:
        if not truth.of_forward(s.provenance):
            found.add(s.slot)
            statements.add(slots[s.slot].statement.number)
    found |= {s.slot for s in record.seen if slots[s.slot].statement.number in statements}
    found |= _constants(found, slots, {s.slot for s in record.seen})
    return found | {s.number for s in slots if s.after in found}


def in_both_passes(record: Record, truth: Truth) -> set[int]:
    """Slots of functions that the forward pass calls too: a change there changes the loss."""
    forward, backward = set(), set()
    for s in record.seen:
        if not truth.of_forward(s.provenance):
            backward.add(s.slot)
        elif int(s.provenance.max()) >= s.size - 1:  # it was computed there
            forward.add(s.slot)
    return forward & backward


def moves_beside(backward: set[int], program: Program, record: Record, truth: Truth) -> set[int]:
    """Slots that only name a forward value, in a block with some of the backward pass."""
    blocks = {id(program.slots[n].statement.node) for n in backward}
    beside: set[int] = set()
    for tree in program.trees.values():
        for node in ast.walk(tree):
            for name in ("body", "orelse"):
                block = getattr(node, name, None)
                if isinstance(block, list) and blocks & set(map(id, block)):
                    beside |= set(map(id, block))
    computed = {s.slot for s in record.seen if int(s.provenance.max()) >= s.size - 1}
    names = (ast.Name, ast.Attribute, ast.Subscript)
    return {
        s.slot
        for s in record.seen
        if s.slot not in backward | computed
        and isinstance(program.slots[s.slot].expression, names)
        and id(program.slots[s.slot].statement.node) in beside
        and truth.of_forward(s.provenance)
    }


def naming(backward: set[int], program: Program, record: Record, truth: Truth) -> set[int]:
    """Slots of the backward pass that do nothing but name a part of a forward value."""
    others = {s.slot for s in record.seen if not truth.of_forward(s.provenance)}
    return {
        s.slot
        for s in record.seen
        if s.slot in backward - others
        and program.slots[s.slot].kind == "value"
        and isinstance(program.slots[s.slot].expression, ast.Attribute | ast.Subscript)
    }


def _constants(found: set[int], slots: Sequence[Slot], seen: set[int]) -> set[int]:
    """Slots behind the first of these in the same function whose values are plain numbers."""
    first: dict[int, int] = {}
    for number in sorted(found, reverse=True):
        if slots[number].statement.scope is not None:
            first[id(slots[number].statement.scope)] = number
    values = ("value", "element", "argument", "return")
    return {
        s.number
        for s in slots
        if s.number not in seen
        and s.kind in values
        and s.number > first.get(id(s.statement.scope), len(slots))
        and not isinstance(s.expression, ast.Constant)
    }


def _hold(found: Examination, runner: Runner, record: Record, truth: Truth) -> None:
    """Count the lines of the backward pass whose values are known to be true."""
    backward = backward_slots(runner, record, truth)
    named = [s.provenance for s in record.seen if truth.of_forward(s.provenance)]
    seen = [s for s in record.seen if s.slot in backward]
    if not seen:
        return
    values = [record.graph.values(s.provenance) for s in seen]
    states, _, _ = Table(truth, named).states(fingerprints(values))
    known = np.isin(states, (EXACT, PARTIAL))
    places = np.array([s.slot for s in seen])
    slots = runner.code.program.slots
    held = {
        (slots[n].statement.file, slots[n].statement.line)
        for n in np.unique(places)
        if known[places == n].all()
    }
    found.held = len(held)
    every = {(slots[n].statement.file, slots[n].statement.line) for n in places}
    found.unheld = sorted(line for _, line in every - held)


def _shared(record: Record) -> set[int]:
    """Slots whose values are written into later, under this name or another."""
    writes = np.array(record.writes, dtype=np.int64).reshape(-1, 3)
    found = set()
    for s in record.seen:
        if s.slot not in found:
            later = writes[:, 2] >= s.size
            if ((writes[:, 0] < s.span[1]) & (writes[:, 1] > s.span[0]) & later).any():
                found.add(s.slot)
    return found


def _same(left: Record, right: Record) -> bool:
    for path, places in left.gradients.items():
        a, b = left.graph.values(places), right.graph.values(right.gradients[path])
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=1e-300, equal_nan=True):
            return False
    return True
