"""From wrong gradients to the statements that are wrong, and what should stand there."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.record.frontend.hooks import Hooks, Patch
from gradparity.record.frontend.source import Slot, with_calls_hooked
from gradparity.record.graph import Array
from gradparity.record.locate.probe import Prober, Trial
from gradparity.record.locate.purity import Purity
from gradparity.record.locate.recognise import WORTH, Table, fingerprints
from gradparity.record.locate.response import Response, respond
from gradparity.record.rules import Rules
from gradparity.record.runs import Plain, Record, Runner
from gradparity.record.subject.trees import Path
from gradparity.record.truth import Truth

RTOL = 1e-6
LEAF_WORTH = 3.0
PER_WORTH = 2.0
FINALISTS = 30
MOST_EDITS = 8


class Watch(Hooks):
    """Keeps the fingerprint of every value at a slot."""

    def __init__(self, runner: Runner, patches: Mapping[int, Patch], slots: frozenset[int]) -> None:
        super().__init__(runner.code.program, runner.code.files, patches)
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
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size or isinstance(value, float | np.floating):
            self.keys.append(number)
            self.values.append(fingerprints([np.asarray(value, dtype=np.float64)])[0])


@dataclass
class Explanation:
    """Changes that put the gradients right, or some of them.

    Attributes:
        trials: the changes.
        right: parameters whose gradients they make right.
        score: how much of the backward pass is recognised under them.
        price: of all changes.
    """

    trials: list[Trial] = field(default_factory=list)
    right: frozenset[Path] = frozenset()
    score: float = 0.0
    plain: Plain | None = None

    @property
    def price(self) -> float:
        """Of all changes together."""
        return sum(t.price for t in self.trials)

    @property
    def total(self) -> float:
        """The smaller, the better."""
        return self.price - PER_WORTH * self.score - LEAF_WORTH * PER_WORTH * len(self.right)


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

    def __post_init__(self) -> None:
        self.pure = Purity(self.runner.code.program)
        self.scale = max((float(np.abs(v).max()) for v in self.right.values()), default=1.0)

    def run(self) -> Explanation:
        """The best explanation that was found."""
        now = self.evaluated([])
        record = self.record
        while len(now.right) < len(self.right) and len(now.trials) < MOST_EDITS:
            following = self.step(now, record)
            if following is None:
                break
            now = following
            if len(now.right) < len(self.right):
                record = self.runner.recorded(self.minted, patches=self.patches(now.trials))
        return now

    def step(self, now: Explanation, record: Record) -> Explanation | None:
        """One more change."""
        truth = self.truth if record is self.record else Truth.of(record.graph, record.seeds, self.rules)
        fitting = {p: v for p, v in self.right.items() if record.gradients[p].shape == v.shape}
        response = respond(record, truth, fitting, self.rules, set(self.backward))
        taken = {t.slot.number for t in now.trials}
        slots = [n for n in self.backward if self._matters(n, response)]
        prober = Prober(
            self.runner.code.program, self.runner.code.files, slots, response, self.pure, self.patches(now.trials)
        )
        self.runner.plain(prober)
        trials = [
            t for (n, _), t in prober.trials.items()
            if n not in taken and t.moved and t.turns == prober.executions.get(n, 0)
        ]
        finalists = self._finalists(trials, response, now)
        best = None
        for trial in finalists:
            found = self.evaluated([*now.trials, trial])
            if best is None or found.total < best.total:
                best = found
        if best is None or best.total >= now.total:
            return None
        return best

    def _matters(self, number: int, response: Response) -> bool:
        slot = self.runner.code.program.slots[number]
        seen = slot.after if slot.after is not None else number
        if slot.kind == "after":
            return False
        return any(k[0] == seen and v.any() for k, v in response.along.items())

    def _finalists(self, trials: Sequence[Trial], response: Response, now: Explanation) -> list[Trial]:
        """The changes most likely to put gradients right, by what they do to first order."""
        if not trials:
            return []
        effects = np.array([t.effect for t in trials])
        left = np.abs(response.wanted - effects)
        fine = left <= 1e-7 * response.scale + 1e-12 * self.scale
        was = np.abs(response.wanted) <= 1e-7 * response.scale + 1e-12 * self.scale
        solved = np.array([[fine[k, rows].all() for rows in response.rows.values()] for k in range(len(trials))])
        before = np.array([was[rows].all() for rows in response.rows.values()])
        gained = (solved & ~before).sum(1)
        lost = (~solved & before).sum(1)
        known = np.array([self._known(t) for t in trials])
        whole = solved.all(1)
        order = sorted(
            range(len(trials)),
            key=lambda k: (not whole[k], trials[k].price - 4.0 * gained[k] + 6.0 * lost[k] - 2.0 * known[k]),
        )
        chosen, seen = [], set()
        for k in order:
            if not whole[k] and not gained[k] and known[k] < 0.99:
                continue
            mark = (trials[k].slot.number, *np.round(effects[k] / (np.abs(effects[k]).max() or 1), 7))
            if mark not in seen:
                seen.add(mark)
                chosen.append(trials[k])
            if len(chosen) >= FINALISTS:
                break
        return chosen

    def _known(self, trial: Trial) -> float:
        """Share of a slot's values under a change that are true quantities."""
        if not trial.prints:
            return 0.0
        states, _, _ = self.table.states(np.array(trial.prints))
        return float(np.mean([WORTH[s] for s in states]))

    def patches(self, trials: Sequence[Trial]) -> dict[int, Patch]:
        """Changes as they are put into a run."""
        return {t.slot.number: patch_of(t) for t in trials}

    def evaluated(self, trials: list[Trial]) -> Explanation:
        """Run the subject with changes, and see what has become right."""
        watch = Watch(self.runner, self.patches(trials), self.backward)
        try:
            plain = self.runner.plain(watch)
        except Exception:
            return Explanation(trials, frozenset(), -1e9)
        right = frozenset(p for p, v in self.right.items() if self.equal(plain.gradients.get(p), v))
        return Explanation(trials, right, self._score(watch), plain)

    def equal(self, got: Array | None, right: Array) -> bool:
        """Whether a gradient is right."""
        if got is None or got.shape != right.shape or not np.isfinite(got).all():
            return False
        size = float(np.abs(right).max()) if right.size else 0.0
        return bool(np.abs(got - right).max(initial=0.0) <= RTOL * max(size, 1e-6 * self.scale))

    def _score(self, watch: Watch) -> float:
        if not watch.values:
            return 0.0
        states, _, _ = self.table.states(np.array(watch.values))
        worth = np.array([WORTH[s] for s in range(len(WORTH))])[states]
        keys = np.array(watch.keys)
        total = 0.0
        for number in np.unique(keys):
            total += float(worth[keys == number].mean())
        return total


def patch_of(trial: Trial) -> Patch:
    """A change as hooks take it."""
    slot: Slot = trial.slot
    file = slot.statement.file
    code = with_calls_hooked(trial.expression(), file)
    if slot.after is None:
        return Patch(code)
    node = slot.statement.node
    assert isinstance(node, ast.AugAssign) and isinstance(trial.root, ast.BinOp)
    return Patch(code, with_calls_hooked(trial.root.left, file), type(node.op).__name__)
