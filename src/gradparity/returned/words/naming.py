"""From explanations to findings: what was written, at which gate and steps, in words."""

import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import NUMBERS, QUANTITIES, Mistake
from gradparity.lstm.film import Film
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import synthesize
from gradparity.returned.report.findings import Finding, gate_word
from gradparity.returned.search.bank import Written
from gradparity.returned.search.case import Case
from gradparity.returned.search.explanation import Explanation
from gradparity.returned.search.replay import apply, equal
from gradparity.returned.words.unknown import nothing_fits, unknown
from lstm_spec import GATES

Errors = dict[str, tuple[float, ...]]
ELSEWHERE = re.compile(r"wraps|\[t-2\]|\[t\+1\]|\[T-1\]")  # steps that a single one does not see
CARRIES = ("dh_next", "dC_next")  # slots of B3 and B5: what the sum reads of the carry


def finding_list(
    case: Case, explanations: Sequence[Explanation]
) -> tuple[list[Finding], list[str], Errors]:
    """Findings of the best explanation, notes, and the map of errors."""
    if not explanations:
        return [nothing_fits(case)], [], {}
    best, others = explanations[0], explanations[1:]
    call = max(case.close, key=lambda c: c.probe.time)
    film = apply(best, call)[1]
    notes, findings = [], []
    keys = sorted([*best.written, *best.unknown], key=_order)
    for key in dict.fromkeys(keys):
        if key in best.unknown:
            findings.append(unknown(case, best, key))
            continue
        ways = best.written[key] if film.time > 1 else _of_one_step(best.written[key])
        scale = _positive_scale(key, ways[0])
        if scale:
            notes.append(f"besides, all gradients are multiplied by {scale}")
            continue
        for part in _apart(ways):
            findings.append(_known(key, part, film, others, best))
    return findings, [*notes, *_exchanged(case, best)], error_map(case, best)


def _of_one_step(ways: Sequence[Written]) -> tuple[Written, ...]:
    """Without those that speak of other steps, where a subject sees one step at a time."""
    near = [w for w in ways if not any(ELSEWHERE.search(m.form.code) for m in w.mistakes)]
    return tuple(near or ways)


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
    written = tuple(dict.fromkeys((m.form.code, m.right.code) for m in mistakes))
    distinct = tuple(dict.fromkeys(a for a in alternatives if a != own))
    texts = "; ".join(f"{wrong} for {right}" for wrong, right in written)
    return Finding(
        key[0], gate_word(key), _times(mistakes, film), texts,
        "; ".join(dict.fromkeys(m.form.wrong for m in mistakes)), True, distinct,
        written=written,
    )  # fmt: skip


def _sentence(mistakes: Sequence[Mistake]) -> str:
    return "; ".join(map(str, mistakes))


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


def error_map(case: Case, best: Explanation) -> Errors:
    """Relative error of each adjoint at each step of the longest probe."""
    call = max(case.close, key=lambda c: c.probe.time)
    theirs = apply(best, call)[1]
    true = synthesize(call.probe, Plan(), call.film)[1]
    found: Errors = {}
    for number, symbol in QUANTITIES.items():
        if symbol not in true.values or symbol not in theirs.values:
            continue
        difference = np.abs(theirs[symbol] - true[symbol]).reshape(call.probe.time, -1).max(axis=1)
        scale = np.abs(true[symbol]).reshape(call.probe.time, -1).max(axis=1)
        found[number] = tuple(
            float(d / s) if s else float(d > 0) for d, s in zip(difference, scale, strict=True)
        )
    return found


def _exchanged(case: Case, best: Explanation) -> list[str]:
    """A note where two gates have each other's deltas."""
    call = min(case.close, key=lambda call: call.probe.time)
    theirs, true = apply(best, call)[1], case.true[call.number]

    def has(gate: str, other: str) -> bool:
        return equal(theirs[f"da_{gate}"], true[f"da_{other}"], case.tolerance)

    return [
        f"gates {a} and {b} have each other's gradients: is their order the layout's?"
        for a, b in combinations(GATES, 2)
        if has(a, b) and has(b, a)
    ]
