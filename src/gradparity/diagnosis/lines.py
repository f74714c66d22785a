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

from gradparity.diagnosis.chain import B3, B5, Explanation
from gradparity.diagnosis.findings import Finding, Location
from gradparity.diagnosis.probes import Gradients
from gradparity.diagnosis.search import Search, apply
from gradparity.diagnosis.trace import Event
from gradparity.equations import EQUATIONS, Key
from gradparity.film import Array, Film
from gradparity.simulate import Plan
from lstm_spec import GATES

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
    innocent = _matrix([_mark(a) for a in _right_values(film, explanation)])
    located = []
    for finding in findings:
        key = (finding.equation, "v" if finding.gate == "W_v" else finding.gate)
        line = None
        for targets in _targets(key, explanation, film, grads):
            marks = _matrix([_mark(t) for t in targets])
            line = _first(marked, marks[~_among(marks, innocent)] if len(innocent) else marks)
            if line is not None:
                break
        located.append(replace(finding, location=line))
    return located


def _targets(
    key: Key, explanation: Explanation, film: Film, grads: Gradients
) -> Iterator[list[Array]]:
    """What to look for, the most telling first."""
    plan = Plan(explanation.mistakes)
    wrong = {m.slot for m in explanation.mistakes if m.key == key}
    steps = range(film.time)
    if key[0] in ("B2", "B9"):
        yield from _summed(key, plan, film, grads)
    elif key[0] == "B10":
        if key[1]:
            yield from _sent_back(key, plan, film)
        yield [film["dz"][t][: film["h"].shape[1]] for t in steps] if "number" in wrong else []
        yield [film["dh"][t] for t in steps[:-1]]
    elif key[0] == "B11" and not wrong - {"dC"} and plan.form(key, "dC").code != "dC":
        yield [film["dC"][t] for t in steps[:-1]]
    elif key == B3:
        yield [film["dh_out"][t] for t in steps]
        yield [film["dh"][t] for t in steps]
    elif key in EQUATIONS:
        yield list(_products(key, plan, film, wrong))
        result = {("B1", "v"): "dv", B5: "dC"}.get(key, f"da_{key[1]}")
        yield [film[result][t] for t in steps] if result in film.values else []


def _products(key: Key, plan: Plan, film: Film, wrong: set[str]) -> Iterator[Array]:
    """Every product of factors that holds a wrong one."""
    slots = [slot.name for slot in EQUATIONS[key].slots]
    with np.errstate(all="ignore"):
        for size in range(1, len(slots) + 1):
            for some in combinations(slots, size):
                if not wrong & set(some) and wrong:
                    continue
                for t in range(film.time):
                    value = np.asarray(1.0)
                    for name in some:
                        value = value * plan.value(key, name, film, t)
                    if value.size > 1:
                        yield value


def _summed(key: Key, plan: Plan, film: Film, grads: Gradients) -> Iterator[list[Array]]:
    """One step's contribution to a sum over time, with what it is paired with; then the sum."""
    contributions, pairs = [], []
    for t in range(film.time):
        paired = _paired(key, plan, film, t)
        delta = film["dv"][t] if key[0] == "B2" else plan.value(key, "delta", film, t)
        weight = plan.value(key, "number", film, t) * plan.value(key, "steps", film, t)
        whole = weight * delta @ np.concatenate(paired).T
        contributions += [whole, *(weight * delta @ p.T for p in paired)]
        if key[0] == "B9":
            contributions.append(_all_gates(plan, film, t))
        pairs += [weight * delta] if weight != 1 else []
    names = (
        ("W_v", "b_v") if key[0] == "B2" else (f"W_{key[1]}[h]", f"W_{key[1]}[x]", f"b_{key[1]}")
    )
    sums = [grads[n] for n in names]
    yield contributions
    if key[0] == "B9":
        sums += [np.concatenate(sums[:2], axis=1)]
        sums += [np.concatenate([grads[f"W_{k}[{p}]"] for k in GATES]) for p in "hx"]
    yield [s for s in sums if s.size > 1]


def _paired(key: Key, plan: Plan, film: Film, t: int) -> list[Array]:
    if key[0] == "B2":
        return [plan.value(key, "h", film, t)]
    return [plan.value(key, "h", film, t), plan.value(key, "x", film, t)]


def _all_gates(plan: Plan, film: Film, t: int) -> Array:
    """One step's contribution to all gates' weights, as fused code adds it."""
    blocks = []
    for gate in GATES:
        key = ("B9", gate)
        paired = np.concatenate(_paired(key, plan, film, t))
        weight = plan.value(key, "number", film, t) * plan.value(key, "steps", film, t)
        blocks.append(weight * plan.value(key, "delta", film, t) @ paired.T)
    return np.concatenate(blocks)


def _sent_back(key: Key, plan: Plan, film: Film) -> Iterator[list[Array]]:
    """A gate's wrong term, alone and added to others."""
    hidden, found = film["h"].shape[1], []
    for t in range(film.time):
        terms = {}
        for gate in GATES:
            own = ("B10", gate)
            weight = plan.value(own, "number", film, t) * plan.value(own, "W", film, t)
            terms[gate] = weight.T @ plan.value(own, "delta", film, t)
        for size in range(1, 5):
            for some in combinations(GATES, size):
                if key[1] in some:
                    total = np.sum([terms[k] for k in some], axis=0)
                    found += [total, total[:hidden], total[hidden:]]
    yield [f for f in found if np.any(f)]


def _right_values(film: Film, explanation: Explanation) -> list[Array]:
    """Quantities of the forward pass, which nobody is blamed for computing."""
    symbols = [s for s in film.values if not s.startswith("d") and s not in ("mask", "x")]
    arrays = [film[s][t] for s in symbols for t in range(film.time)]
    return [a for a in arrays if a.size > 1]


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


def _first(marked: Sequence[tuple[Event, np.ndarray]], targets: np.ndarray) -> Location | None:
    for event, marks in marked:
        if len(targets) and _among(marks, targets).any():
            return _location(event.file, event.line)
    return None


def _location(file: str, line: int) -> Location:
    around = tuple(
        (n, linecache.getline(file, n).rstrip("\n")) for n in range(max(1, line - 1), line + 2)
    )
    return Location(file, line, linecache.getline(file, line).strip(), around)
