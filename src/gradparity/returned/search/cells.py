"""B5–B8 and B11: which ways of writing them yield the deltas of f, i and g, given dh."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array
from gradparity.returned.search.bank import Bank, Written
from gradparity.returned.search.explanation import (
    B5,
    B11,
    GATE_KEYS,
    ONE_EQUATION,
    Explanation,
    single,
)
from gradparity.returned.search.gates import Gates


@dataclass(frozen=True)
class Cells:
    """What dC is sought in.

    Attributes:
        gates: equations and deltas.
        local, carry: the forms of B5 and of B11.
        dC_last: upstream gradient of the last C, flat, zero elsewhere.
    """

    gates: Gates
    local: Bank
    carry: Bank
    dC_last: Array


def cell_states(cells: Cells, dh: Array, dh_out: Array) -> list[Explanation]:
    """Ways of writing B5–B8 and B11 that yield the deltas of f, i and g."""
    found: list[Explanation] = []
    for local, dC_local in _locals(cells, dh, dh_out):
        dC = dC_local + cells.dC_last
        wrong = sum(not cells.gates.passes(gate, dC) for gate in "fig")
        if found and not found[0].unknown and bool(local.written) + wrong >= found[0].cost[1]:
            continue
        found += [local.joined(e) for e in _carries(cells, dC_local, dh)]
        found.sort(key=lambda e: e.cost)
        if found[0].cost <= ONE_EQUATION:
            break
    if not found or found[0].unknown:
        found += _free_cell(cells, dh)
    return sorted(found, key=lambda e: e.cost)[:3]


def _locals(cells: Cells, dh: Array, dh_out: Array) -> Iterator[tuple[Explanation, Array]]:
    """Ways of writing B5 that at least one gate agrees with at the last steps."""
    last = cells.gates.field.last
    upstream: dict[Mistake | None, Array] = {None: dh, **_other_local(cells, dh_out)}
    right = dh * cells.local.right
    yield Explanation(), right
    seen: set[tuple] = set()
    for gate in "fig":
        needed = cells.gates.needed(gate)
        if needed is None or cells.gates.vanishes(needed - cells.dC_last):
            continue
        for way in cells.local.matches(needed - cells.dC_last, upstream, last)[:6]:
            if way.mistakes and way.mistakes not in seen:
                seen.add(way.mistakes)
                yield Explanation({B5: (way,)}), _written_local(cells, way, dh, dh_out)
    if not seen and not any(cells.gates.passes(gate, right + cells.dC_last) for gate in "fig"):
        for way in _joined(cells, upstream):
            yield Explanation({B5: (way,)}), _written_local(cells, way, dh, dh_out)


def _written_local(cells: Cells, way: Written, dh: Array, dh_out: Array) -> Array:
    value = cells.local.product(cells.local.forms(way))
    return value * (dh_out if any(m.slot == "dh" for m in way.mistakes) else dh)


def _other_local(cells: Cells, dh_out: Array) -> dict[Mistake | None, Array]:
    form = EQUATIONS[B5].slot("dh").forms[1]
    return {Mistake(*B5, "dh", form): dh_out}


def _joined(cells: Cells, upstream: Mapping[Mistake | None, Array]) -> list[Written]:
    """Ways of writing B5 where B6, B7 and B8 are all wrong too: forms of both, joined."""
    entries = cells.local._sample(cells.gates.deltas["g"], cells.gates.field.last)[:6]
    locals_ = cells.local.products(entries) * upstream[None][entries]
    dC = locals_ + cells.dC_last[entries]
    possible = np.ones(len(dC), bool)
    for gate in "gif":
        target = cells.gates.deltas[gate][entries]
        products = cells.gates.banks[gate].products(entries)
        possible[possible] = _joins(dC[possible], target, products, cells.gates.field.tolerance)
    ways = [cells.local.written(cells.local.unravel(int(n))) for n in np.flatnonzero(possible)]
    return sorted(ways, key=lambda w: w.faults)[:6]


def _carries(cells: Cells, dC_local: Array, dh: Array) -> list[Explanation]:
    """Ways of writing B11, and with each of them B6–B8."""
    at_last = _at_last(cells, dC_local + cells.dC_last, dC_local, dh)
    least = sum(not ways or bool(ways[0].mistakes) for ways in at_last.values())
    found = []
    for carried, dC in _accumulated(cells, dC_local):
        found.append(carried.joined(_gates(cells, at_last, dC, dC_local, dh)))
        if not found[-1].unknown and found[-1].cost[1] <= least:
            break
    if cells.dC_last.any():  # what comes from outside is not read either
        at_last = _at_last(cells, dC_local, dC_local, dh)
        unread = single(B5, "dC_next", EQUATIONS[B5].slot("dC_next").forms[1])
        found.append(unread.joined(_gates(cells, at_last, dC_local, dC_local, dh)))
    return sorted(found, key=lambda e: e.cost)[:3]


def _at_last(cells: Cells, first: Array, dC_local: Array, dh: Array) -> dict[str, list[Written]]:
    """Ways of writing each gate's equation that fit the last steps, where dC is `first`."""
    return {
        gate: cells.gates.at_last(
            gate, {None: first, **_in_place(cells, gate, first, dC_local, dh)}
        )
        for gate in "fig"
    }


