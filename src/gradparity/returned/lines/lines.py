"""Which line computed the wrong quantity: traced arrays, recognised by their values.

What an explanation says was computed (products of an equation's factors, with the wrong
one among them) is compared with what each line made. Random float64 arrays do not
collide, so two sums over an array's entries tell it, whatever its orientation.
"""

import linecache
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS
from gradparity.lstm.film import Array, Film
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import Gradients
from gradparity.returned.lines.targets import UPSTREAM, multiplied, subsets, targets
from gradparity.returned.lines.trace import Event
from gradparity.returned.report.findings import Finding, Location
from gradparity.returned.search.explanation import B5, B11, GATE_KEYS, Explanation
from gradparity.returned.search.replay import Call, apply
from lstm_spec import GATES

LINE_ORDER = (GATE_KEYS["o"], B5, *(GATE_KEYS[gate] for gate in "gif"), B11)
BY_FACTOR = ("B4", "B5", "B6", "B7", "B8")  # equations whose factors may stand in several lines
CLOSE = 1e-7
GATE_WORDS = {  # what people call a gate, behind a d for its adjoint
    "f": frozenset({"f", "forget"}),
    "i": frozenset({"i", "in", "input"}),
    "g": frozenset({"g", "cand", "candidate", "cell"}),
    "o": frozenset({"o", "out", "output"}),
}
Mark = tuple[int, float, float]  # entries, sum, sum of squares


def locate(
    findings: Sequence[Finding],
    explanation: Explanation,
    call: Call,
    events: Sequence[Event],
) -> list[Finding]:
    """Findings with the lines that computed each, where they were found.

    Args:
        findings: of the explanation.
        explanation: what was found.
        call: the one that was traced.
        events: what its lines did.
    """
    locator = _Locator(*apply(explanation, call), explanation, events)
    located = []
    for finding in findings:
        key = (finding.equation, "v" if finding.gate == "W_v" else finding.gate)
        first = locator.line(key)
        slots = [m.slot for m in explanation.mistakes if m.key == key and key[0] in BY_FACTOR]
        others = [locator.line(key, slot) for slot in slots if len(slots) > 1]
        distinct = {place.line: place for place in others if place and place != first}
        located.append(replace(finding, location=first, also=tuple(distinct.values())))
    return located


class _Locator:
    """What a subject's lines did, and what they might rightly have done."""

    def __init__(
        self,
        grads: Gradients,
        film: Film,
        explanation: Explanation,
        events: Sequence[Event],
    ) -> None:
        self.grads, self.film, self.explanation = grads, film, explanation
        self.marked = [(event, _marks_of(event)) for event in events]
        self.forward, self.products = _innocent(film, explanation)
        self.deltas = _matrix([_mark(d) for k in GATES for d in film[f"da_{k}"]])

    def line(self, key: Key, slot: str | None = None) -> Location | None:
        """The line that computed what is wrong with an equation, or with one of its factors."""
        for wanted, last in targets(key, self.explanation, self.film, self.grads, slot):
            marks = _matrix([_mark(t) for t in wanted if t.size > 1])
            marks = marks[~_among(marks, self.forward)]
            found = self._called(key, marks, last) or self._made(key, marks, last)
            if found is not None:
                return found
        return None

    def _called(self, key: Key, marks: np.ndarray, last: bool) -> Location | None:
        summed = self.deltas if key[0] == "B9" else self.deltas[:0]
        return None if last else _named(self.marked, marks, key[1], summed)

    def _made(self, key: Key, marks: np.ndarray, last: bool) -> Location | None:
        """By value; what another equation rightly computes as well comes before, or after."""
        before, after = (
            _among(marks, _matrix([m for k in self.products if _before(k, key) is side
                                   for m in self.products[k]]))
            for side in (True, False)
        )  # fmt: skip
        own = marks if last else marks[~before & ~after]
        return (
            _matching(self.marked, own, last)
            or _matching(self.marked, marks[before], True)
            or _matching(self.marked, marks[after], False)
        )


