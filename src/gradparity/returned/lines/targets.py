"""What to look for among the arrays that a subject's lines made: the wrong quantities."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS
from gradparity.lstm.film import Array, Film
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import Gradients
from gradparity.returned.search.explanation import B3, B5, B11, Explanation
from lstm_spec import GATES

UPSTREAM = {"dh", "dC", "number"}
_PARTS = {"B2": ["h"], "B9": ["h", "x"]}  # what a delta is paired with


def targets(
    key: Key, explanation: Explanation, film: Film, grads: Gradients, slot: str | None = None
) -> Iterator[tuple[list[Array], bool]]:
    """What to look for, the most telling first, and whether the last line that has it counts.

    With a slot, only what is wrong there counts.
    """
    plan = Plan(explanation.mistakes)
    wrong = {
        m.slot: m.form for m in explanation.mistakes if m.key == key and slot in (None, m.slot)
    }
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
        yield [grads["dh0"]], False
    elif (key, *(form.code for form in wrong.values())) in ((B11, "0"), (B5, "0")):
        yield [film["dC"][t] for t in steps[:-1] or steps], False
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
    ones = {name for name in slots if plan.form(key, name).code == "1"}
    for some in subsets(slots):
        if (wrong & set(some) or not wrong) and set(some) - UPSTREAM - ones:
            yield from multiplied(key, some, plan, film)


def subsets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every choice of some names, at least one, the smaller ones first."""
    for size in range(1, len(names) + 1):
        yield from combinations(names, size)


def multiplied(key: Key, some: Sequence[str], plan: Plan, film: Film) -> Iterator[Array]:
    """The product of some of an equation's factors, at every step."""
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
        gates = [key, *(("B9", k) for k in GATES)] if key[0] == "B9" else [key]
        terms = []
        for t in range(film.time):
            of_gates = [_bias_term(k, plan, film, t) for k in gates]
            terms += [of_gates[0], np.concatenate(of_gates[1:] or of_gates)]
        yield [term for term in terms if np.any(term)]
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


def _contribution(key: Key, parts: Sequence[str], plan: Plan, film: Film, t: int) -> Array:
    """What one step adds to a gate's weights, or to some columns of them."""
    delta = film["dv"][t] if key[0] == "B2" else plan.value(key, "delta", film, t)
    weight = plan.value(key, "number", film, t) * plan.value(key, "steps", film, t)
    paired = np.concatenate([plan.value(key, part, film, t) for part in parts])
    return weight * delta @ paired.T


def _bias_term(key: Key, plan: Plan, film: Film, t: int) -> Array:
    """What one step adds to a bias."""
    delta = film["dv"][t] if key[0] == "B2" else plan.value(key, "bias delta", film, t)
    weight = plan.value(key, "bias number", film, t) * plan.value(key, "bias steps", film, t)
    return (weight * delta).sum(axis=1)


def _sent_back(key: Key, plan: Plan, film: Film) -> Iterator[Array]:
    """A gate's wrong term, alone and added to others."""
    hidden = film["h"].shape[1]
    for t in range(film.time):
        terms = {}
        for gate in GATES:
            own = ("B10", gate)
            weight = plan.value(own, "number", film, t) * plan.value(own, "W", film, t)
            terms[gate] = weight.T @ plan.value(own, "delta", film, t)
        for some in subsets(GATES):
            if key[1] in some:
                total = np.sum([terms[k] for k in some], axis=0)
                yield from (
                    part for part in (total, total[:hidden], total[hidden:]) if np.any(part)
                )