def _gates(
    cells: Cells, at_last: Mapping[str, list[Written]], dC: Array, dC_local: Array, dh: Array
) -> Explanation:
    """What is wrong with the gates' equations, given dC at every step."""
    explained = Explanation()
    for gate, ways in at_last.items():
        upstream = {None: dC, **_in_place(cells, gate, dC, dC_local, dh)}
        fitting = cells.gates.still(gate, ways, upstream)
        explained = explained.joined(cells.gates.explained(gate, fitting, dC))
    return explained


def _in_place(
    cells: Cells, gate: str, dC: Array, dC_local: Array, dh: Array
) -> dict[Mistake | None, Array]:
    """What may stand in the place of dC."""
    times_o = dh * cells.gates.field.symbol("o")
    arrays = {"dC_local": dC_local, "dC_next": dC - dC_local, "dh": dh, "dh*o": times_o}
    return cells.gates.other(gate, arrays)


def _accumulated(cells: Cells, dC_local: Array) -> Iterator[tuple[Explanation, Array]]:
    """dC under each way of writing B11 that some gate agrees with."""
    yield Explanation(), _recur(cells, dC_local, cells.carry.right[None], "dC")[0]
    for form in EQUATIONS[B11].slot("dC").forms[1:2]:
        yield single(B11, "dC", form), dC_local + cells.dC_last
    if not cells.dC_last.any():
        yield single(B5, "dC_next", EQUATIONS[B5].slot("dC_next").forms[1]), dC_local
    yield from _other_carries(cells, dC_local)


def _other_carries(cells: Cells, dC_local: Array) -> Iterator[tuple[Explanation, Array]]:
    entries = np.arange(len(dC_local))
    products = cells.carry.products(entries)
    for form in (EQUATIONS[B11].slot("dC").forms[0], *EQUATIONS[B11].slot("dC").forms[2:]):
        dC = _recur(cells, dC_local, products, form.code)
        agree = np.zeros(len(products), int)
        for gate in "fig":
            value = dC * cells.gates.banks[gate].right
            close = np.abs(value - cells.gates.deltas[gate]) <= cells.gates.field.allowed(
                cells.gates.deltas[gate]
            )
            agree += (close | ~np.isfinite(cells.gates.deltas[gate])).all(axis=1)
        for n in sorted(np.flatnonzero(agree), key=lambda n: -agree[n])[:4]:
            others = () if form.code == "dC" else (Mistake(*B11, "dC", form),)
            way = cells.carry.written(cells.carry.unravel(int(n)), *others)
            if way.mistakes:
                yield Explanation({B11: (way,)}), dC[n]


def _recur(cells: Cells, dC_local: Array, factors: Array, read: str) -> Array:
    """dC by B5 and B11 for many ways of writing B11's factors, `(ways, entries)`."""
    pieces = []
    for local, factor, last in zip(
        *map(cells.gates.field.apart, (dC_local, factors, cells.dC_last)), strict=True
    ):
        dC = np.broadcast_to(local, factor.shape).copy()
        dC[:, -1] += last[-1]
        for t in reversed(range(len(local) - 1)):
            source = dC[:, t + 1] if read == "dC" else local[t + 1]
            dC[:, t] += source * factor[:, t + 1]
        pieces.append(dC.reshape(len(factor), -1))
    return np.concatenate(pieces, axis=1)


def _free_cell(cells: Cells, dh: Array) -> list[Explanation]:
    """dC solved from the gates, supposed right: then B5, or the carry into it, is to blame."""
    solved = {gate: _solved(cells, gate) for gate in "fig"}
    expected = dh * cells.local.right + cells.dC_last
    found = []
    for dC in solved.values():
        if dC is None:
            continue
        wrong = tuple(
            GATE_KEYS[k] for k in "fig"
            if not cells.gates.field.equal(cells.gates.deltas[k], dC * cells.gates.banks[k].right)
        )  # fmt: skip
        key = B11 if cells.gates.field.equal(dC, expected, cells.gates.field.last) else B5
        explained = cells.gates.given(key, "dC", dC)
        for k in wrong:
            explained = explained.joined(cells.gates.explained(k[1], []))
        found.append(explained)
    return found


def _solved(cells: Cells, gate: str) -> Array | None:
    with np.errstate(all="ignore"):
        dC = cells.gates.deltas[gate] / cells.gates.banks[gate].right
    return dC if np.isfinite(dC).all() else None


def _joins(dC: Array, target: Array, products: Array, tolerance: float) -> Array:
    """For each dC `(ways, entries)`: is there a product that makes the target of it?"""
    order = np.argsort(products[:, 0])
    ranked = products[order]
    with np.errstate(all="ignore"):
        needed = np.nan_to_num(target[None] / dC, posinf=0.0, neginf=0.0)
    width = 10 * tolerance * np.abs(needed[:, 0])
    low = np.searchsorted(ranked[:, 0], needed[:, 0] - width)
    high = np.searchsorted(ranked[:, 0], needed[:, 0] + width)
    found = np.zeros(len(dC), bool)
    for n in np.flatnonzero(high > low):
        block = ranked[low[n] : high[n]]
        close = np.abs(block - needed[n]) <= 10 * tolerance * np.abs(needed[n])
        found[n] = close.all(axis=1).any()
    return found
