"""Which line computed the wrong quantity: traced arrays, recognised by their values.

What an explanation says was computed (products of an equation's factors, with the wrong
one among them) is compared with what each line made. Random float64 arrays do not
collide, so two sums over an array's entries tell it, whatever its orientation.
"""

import linecache
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from gradparity.diagnosis.explanation import B3, B5, B11, GATE_KEYS, Explanation
from gradparity.diagnosis.findings import Finding, Location
from gradparity.diagnosis.probes import Gradients
from gradparity.diagnosis.replay import apply
from gradparity.diagnosis.search import Search
from gradparity.diagnosis.trace import Event
from gradparity.equations import EQUATIONS, Key
from gradparity.film import Array, Film
from gradparity.simulate import Plan
from lstm_spec import GATES

UPSTREAM = {"dh", "dC", "number"}
LINE_ORDER = (GATE_KEYS["o"], B5, *(GATE_KEYS[gate] for gate in "gif"), B11)
CLOSE = 1e-7
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
    located = []
    for finding in findings:
        key = (finding.equation, "v" if finding.gate == "W_v" else finding.gate)
        line = None
        for targets, last in _targets(key, explanation, film, grads):
            marks = _matrix([_mark(t) for t in targets if t.size > 1])
            marks = marks[~_among(marks, forward)]
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


def _targets(
    key: Key, explanation: Explanation, film: Film, grads: Gradients
) -> Iterator[tuple[list[Array], bool]]:
    """What to look for, the most telling first, and whether the last line that has it counts."""
    plan = Plan(explanation.mistakes)
    wrong = {m.slot: m.form for m in explanation.mistakes if m.key == key}
    steps = range(film.time)
    if key[0] in ("B2", "B9"):
        yield from ((targets, False) for targets in _summed(key, plan, film, grads, set(wrong)))
    elif key[0] == "B10":
        if key[1]:
            yield list(_sent_back(key, plan, film)), False
        if "number" in wrong:
            hidden = film["h"].shape[1]
            factors = [plan.value(key, "number", film, t) for t in steps]
            yield [factors[t] * film["dz"][t][:hidden] for t in steps[1:]], False
        yield [film["dh"][t] for t in steps[:-1]], False
    elif (key, *(form.code for form in wrong.values())) in ((B11, "0"), (B5, "0")):
        yield [film["dC"][t] for t in steps[:-1]], False
    elif key == B3:
        yield [film["dh_out"][t] for t in steps], False
        yield [film["dh"][t] for t in steps], False
    elif key in EQUATIONS:
        result = {("B1", "v"): "dv", B5: "dC_local", B11: ""}.get(key, f"da_{key[1]}")
        left_out = any(form.code == "1" for form in wrong.values())
        if left_out and result in film.values:
            yield [film[result][steps[-1]]], True
        yield list(_products(key, plan, film, set(wrong))), False
        found = "dC" if key == B5 else result
        yield [film[found][t] for t in steps] if found in film.values else [], False


def _products(key: Key, plan: Plan, film: Film, wrong: set[str]) -> Iterator[Array]:
    """Every product of factors that holds a wrong one, and not only what is upstream."""
    slots = [slot.name for slot in EQUATIONS[key].slots]
    for some in _subsets(slots):
        if (wrong & set(some) or not wrong) and set(some) - UPSTREAM:
            yield from _multiplied(key, some, plan, film)


def _subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(names) + 1):
        yield from combinations(names, size)


def _multiplied(key: Key, some: Sequence[str], plan: Plan, film: Film) -> Iterator[Array]:
    with np.errstate(all="ignore"):
        for t in range(film.time):
            value = np.asarray(1.0)
            for name in some:
                value = value * plan.value(key, name, film, t)
            if value.size > 1:
                yield value


def _summed(
    key: Key, plan: Plan, film: Film, grads: Gradients, wrong: set[str]
) -> Iterator[list[Array]]:
    """One step's contribution to a sum over time, with what it is paired with; then the sum."""
    biases = [grads["b_v" if key[0] == "B2" else f"b_{key[1]}"]]
    if wrong and all("bias" in slot for slot in wrong):
        if key[0] == "B9":
            biases.append(np.concatenate([grads[f"b_{k}"] for k in GATES]))
        yield biases
    contributions = []
    named = [part for part in _PARTS[key[0]] if part in wrong] or _PARTS[key[0]]
    gates = [key] if key[0] == "B2" else [key, *(("B9", k) for k in GATES)]
    for t in range(film.time):
        for parts in {tuple(_PARTS[key[0]]), *((p,) for p in named)}:
            each = [_contribution(k, parts, plan, film, t) for k in gates]
            contributions += [each[0], np.concatenate(each[1:] or each)]
    yield [c for c in contributions if np.any(c)]
    if key[0] == "B2":
        yield [grads["W_v"], *biases]
        return
    blocks = [[grads[f"W_{k}[{part}]"] for k in GATES] for part in named]
    own = [grads[f"W_{key[1]}[{part}]"] for part in named]
    yield [*own, np.concatenate(own, axis=1), *map(np.concatenate, blocks), *biases]


_PARTS = {"B2": ["h"], "B9": ["h", "x"]}  # what a delta is paired with


def _contribution(key: Key, parts: Sequence[str], plan: Plan, film: Film, t: int) -> Array:
    """What one step adds to a gate's weights, or to some columns of them."""
    delta = film["dv"][t] if key[0] == "B2" else plan.value(key, "delta", film, t)
    weight = plan.value(key, "number", film, t) * plan.value(key, "steps", film, t)
    paired = np.concatenate([plan.value(key, part, film, t) for part in parts])
    return weight * delta @ paired.T


def _sent_back(key: Key, plan: Plan, film: Film) -> Iterator[Array]:
    """A gate's wrong term, alone and added to others."""
    hidden = film["h"].shape[1]
    for t in range(film.time):
        terms = {}
        for gate in GATES:
            own = ("B10", gate)
            weight = plan.value(own, "number", film, t) * plan.value(own, "W", film, t)
            terms[gate] = weight.T @ plan.value(own, "delta", film, t)
        for some in _subsets(GATES):
            if key[1] in some:
                total = np.sum([terms[k] for k in some], axis=0)
                yield from (
                    part for part in (total, total[:hidden], total[hidden:]) if np.any(part)
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
        telling = [some for some in _subsets(right) if not set(some) <= UPSTREAM]
        products[key] = [_mark(a) for some in telling for a in _multiplied(key, some, plan, film)]
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
