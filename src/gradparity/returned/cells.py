"""B5–B8 and B11: which ways of writing them yield the deltas of f, i and g, given dh."""

from collections.abc import Iterator, Mapping

import numpy as np

from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array
from gradparity.returned.bank import Bank, Written
from gradparity.returned.explanation import B5, B11, GATE_KEYS, ONE_EQUATION, Explanation, single
from gradparity.returned.gates import Gates


class Cells:
    """The search for dC.

    Args:
        gates: equations and deltas.
        local, carry: the forms of B5 and of B11.
        dC_last: upstream gradient of the last C, flat, zero elsewhere.
    """

    def __init__(self, gates: Gates, local: Bank, carry: Bank, dC_last: Array) -> None:
        self.gates, self.field, self.deltas = gates, gates.field, gates.deltas
        self.local, self.carry, self.dC_last = local, carry, dC_last

    def explanations(self, dh: Array, dh_out: Array) -> list[Explanation]:
        """Ways of writing B5–B8 and B11 that yield the deltas of f, i and g."""
        found: list[Explanation] = []
        for local, dC_local in self._locals(dh, dh_out):
            dC = dC_local + self.dC_last
            wrong = sum(not self.gates.passes(gate, dC) for gate in "fig")
            if found and not found[0].unknown and bool(local.written) + wrong >= found[0].cost[1]:
                continue
            found += [local.joined(e) for e in self._carries(dC_local, dh)]
            found.sort(key=lambda e: e.cost)
            if found[0].cost <= ONE_EQUATION:
                break
        if not found or found[0].unknown:
            found += self._free_cell(dh)
        return sorted(found, key=lambda e: e.cost)[:3]

    def _locals(self, dh: Array, dh_out: Array) -> Iterator[tuple[Explanation, Array]]:
        """Ways of writing B5 that at least one gate agrees with at the last steps."""
        last = self.field.last
        upstream: dict[Mistake | None, Array] = {None: dh, **self._other_local(dh_out)}
        right = dh * self.local.right
        yield Explanation(), right
        seen: set[tuple] = set()
        for gate in "fig":
            needed = self.gates.needed(gate)
            if needed is None or self.gates.vanishes(needed - self.dC_last):
                continue
            for way in self.local.matches(needed - self.dC_last, upstream, last)[:6]:
                if way.mistakes and way.mistakes not in seen:
                    seen.add(way.mistakes)
                    yield Explanation({B5: (way,)}), self._written_local(way, dh, dh_out)
        if not seen and not any(self.gates.passes(gate, right + self.dC_last) for gate in "fig"):
            for way in self._joined(upstream):
                yield Explanation({B5: (way,)}), self._written_local(way, dh, dh_out)

    def _written_local(self, way: Written, dh: Array, dh_out: Array) -> Array:
        value = self.local.product(self.local.forms(way))
        return value * (dh_out if any(m.slot == "dh" for m in way.mistakes) else dh)

    def _other_local(self, dh_out: Array) -> dict[Mistake | None, Array]:
        form = EQUATIONS[B5].slot("dh").forms[1]
        return {Mistake(*B5, "dh", form): dh_out}

    def _joined(self, upstream: Mapping[Mistake | None, Array]) -> list[Written]:
        """Ways of writing B5 where B6, B7 and B8 are all wrong too: forms of both, joined."""
        entries = self.local._sample(self.deltas["g"], self.field.last)[:6]
        locals_ = self.local.products(entries) * upstream[None][entries]
        dC = locals_ + self.dC_last[entries]
        possible = np.ones(len(dC), bool)
        for gate in "gif":
            possible[possible] = _joins(
                dC[possible], self.deltas[gate][entries], self.gates.banks[gate].products(entries),
                self.field.tolerance,
            )  # fmt: skip
        ways = [self.local.written(self.local.unravel(int(n))) for n in np.flatnonzero(possible)]
        return sorted(ways, key=lambda w: w.faults)[:6]

    def _carries(self, dC_local: Array, dh: Array) -> list[Explanation]:
        """Ways of writing B11, and with each of them B6–B8."""
        at_last = self._at_last(dC_local + self.dC_last, dC_local, dh)
        least = sum(not ways or bool(ways[0].mistakes) for ways in at_last.values())
        found = []
        for carried, dC in self._accumulated(dC_local):
            found.append(carried.joined(self._gates(at_last, dC, dC_local, dh)))
            if not found[-1].unknown and found[-1].cost[1] <= least:
                break
        if self.dC_last.any():  # what comes from outside is not read either
            at_last = self._at_last(dC_local, dC_local, dh)
            unread = single(B5, "dC_next", EQUATIONS[B5].slot("dC_next").forms[1])
            found.append(unread.joined(self._gates(at_last, dC_local, dC_local, dh)))
        return sorted(found, key=lambda e: e.cost)[:3]

    def _at_last(self, first: Array, dC_local: Array, dh: Array) -> dict[str, list[Written]]:
        """Ways of writing each gate's equation that fit the last steps, where dC is `first`."""
        return {
            gate: self.gates.at_last(
                gate, {None: first, **self._in_place(gate, first, dC_local, dh)}
            )
            for gate in "fig"
        }

    def _gates(
        self, at_last: Mapping[str, list[Written]], dC: Array, dC_local: Array, dh: Array
    ) -> Explanation:
        """What is wrong with the gates' equations, given dC at every step."""
        explained = Explanation()
        for gate, ways in at_last.items():
            upstream = {None: dC, **self._in_place(gate, dC, dC_local, dh)}
            fitting = self.gates.still(gate, ways, upstream)
            explained = explained.joined(self.gates.explained(gate, fitting, dC))
        return explained

    def _in_place(
        self, gate: str, dC: Array, dC_local: Array, dh: Array
    ) -> dict[Mistake | None, Array]:
        """What may stand in the place of dC."""
        times_o = dh * self.field.symbol("o")
        arrays = {"dC_local": dC_local, "dC_next": dC - dC_local, "dh": dh, "dh*o": times_o}
        return self.gates.other(gate, arrays)

    def _accumulated(self, dC_local: Array) -> Iterator[tuple[Explanation, Array]]:
        """dC under each way of writing B11 that some gate agrees with."""
        yield Explanation(), self._recur(dC_local, self.carry.right[None], "dC")[0]
        for form in EQUATIONS[B11].slot("dC").forms[1:2]:
            yield single(B11, "dC", form), dC_local + self.dC_last
        if not self.dC_last.any():
            yield single(B5, "dC_next", EQUATIONS[B5].slot("dC_next").forms[1]), dC_local
        yield from self._other_carries(dC_local)

    def _other_carries(self, dC_local: Array) -> Iterator[tuple[Explanation, Array]]:
        entries = np.arange(len(dC_local))
        products = self.carry.products(entries)
        for form in (EQUATIONS[B11].slot("dC").forms[0], *EQUATIONS[B11].slot("dC").forms[2:]):
            dC = self._recur(dC_local, products, form.code)
            agree = np.zeros(len(products), int)
            for gate in "fig":
                value = dC * self.gates.banks[gate].right
                close = np.abs(value - self.deltas[gate]) <= self.field.allowed(self.deltas[gate])
                agree += (close | ~np.isfinite(self.deltas[gate])).all(axis=1)
            for n in sorted(np.flatnonzero(agree), key=lambda n: -agree[n])[:4]:
                others = () if form.code == "dC" else (Mistake(*B11, "dC", form),)
                way = self.carry.written(self.carry.unravel(int(n)), *others)
                if way.mistakes:
                    yield Explanation({B11: (way,)}), dC[n]

    def _recur(self, dC_local: Array, factors: Array, read: str) -> Array:
        """dC by B5 and B11 for many ways of writing B11's factors, `(ways, entries)`."""
        pieces = []
        for local, factor, last in zip(
            *map(self.field.apart, (dC_local, factors, self.dC_last)), strict=True
        ):
            dC = np.broadcast_to(local, factor.shape).copy()
            dC[:, -1] += last[-1]
            for t in reversed(range(len(local) - 1)):
                source = dC[:, t + 1] if read == "dC" else local[t + 1]
                dC[:, t] += source * factor[:, t + 1]
            pieces.append(dC.reshape(len(factor), -1))
        return np.concatenate(pieces, axis=1)

    def _free_cell(self, dh: Array) -> list[Explanation]:
        """dC solved from the gates, supposed right: then B5, or the carry into it, is to blame."""
        solved = {gate: self._solved(gate) for gate in "fig"}
        expected = dh * self.local.right + self.dC_last
        found = []
        for dC in solved.values():
            if dC is None:
                continue
            wrong = tuple(
                GATE_KEYS[k] for k in "fig"
                if not self.field.equal(self.deltas[k], dC * self.gates.banks[k].right)
            )  # fmt: skip
            key = B11 if self.field.equal(dC, expected, self.field.last) else B5
            explained = self.gates.given(key, "dC", dC)
            for k in wrong:
                explained = explained.joined(self.gates.explained(k[1], []))
            found.append(explained)
        return found

    def _solved(self, gate: str) -> Array | None:
        with np.errstate(all="ignore"):
            dC = self.deltas[gate] / self.gates.banks[gate].right
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
