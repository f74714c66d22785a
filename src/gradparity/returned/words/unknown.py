"""Findings whose cause is not known: the equation, and theirs beside what is right."""

from collections.abc import Sequence

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, QUANTITIES
from gradparity.lstm.film import Array
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import shared, synthesize
from gradparity.returned.report.findings import Finding, gate_word, name_of
from gradparity.returned.search.case import Case
from gradparity.returned.search.explanation import Explanation
from gradparity.returned.search.replay import apply


def unknown(case: Case, best: Explanation, key: Key) -> Finding:
    """What can be said of an equation that no form fits: where it fails, and by how much."""
    if key[0] in ("B2", "B9"):
        return _unknown_sum(case, best, key)
    freed = [p for p in best.parts if p in ("dx", "dh0", "dC0")]
    if freed and not best.given:
        return _unknown_input(case, best, key, freed)
    theirs, right = [], []
    for call in case.close:
        made, own = apply(best, call, keep=True)[1], apply(best, call)[1]
        symbol = QUANTITIES.get(key[0], "dh" if key[0] == "B10" else "dC")
        symbol = {"B10": "dh", "B11": "dC"}.get(key[0], symbol)
        theirs.append(own[symbol])
        right.append(made[symbol])
    times, ratio, gap = _compared(case, theirs, right)
    factor = _constant(ratio)
    name = f"{name_of(key)}: {EQUATIONS[key].formula.splitlines()[0]}"
    if factor is not None:
        return Finding(
            key[0], gate_word(key), times, f"{factor:.6g} × the right value",
            f"a factor {factor:.6g}", True,
        )  # fmt: skip
    middle = float(np.median(ratio[np.isfinite(ratio)])) if np.isfinite(ratio).any() else np.nan
    return Finding(
        key[0], gate_word(key), times, f"cause not known ({name})",
        _distance(middle, gap), False,
    )  # fmt: skip


def _unknown_input(case: Case, best: Explanation, key: Key, leaves: Sequence[str]) -> Finding:
    """What can be said of a wrong gradient by an input."""
    pairs = [
        (call.grads[leaf], apply(best, call, keep=True)[0][leaf])
        for call in case.close
        for leaf in leaves
    ]
    with np.errstate(all="ignore"):
        ratios = np.concatenate([(a / b).ravel() for a, b in pairs])
    factor, name = _constant(ratios), ", ".join(leaves)
    if factor is not None:
        what = f"{name} is {factor:.6g} × the right value"
        return Finding(key[0], gate_word(key), (), what, f"a factor {factor:.6g}", True)
    gap = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    return Finding(
        key[0], gate_word(key), (), f"cause not known ({name})",
        f"the gradient {name} is off by {gap:.2g} of its largest value", False,
    )  # fmt: skip


def _unknown_sum(case: Case, best: Explanation, key: Key) -> Finding:
    parts = [p.partition(":")[2] for p in best.parts if p.startswith(f"{key[1]}:")]
    names = {"h": "what multiplies h", "x": "what multiplies x", "b": "the bias's"}
    which = ", ".join(names.get(p, p) for p in parts)
    return Finding(
        key[0], gate_word(key), (), f"cause not known ({which})",
        f"{EQUATIONS[key].name}: the sum over time steps is not that of any known form", False,
    )  # fmt: skip


def _distance(middle: float, gap: float) -> str:
    """How far a quantity is from right, by its median ratio and its largest relative error."""
    share = f"{100 * gap:.2g}" if gap < 0.1 else f"{100 * gap:.0f}"
    off = f"off by up to {share} % of the largest right value"
    if abs(middle - 1) < 0.01:
        return f"right, or nearly, at a typical entry, but {off} at others"
    if not np.isfinite(middle):
        return off
    return f"about {middle:.2g} times the right value at a typical entry, {off}"


def _compared(
    case: Case, theirs: list[Array], right: list[Array]
) -> tuple[tuple[int, ...], Array, float]:
    """Steps of the longest probe that differ, ratios where they do, the largest difference."""
    with np.errstate(all="ignore"):
        ratios = np.concatenate([(a / b).ravel() for a, b in zip(theirs, right, strict=True)])
    gap, scale = 0.0, 1e-300
    for a, b in zip(theirs, right, strict=True):
        gap, scale = max(gap, float(np.abs(a - b).max())), max(scale, float(np.abs(b).max()))
    n = max(range(len(theirs)), key=lambda n: len(theirs[n]))
    allowed = 10 * case.tolerance * max(np.abs(right[n]).max(), np.abs(theirs[n]).max())
    apart = np.abs(theirs[n] - right[n]).reshape(len(theirs[n]), -1).max(axis=1) > allowed
    return tuple(int(t) for t in np.flatnonzero(apart)), ratios, gap / scale


def _constant(ratios: Array) -> float | None:
    known = ratios[np.isfinite(ratios)]
    if len(known) and np.ptp(known) <= 1e-6 * np.abs(known).max():
        return float(known[0])
    return None


def nothing_fits(case: Case) -> Finding:
    """The leaves that are wrong, when no explanation reproduces them."""
    wrong: list[str] = []
    for call in case.calls:
        true = synthesize(call.probe, Plan(), call.film)[0]
        for path, grad in call.grads.items():
            expected = true[shared(path)]
            if np.abs(grad - expected).max() > case.tolerance * np.abs(expected).max():
                wrong.append(path)
    leaves = ", ".join(dict.fromkeys(wrong))
    return Finding(
        "", "", (), f"wrong gradients: {leaves}",
        "no combination of known mistakes reproduces them, so no equation is blamed", False,
    )  # fmt: skip
