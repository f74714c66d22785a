"""From explanations to findings: what was written, at which gate and steps, in words."""

from collections.abc import Sequence

import numpy as np

from gradparity.diagnosis.bank import Written
from gradparity.diagnosis.explanation import Explanation
from gradparity.diagnosis.findings import Finding, name_of
from gradparity.diagnosis.probes import synthesize
from gradparity.diagnosis.replay import apply
from gradparity.diagnosis.search import Search
from gradparity.equations import EQUATIONS, GATE_EQUATIONS, NUMBERS, Key, Mistake
from gradparity.film import Array, Film
from gradparity.simulate import Plan

Errors = dict[str, tuple[float, ...]]
CARRIES = ("dh_next", "dC_next")  # slots of B3 and B5: what the sum reads of the carry
MAP = {"B1": "dv", "B3": "dh", "B5": "dC", **{n: f"da_{k}" for n, k in GATE_EQUATIONS}, "B10": "dz"}


def finding_list(
    search: Search, explanations: Sequence[Explanation]
) -> tuple[list[Finding], list[str], Errors]:
    """Findings of the best explanation, notes, and the map of errors."""
    if not explanations:
        return [_nothing_fits(search)], [], {}
    best, others = explanations[0], explanations[1:]
    call = max(search.close, key=lambda c: c.probe.time)
    film = apply(best, call, search.close.index(call))[1]
    notes, findings = [], []
    keys = sorted([*best.written, *best.unknown], key=_order)
    for key in dict.fromkeys(keys):
        if key in best.unknown:
            findings.append(_unknown(search, best, key))
            continue
        ways = best.written[key]
        scale = _positive_scale(key, ways[0])
        if scale:
            notes.append(f"besides, all gradients are multiplied by {scale}")
            continue
        for part in _apart(ways):
            findings.append(_known(key, part, film, others, best))
    return findings, notes, error_map(search, best)


def _apart(ways: Sequence[Written]) -> list[tuple[Written, ...]]:
    """A carry that is not read apart from what else is wrong in the equation."""
    carried = [m for m in ways[0].mistakes if m.slot in CARRIES]
    if not carried or len(ways[0].mistakes) == len(carried):
        return [tuple(ways)]
    rest = tuple(Written(tuple(m for m in w.mistakes if m.slot not in CARRIES)) for w in ways)
    return [rest, (Written(tuple(carried)),)]


def _order(key: Key) -> tuple[int, str]:
    return NUMBERS.index(key[0]), key[1]


def _known(
    key: Key, ways: Sequence[Written], film: Film, others: Sequence[Explanation], best: Explanation
) -> Finding:
    mistakes = ways[0].mistakes
    alternatives = [_sentence(way.mistakes) for way in ways[1:]]
    for other in others:
        instead = [k for k in other.written if k not in best.written]
        lacking = [k for k in best.written if k not in other.written]
        if lacking == [key] and len(instead) == 1:
            alternatives.append(_sentence(other.written[instead[0]][0].mistakes))
        elif key in other.written and not lacking and not instead:
            alternatives.append(_sentence(other.written[key][0].mistakes))
    own = _sentence(mistakes)
    distinct = tuple(dict.fromkeys(a for a in alternatives if a != own))
    return Finding(
        key[0], _gate(key), _times(mistakes, film), "; ".join(map(written_for, mistakes)),
        "; ".join(m.form.wrong for m in mistakes), True, distinct,
    )  # fmt: skip


def written_for(mistake: Mistake) -> str:
    """`C[t] for C[t-1]`."""
    return f"{mistake.form.code} for {mistake.right.code}"


def _sentence(mistakes: Sequence[Mistake]) -> str:
    return "; ".join(map(str, mistakes))


def _gate(key: Key) -> str:
    return {"v": "W_v"}.get(key[1], key[1])


def _times(mistakes: Sequence[Mistake], film: Film) -> tuple[int, ...]:
    """Steps at which the wrong forms differ from the right ones."""
    first, last = mistakes[0], range(film.time)
    if first.number in ("B10", "B11") and first.gate == "":
        return tuple(last[1:])  # what the first step sends back nobody reads
    if first.slot in CARRIES:
        return tuple(last[:-1])
    found = set()
    with np.errstate(all="ignore"):
        for m in mistakes:
            for t in range(film.time):
                wrong, right = (np.asarray(f.value(film, t)) for f in (m.form, m.right))
                if wrong.shape != right.shape or not np.allclose(wrong, right, rtol=1e-9, atol=0):
                    found.add(t)
    return tuple(sorted(found))


def _positive_scale(key: Key, way: Written) -> str:
    """A factor in B1 is a factor over all gradients."""
    only = way.mistakes[0] if len(way.mistakes) == 1 else None
    if key != ("B1", "v") or only is None or only.slot != "number" or only.form.code == "-1":
        return ""
    return only.form.code


