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

from gradparity.diagnosis.explanation import B5, B11, GATE_KEYS, Explanation
from gradparity.diagnosis.findings import Finding, Location
from gradparity.diagnosis.replay import apply
from gradparity.diagnosis.search import Search
from gradparity.diagnosis.targets import UPSTREAM, multiplied, subsets, targets
from gradparity.diagnosis.trace import Event
from gradparity.equations import EQUATIONS, Key
from gradparity.film import Array, Film
from gradparity.simulate import Plan
from lstm_spec import GATES

LINE_ORDER = (GATE_KEYS["o"], B5, *(GATE_KEYS[gate] for gate in "gif"), B11)
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
    search: Search,
    explanation: Explanation,
    number: int,
    events: Sequence[Event],
) -> list[Finding]:
    """Findings with the line that computed each, where it was found.

    Args:
        findings: of the explanation.
        search, explanation: what was found.
        number: which of the close probes was traced.
        events: what its lines did.
    """
    call = search.close[number]
    grads, film = apply(explanation, call, number)
    marked = [(event, _marks_of(event)) for event in events]
    forward, products = _innocent(film, explanation)
    deltas = _matrix([_mark(d) for k in GATES for d in film[f"da_{k}"]])
    located = []
    for finding in findings:
        key = (finding.equation, "v" if finding.gate == "W_v" else finding.gate)
        line = None
        for wanted, last in targets(key, explanation, film, grads):
            marks = _matrix([_mark(t) for t in wanted if t.size > 1])
            marks = marks[~_among(marks, forward)]
            summed = deltas if finding.equation == "B9" else deltas[:0]
            line = None if last else _named(marked, marks, finding.gate, summed)
            if line is not None:
                break
            # What another equation rightly computes as well: theirs comes before, or after.
            before, after = (
                _among(
                    marks,
                    _matrix([m for k in products if _before(k, key) is side for m in products[k]]),
                )
                for side in (True, False)
            )
            line = _matching(marked, marks[~before & ~after] if not last else marks, last)
            line = line or _matching(marked, marks[before], True)
            line = line or _matching(marked, marks[after], False)
            if line is not None:
                break
        located.append(replace(finding, location=line))
    return located


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
