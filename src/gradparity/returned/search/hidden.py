"""B3, B4 and B10: which ways of carrying dh back yield the output gate's deltas."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array
from gradparity.lstm.forms import Form
from gradparity.returned.search.bank import Field, Written
from gradparity.returned.search.explanation import B3, B10, GATE_KEYS, Explanation, single
from gradparity.returned.search.gates import Gates, constant
from lstm_spec import GATES

UNJUDGED = 3  # ways of carrying dh to try where B4 fits none: right, dropped, not read


@dataclass(frozen=True)
class Hidden:
    """What dh is sought in.

    Attributes:
        gates: equations and deltas.
        sent: the deltas with a guess where not known: what B10 sends back.
    """

    gates: Gates
    sent: Mapping[str, Array]


def hidden_states(hidden: Hidden, dh_out: Array) -> Iterator[tuple[Array, Explanation]]:
    """dh under the ways of carrying it that B4 agrees with."""
    at_last = hidden.gates.at_last(
        "o", {None: dh_out, **hidden.gates.other("o", {"dh_out": dh_out})}
    )
    found: list[tuple[Array, Explanation]] = []
    dropped = (Mistake(*B10, "dh_next", EQUATIONS[B10].slot("dh_next").forms[1]),)
    for carried, dh_next in _carried(hidden):
        dh = dh_out + dh_next
        upstream = {None: dh, **hidden.gates.other("o", {"dh_out": dh_out})}
        ways = hidden.gates.still("o", at_last, upstream)
        if ways or not at_last:
            found.append((dh, hidden.gates.explained("o", ways, dh).joined(carried)))
        settled = ways and not ways[0].mistakes and carried.mistakes != dropped
        if settled or (not at_last and len(found) == UNJUDGED):
            break
    if not found:
        found = list(_scaled_terms(hidden, dh_out, at_last))
    if not found:
        found = list(_two_terms_wrong(hidden, dh_out, at_last))
    known = [item for item in found if not item[1].unknown]
    yield from sorted(known or found, key=lambda item: item[1].cost)[:3]
    if not known:
        yield from _free_hidden(hidden, dh_out, at_last)


def _carried(hidden: Hidden) -> Iterator[tuple[Explanation, Array]]:
    """What B10 sends back, from the subject's own deltas: right, dropped, and otherwise."""
    field = hidden.gates.field
    terms = {gate: _term(hidden, gate, None, None) for gate in GATES}
    total = np.sum(list(terms.values()), axis=0)
    yield Explanation(), total
    for form in EQUATIONS[B10].slot("dh_next").forms[1:]:
        yield single(B10, "dh_next", form), 0 * total
        yield single(B3, "dh_next", EQUATIONS[B3].slot("dh_next").forms[1]), 0 * total
    for form in EQUATIONS[B10].slot("number").forms[1:]:
        yield (
            single(B10, "number", form),
            total * _next(field, field.evaluate(form.value)),
        )
    for gate in GATES:
        for explained, term in _wrong_terms(hidden, gate):
            yield explained, total - terms[gate] + term
    yield from _all_terms_wrong(hidden)


def _wrong_terms(hidden: Hidden, gate: str) -> Iterator[tuple[Explanation, Array]]:
    """One gate's term of B10 with each slip."""
    field = hidden.gates.field
    key, term = ("B10", gate), _term(hidden, gate, None, None)
    for form in EQUATIONS[key].slot("W").forms[1:]:
        yield single(key, "W", form), _term(hidden, gate, form.value, None)
    for form in EQUATIONS[key].slot("number").forms[1:]:
        yield (
            single(key, "number", form),
            term * _next(field, field.evaluate(form.value)),
        )
    for form in EQUATIONS[key].slot("delta").forms[1:]:
        other = form.code.removeprefix("da_")
        array = hidden.sent[other] if other in GATES else _before_activation(hidden, gate)
        yield single(key, "delta", form), _term(hidden, gate, None, array)


def _scaled_terms(
    hidden: Hidden, dh_out: Array, at_last: Sequence[Written]
) -> Iterator[tuple[Array, Explanation]]:
    """A factor that is in no table, on one gate's term or on all, given the first way of B4."""
    if not at_last:
        return
    with np.errstate(all="ignore"):
        needed = hidden.gates.deltas["o"] / hidden.gates.factor("o", at_last[0]) - dh_out
    terms = {gate: _term(hidden, gate, None, None) for gate in GATES}
    total = np.sum(list(terms.values()), axis=0)
    earlier = ~hidden.gates.field.last
    for key, term in ((B10, total), *((("B10", gate), terms[gate]) for gate in GATES)):
        with np.errstate(all="ignore"):
            ratio = (needed - total)[earlier] / term[earlier]
        if not np.isfinite(ratio).all():
            continue
        factor = 1 + float(np.median(ratio))
        dh = dh_out + total + (factor - 1) * term
        if hidden.gates.still("o", at_last[:1], {None: dh}):
            number = f"{factor:.6g}"
            form = Form(number, constant(factor), f"a factor {number}", 1)
            yield dh, hidden.gates.explained("o", at_last[:1]).joined(single(key, "number", form))


