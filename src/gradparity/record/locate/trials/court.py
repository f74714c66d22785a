"""Judges repairs by running the subject with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradparity.record.frontend.hooks import Hooks
from gradparity.record.graph.nodes import Array
from gradparity.record.graph.truth import close, scale_of
from gradparity.record.locate import clock
from gradparity.record.locate.known.recognise import (
    EXACT,
    PARTIAL,
    WORTHS,
    Table,
    distributions,
    fingerprints,
)
from gradparity.record.locate.trials.grants import Grant
from gradparity.record.locate.trials.probe import Trial
from gradparity.record.locate.trials.repairs import (
    IMPOSSIBLE,
    Explanation,
    Repair,
    Version,
    version_of,
)
from gradparity.record.run.runs import Plain, Runner
from gradparity.record.subject.trees import Path

FIRST, SECOND = 0.6, 0.2  # what a slot's first two executions count for, the rest for all
SIMPLER = 0.3  # a value that is known once something is dropped may be a step on the way
LONGER = 10  # times the subject's own length that a changed one may run
MOST_WAITING = 2**20  # entries that are kept until their fingerprints are taken
AGAIN = 0.1  # what a quantity is worth that has been there before


class EndlessError(Exception):
    """A changed subject runs on and on."""


class Counted(Hooks):
    """Stops a subject that passes more slots than it may."""

    def __init__(self, runner: Runner, version: Version, most: float) -> None:
        super().__init__(runner.code.program, runner.code.files, version.patches, version.codes)
        self.passed, self.most = 0, most

    def s(self, number: int, value: Any) -> Any:
        """Count, and let pass."""
        self.passed += 1
        if self.passed > self.most:
            raise EndlessError
        return value


class Watch(Counted):
    """Keeps the fingerprint of every value at a slot."""

    def __init__(
        self, runner: Runner, version: Version, slots: frozenset[int], most: float
    ) -> None:
        super().__init__(runner, version, most)
        self.slots = slots
        self.keys: list[int] = []
        self._waiting: list[Array] = []
        self._entries = 0
        self._taken: list[Array] = []

    def s(self, number: int, value: Any) -> Any:
        """Note a value."""
        super().s(number, value)
        if number in self.slots:
            for part in value if isinstance(value, tuple) else (value,):
                self._note(number, part)
        return value

    def after(self, number: int, value: Any) -> None:
        """Note what an assignment in place has made."""
        if number in self.slots:
            self._note(number, value)

    def _note(self, number: int, value: Any) -> None:
        array = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size
        if array or isinstance(value, float | np.floating):
            self.keys.append(number)
            self._waiting.append(np.array(value, dtype=np.float64))
            self._entries += self._waiting[-1].size
            if self._entries > MOST_WAITING:
                self._take()

    def _take(self) -> None:
        """Take the fingerprints of what is waiting: of many at once they cost little."""
        self._taken.append(fingerprints(self._waiting))
        self._waiting, self._entries = [], 0

    def prints(self) -> Array:
        """`(values, 4)` the fingerprints, in order."""
        self._take()
        return np.concatenate(self._taken)


class Court:
    """Runs the subject with repairs, and says what becomes right and what is recognised.

    Args:
        runner: of the subject.
        right: the right gradients.
        table: true quantities.
        backward: slots of the backward pass.
        loss: what the forward pass yields, and has to go on yielding.
        moves: slots that only name a forward value, which is true as it is.
    """

    def __init__(
        self,
        runner: Runner,
        right: dict[Path, Array],
        table: Table,
        backward: frozenset[int],
        loss: float,
        moves: set[int],
    ) -> None:
        self.moves = moves
        self.runner, self.right, self.table = runner, right, table
        self.backward, self.loss = backward, loss
        self.scale = scale_of(right.values())
        self.pace = 0.01
        self.most = float("inf")

    def version(self, trials: Sequence[Repair]) -> Version:
        """The subject with some repairs."""
        return version_of(self.runner.code, trials, self.runner.base)

    def evaluated(self, trials: Sequence[Repair]) -> Explanation:
        """Run the subject with repairs, and see what has become right and known."""
        start = clock.now()
        try:
            watch = Watch(self.runner, self.version(trials), self.backward, self.most)
            plain = self.runner.plain(watch)
        except Exception:
            return Explanation(list(trials), frozenset(), IMPOSSIBLE)
        if self.most == float("inf"):
            self.most = LONGER * watch.passed + 1000
        self.pace += 0.1 * (clock.now() - start - self.pace)
        if not self._same_loss(plain):
            return Explanation(list(trials), frozenset(), IMPOSSIBLE)
        right, prints = self._right(plain), watch.prints()
        score, own = self._scores(trials, np.array(watch.keys), prints)
        made = _made(trials, np.array(watch.keys), prints)
        return Explanation(list(trials), right, score, own, len(right) == len(self.right), made)

    def right_with(self, trials: Sequence[Repair]) -> frozenset[Path]:
        """Which gradients are right with some repairs."""
        try:
            plain = self.runner.plain(Counted(self.runner, self.version(trials), self.most))
        except Exception:
            return frozenset()
        return self._right(plain) if self._same_loss(plain) else frozenset()

    def _right(self, plain: Plain) -> frozenset[Path]:
        return frozenset(p for p, v in self.right.items() if self.equal(plain.gradients.get(p), v))

    def _same_loss(self, plain: Plain) -> bool:
        """Whether the forward pass is what it was: it is what the truth is the truth of."""
        return abs(plain.loss - self.loss) <= 1e-9 * max(abs(self.loss), 1e-300)

    def equal(self, got: Array | None, right: Array) -> bool:
        """Whether a gradient is right."""
        return close(got, right, self.scale)

    def _scores(self, trials: Sequence[Repair], keys: Array, prints: Array) -> tuple[float, float]:
        """How much is recognised, each slot's first values above all; and of the repaired ones.

        A quantity counts where it appears first: another name for it is no achievement.
        """
        if not len(keys):
            return 0.0, 0.0
        states, _, _ = self.table.states(prints)
        worth = WORTHS[states]
        # The best of what is alike but for a factor; a quantity and half of it are no two.
        alike = np.round(distributions(prints), 6)
        worth = worth * _once(alike, np.lexsort((np.arange(len(worth)), -worth)))
        simpler = {t.slot.place for t in trials if isinstance(t, Trial) and t.simplifies}
        score = 0.0
        granted = [t.slot.place for t in trials if isinstance(t, Grant)]
        for number in np.setdiff1d(keys, granted):
            each = worth[keys == number]
            known = FIRST * each[0] + SECOND * each[:2].min() + (1 - FIRST - SECOND) * each.mean()
            score += float(known) * (SIMPLER if number in simpler else 1.0)
        known = np.isin(states, (EXACT, PARTIAL)) * _once(alike, np.arange(len(alike)))
        places = [t.slot.place for t in trials if isinstance(t, Trial)]
        rows = [keys == place for place in places if place not in self.moves]
        own = sum(float(known[r].mean()) for r in rows if r.any())
        own += sum(_is_begun(t) for t in trials)
        return score, own + sum(place in self.moves for place in places)


def _made(trials: Sequence[Repair], keys: Array, prints: Array) -> bytes:
    """What the last repair's slot yields, as far as fingerprints tell."""
    if not trials or not isinstance(trials[-1], Trial):
        return b""
    place = trials[-1].slot.place
    return bytes(str(place), "ascii") + prints[keys == place].astype(np.float32).tobytes()


def _is_begun(repair: Repair) -> bool:
    """Whether it is a sum that begins with nothing now."""
    if not isinstance(repair, Trial) or repair.change.key[0] != "function":
        return False
    return repair.change.key[1] in ("zeros", "zeros_like")


def _once(alike: Array, order: Array) -> Array:
    """1 for the first of every kind in an order, little for the others."""
    _, first = np.unique(alike[order], return_index=True)
    found = np.full(len(alike), AGAIN)
    found[order[first]] = 1.0
    return found