def _unknown(search: Search, best: Explanation, key: Key) -> Finding:
    """What can be said of an equation that no form fits: where it fails, and by how much."""
    if key[0] in ("B2", "B9"):
        return _unknown_sum(search, best, key)
    freed = [p for p in best.parts if p in ("dx", "dh0", "dC0")]
    if freed and not best.given:
        return _unknown_input(search, best, key, freed)
    theirs, right = [], []
    for n, call in enumerate(search.close):
        made, own = apply(best, call, n, keep=True)[1], apply(best, call, n)[1]
        symbol = MAP.get(key[0], "dh" if key[0] == "B10" else "dC")
        symbol = {"B10": "dh", "B11": "dC"}.get(key[0], symbol)
        theirs.append(own[symbol])
        right.append(made[symbol])
    times, ratio, gap = _compared(search, theirs, right)
    factor = _constant(ratio)
    name = f"{name_of(key)}: {EQUATIONS[key].formula.splitlines()[0]}"
    if factor is not None:
        return Finding(
            key[0], _gate(key), times, f"{factor:.6g} × the right value",
            f"a factor {factor:.6g}", True,
        )  # fmt: skip
    middle = float(np.median(ratio[np.isfinite(ratio)])) if np.isfinite(ratio).any() else np.nan
    return Finding(
        key[0], _gate(key), times, f"cause not known ({name})",
        f"theirs over right: {middle:.3g} in the middle; largest discrepancy {gap:.2g}", False,
    )  # fmt: skip


def _unknown_input(search: Search, best: Explanation, key: Key, leaves: Sequence[str]) -> Finding:
    """What can be said of a wrong gradient by an input."""
    pairs = [
        (call.grads[leaf], apply(best, call, n, keep=True)[0][leaf])
        for n, call in enumerate(search.close)
        for leaf in leaves
    ]
    with np.errstate(all="ignore"):
        ratios = np.concatenate([(a / b).ravel() for a, b in pairs])
    factor, name = _constant(ratios), ", ".join(leaves)
    if factor is not None:
        what = f"{name} is {factor:.6g} × the right value"
        return Finding(key[0], _gate(key), (), what, f"a factor {factor:.6g}", True)
    gap = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    return Finding(
        key[0], _gate(key), (), f"cause not known ({name})",
        f"the gradient {name} is off by {gap:.2g} of its largest value", False,
    )  # fmt: skip


def _unknown_sum(search: Search, best: Explanation, key: Key) -> Finding:
    parts = [p.partition(":")[2] for p in best.parts if p.startswith(f"{key[1]}:")]
    names = {"h": "what multiplies h", "x": "what multiplies x", "b": "the bias's"}
    which = ", ".join(names.get(p, p) for p in parts)
    return Finding(
        key[0], _gate(key), (), f"cause not known ({which})",
        f"{EQUATIONS[key].name}: the sum over time steps is not that of any known form", False,
    )  # fmt: skip


def _compared(
    search: Search, theirs: list[Array], right: list[Array]
) -> tuple[tuple[int, ...], Array, float]:
    """Steps of the longest probe that differ, ratios where they do, the largest difference."""
    with np.errstate(all="ignore"):
        ratios = np.concatenate([(a / b).ravel() for a, b in zip(theirs, right, strict=True)])
    gap, scale = 0.0, 1e-300
    for a, b in zip(theirs, right, strict=True):
        gap, scale = max(gap, float(np.abs(a - b).max())), max(scale, float(np.abs(b).max()))
    n = max(range(len(theirs)), key=lambda n: len(theirs[n]))
    allowed = 10 * search.tolerance * max(np.abs(right[n]).max(), np.abs(theirs[n]).max())
    apart = np.abs(theirs[n] - right[n]).reshape(len(theirs[n]), -1).max(axis=1) > allowed
    return tuple(int(t) for t in np.flatnonzero(apart)), ratios, gap / scale


def _constant(ratios: Array) -> float | None:
    known = ratios[np.isfinite(ratios)]
    if len(known) and np.ptp(known) <= 1e-6 * np.abs(known).max():
        return float(known[0])
    return None


def _nothing_fits(search: Search) -> Finding:
    """The leaves that are wrong, when no explanation reproduces them."""
    wrong: list[str] = []
    for call in search.calls:
        true = synthesize(call.probe, Plan(), call.film)[0]
        for path, grad in call.grads.items():
            expected = true[path.rstrip("'")]
            if np.abs(grad - expected).max() > search.tolerance * np.abs(expected).max():
                wrong.append(path)
    leaves = ", ".join(dict.fromkeys(wrong))
    return Finding(
        "", "", (), f"wrong gradients: {leaves}",
        "no combination of known mistakes reproduces them, so no equation is blamed", False,
    )  # fmt: skip


def error_map(search: Search, best: Explanation) -> Errors:
    """Relative error of each adjoint at each step of the longest probe."""
    call = max(search.close, key=lambda c: c.probe.time)
    theirs = apply(best, call, search.close.index(call))[1]
    true = synthesize(call.probe, Plan(), call.film)[1]
    found: Errors = {}
    for number, symbol in MAP.items():
        if symbol not in true.values or symbol not in theirs.values:
            continue
        difference = np.abs(theirs[symbol] - true[symbol]).reshape(call.probe.time, -1).max(axis=1)
        scale = np.abs(true[symbol]).reshape(call.probe.time, -1).max(axis=1)
        found[number] = tuple(
            float(d / s) if s else float(d > 0) for d, s in zip(difference, scale, strict=True)
        )
    return found