def _innocent(film: Film, explanation: Explanation) -> tuple[np.ndarray, dict[Key, list[Mark]]]:
    """Marks of the forward pass, and by equation of products of factors that are right."""
    forward = [
        _mark(array[t])
        for symbol, array in film.values.items()
        if not symbol.startswith("d") and symbol not in ("mask", "x")
        for t in range(film.time)
        if array[t].size > 1
    ]
    plan, products = Plan(explanation.mistakes), {}
    wrong = {(m.key, m.slot) for m in explanation.mistakes}
    for key in LINE_ORDER:
        right = [s.name for s in EQUATIONS[key].slots if (key, s.name) not in wrong]
        telling = [some for some in subsets(right) if not set(some) <= UPSTREAM]
        products[key] = [_mark(a) for some in telling for a in multiplied(key, some, plan, film)]
    return _matrix(forward), products


def _before(key: Key, other: Key) -> bool | None:
    """Whether an equation usually stands before another one; None for the same."""
    if key == other:
        return None
    order = {k: n for n, k in enumerate(LINE_ORDER)}
    return order[key] < order.get(other, len(order))


def _mark(array: Array) -> Mark:
    flat = np.asarray(array, float).ravel()
    return flat.size, float(flat.sum()), float(flat @ flat)


def _marks_of(event: Event) -> np.ndarray:
    """Marks of an array, of what a line changed in it, and of its quarters."""
    arrays = [event.new]
    if event.old is not None:
        changed = event.new != event.old
        arrays += [event.new[changed], (event.new - event.old)[changed], event.new - event.old]
    for axis, length in enumerate(event.new.shape):
        if length % 4 == 0:
            arrays += np.split(event.new, 4, axis=axis)
            if event.old is not None:
                arrays += np.split(event.new - event.old, 4, axis=axis)
    return _matrix([_mark(a) for a in arrays if a.size > 1])


def _matrix(marks: Sequence[Mark]) -> np.ndarray:
    return np.array(marks, float).reshape(-1, 3)


def _among(marks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each mark, whether it is one of the others."""
    if not len(marks) or not len(others):
        return np.zeros(len(marks), bool)
    size = marks[:, None, 0] == others[None, :, 0]
    scale = np.sqrt(np.abs(marks[:, 2]) * np.maximum(marks[:, 0], 1)) + 1e-300
    total = np.abs(marks[:, None, 1] - others[None, :, 1]) <= CLOSE * scale[:, None]
    square = np.abs(marks[:, None, 2] - others[None, :, 2]) <= CLOSE * np.abs(marks[:, None, 2])
    return (size & total & square & (marks[:, None, 2] > 0)).any(axis=1)


def _named(
    marked: Sequence[tuple[Event, np.ndarray]], targets: np.ndarray, gate: str, deltas: np.ndarray
) -> Location | None:
    """The first line that made one of the targets and calls it after the gate.

    A sum of one term equals it, so a line that made a delta gives way to the next one.
    """
    words, summed = GATE_WORDS.get(gate, frozenset()), None
    for event, marks in marked if len(targets) and words else ():
        name = {word.removeprefix("d") for word in re.findall("[a-z]+", event.name.lower())}
        if not name & words or not _among(marks, targets).any():
            continue
        if summed is None and _among(marks[:1], deltas).any():
            summed = event
        elif summed is None or event.line != summed.line:
            return _location(event.file, event.line)
    return None if summed is None else _location(summed.file, summed.line)


def _matching(
    marked: Sequence[tuple[Event, np.ndarray]], targets: np.ndarray, last: bool
) -> Location | None:
    """The first line that made one of the targets, or the last that made it as a whole array."""
    found = None
    for event, marks in marked if len(targets) else ():
        first_sum = event.old is not None and not event.old.any()
        if last and first_sum:
            continue  # a sum that has one term yet is no new quantity
        if found and event.function != found.function:
            continue
        if _among(marks[:1] if last else marks, targets).any():
            found = event
            if not last:
                break
    return None if found is None else _location(found.file, found.line)


def _location(file: str, line: int) -> Location:
    around = tuple(
        (n, linecache.getline(file, n).rstrip("\n")) for n in range(max(1, line - 1), line + 2)
    )
    return Location(file, line, linecache.getline(file, line).strip(), around)