def _two_terms_wrong(
    hidden: Hidden, dh_out: Array, at_last: Sequence[Written]
) -> Iterator[tuple[Array, Explanation]]:
    """Slips in two gates' terms, or in one and in the whole, given the first way of B4."""
    field = hidden.gates.field
    terms = {gate: _term(hidden, gate, None, None) for gate in GATES}
    total = np.sum(list(terms.values()), axis=0)
    with np.errstate(all="ignore"):
        needed = hidden.gates.deltas["o"] / hidden.gates.factor("o", at_last[0]) - dh_out
    if not at_last or not np.isfinite(needed).all():
        return
    changes = {g: [(e, t - terms[g]) for e, t in _wrong_terms(hidden, g)] for g in GATES}
    for one, other in combinations(GATES, 2):
        yield from _sums(hidden, needed - total, changes[one], changes[other], dh_out + total)
    for form in EQUATIONS[B10].slot("number").forms[1:]:
        factor = _next(field, field.evaluate(form.value))
        whole = [(single(B10, "number", form), (factor - 1) * total)]
        for gate in GATES:
            scaled = [(e, factor * change) for e, change in changes[gate]]
            yield from _sums(hidden, needed - total, whole, scaled, dh_out + total)


def _sums(
    hidden: Hidden, needed: Array, one: list, other: list, rest: Array
) -> Iterator[tuple[Array, Explanation]]:
    """Pairs of changes that add up to what is needed."""
    entries = np.flatnonzero(~hidden.gates.field.last)[:12]
    a, b = (np.stack([change[entries] for _, change in side]) for side in (one, other))
    allowed = 1e3 * hidden.gates.field.allowed(needed + rest)[entries]
    close = (np.abs(a[:, None] + b[None] - needed[entries]) <= allowed).all(axis=2)
    for n, k in np.argwhere(close):
        yield rest + one[n][1] + other[k][1], one[n][0].joined(other[k][0])


def _all_terms_wrong(hidden: Hidden) -> Iterator[tuple[Explanation, Array]]:
    """The same slip at all four gates, as where they share one product."""
    for number, form in enumerate(EQUATIONS["B10", "f"].slot("W").forms):
        if "transpose" not in form.wrong:
            continue
        forms = {gate: EQUATIONS["B10", gate].slot("W").forms[number] for gate in GATES}
        wrong = {("B10", k): (Written((Mistake("B10", k, "W", forms[k]),)),) for k in GATES}
        yield (
            Explanation(wrong),
            np.sum([_term(hidden, k, forms[k].value, None) for k in GATES], axis=0),
        )


def _before_activation(hidden: Hidden, gate: str) -> Array:
    """The adjoint of the gate itself, from its delta."""
    derivative = EQUATIONS[GATE_KEYS[gate]].slot("derivative").right
    return hidden.sent[gate] / hidden.gates.field.evaluate(derivative.value)


def _term(hidden: Hidden, gate: str, weight: Callable | None, delta: Array | None) -> Array:
    """One gate's part of dh_next, at the step that receives it."""
    parts, delta = [], hidden.sent[gate] if delta is None else delta
    for film, da in zip(hidden.gates.field.films, hidden.gates.field.apart(delta), strict=True):
        W = film.weight(gate) if weight is None else weight(film, 0)
        sent = W[:, : da.shape[1]].T @ np.nan_to_num(da)
        parts.append(np.concatenate([sent[1:], np.zeros_like(sent[:1])]))
    return hidden.gates.field.flat(parts)


def _next(field: Field, vector: Array) -> Array:
    """Each step's value of the step after it; the last step keeps its own."""
    return field.flat([np.concatenate([a[1:], a[-1:]]) for a in field.apart(vector)])


def _free_hidden(
    hidden: Hidden, dh_out: Array, at_last: list[Written]
) -> Iterator[tuple[Array, Explanation]]:
    """dh solved from B4, supposed right: then B3, or the carry into it, is to blame."""
    factor = hidden.gates.banks["o"].right if not at_last else hidden.gates.factor("o", at_last[0])
    with np.errstate(all="ignore"):
        dh = hidden.gates.deltas["o"] / factor
    if not np.isfinite(dh).all():
        return
    key = B10 if hidden.gates.field.equal(dh, dh_out, hidden.gates.field.last) else B3
    explained = hidden.gates.explained("o", at_last) if at_last else Explanation()
    yield dh, explained.joined(hidden.gates.given(key, "dh", dh))
