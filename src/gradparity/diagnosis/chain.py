"""B3–B8, B10 and B11: which equations yield the deltas that were read off.

Each equation is tested on the subject's own upstream values, so that one wrong equation
shows as one. At the last step of a sequence nothing is carried back: there the local
equations are settled (B3, B4, B5–B8). The steps before then settle the carries (B10, B11).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import combinations

import numpy as np

from gradparity.diagnosis.bank import Bank, Field, Written
from gradparity.equations import EQUATIONS, GATE_EQUATIONS, Key, Mistake
from gradparity.film import Array
from gradparity.forms import Form
from lstm_spec import GATES

GATE_KEYS: dict[str, Key] = {gate: (number, gate) for number, gate in GATE_EQUATIONS}
B3, B5, B10, B11 = ("B3", "v"), ("B5", ""), ("B10", ""), ("B11", "")
RIGHT = Written(())
UNJUDGED = 3  # ways of carrying dh to try where B4 fits none: right, dropped, not read
ONE_EQUATION = (False, 1, 9)  # cost of a single wrong equation, cause known


@dataclass(frozen=True)
class Explanation:
    """What is wrong, equation by equation.

    Attributes:
        written: for each wrong equation the ways of writing it that fit, equally simple.
        unknown: equations that are wrong in a way that no form fits.
        given: what a simulation must be given in their place: by symbol, an array for
            each probe.
        parts: of an unknown B2 or B9, the gradients left free: "f:h", "v:b".
    """

    written: Mapping[Key, tuple[Written, ...]] = dataclass_field(default_factory=dict)
    unknown: tuple[Key, ...] = ()
    given: Mapping[str, Sequence[Array]] = dataclass_field(default_factory=dict)
    parts: tuple[str, ...] = ()

    @property
    def cost(self) -> tuple[bool, float, int]:
        """Whether a cause is unknown, wrong equations, slips: what is cheapest is believed."""
        shared = _shared(self.written)
        unknown = self._unknown_lines()
        known = len(set(self.written) - shared - set(self.unknown))
        equations = known + unknown + _beside_a_carry(self.written) + _roundabout(self.mistakes)
        faults = sum(ways[0].faults for key, ways in self.written.items() if key not in shared)
        return bool(self.unknown), equations + 0.5 * unknown, faults

    def _unknown_lines(self) -> int:
        """Unknown mistakes; the same at several gates of B9 is one: one line computes all four."""
        lines = set()
        for key in self.unknown:
            own = (p.partition(":") for p in self.parts if key[0] == "B9")
            parts = tuple(part for gate, _, part in own if gate == key[1])
            lines.add((key[0], *(parts or key[1:])))
        return len(lines)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The first way of writing each."""
        return tuple(m for ways in self.written.values() for m in ways[0].mistakes)

    def joined(self, other: "Explanation") -> "Explanation":
        """Both together."""
        written = dict(self.written)
        for key, ways in other.written.items():
            before = written.get(key, (RIGHT,))
            written[key] = tuple(Written((*a.mistakes, *b.mistakes)) for a in before for b in ways)
        return Explanation(
            written,
            tuple(dict.fromkeys((*self.unknown, *other.unknown))),
            {**self.given, **other.given},
            (*self.parts, *other.parts),
        )


def _shared(written: Mapping[Key, tuple[Written, ...]]) -> set[Key]:
    """Gates of B9 or B10 with the same slip count once: one line computes all four."""
    repeated: set[Key] = set()
    for number in ("B9", "B10"):
        seen: list[tuple] = []
        for key, ways in written.items():
            if key[0] != number:
                continue
            slips = tuple((m.slot, m.form.code.replace(f"_{key[1]}", "")) for m in ways[0].mistakes)
            if slips in seen:
                repeated.add(key)
            seen.append(slips)
    return repeated


def _beside_a_carry(written: Mapping[Key, tuple[Written, ...]]) -> int:
    """A carry that is not read, in an equation that is wrong besides, counts for itself."""
    slots = [{m.slot for m in ways[0].mistakes} for ways in written.values()]
    return sum(len(s) > 1 and bool(s & {"dh_next", "dC_next"}) for s in slots)


def _roundabout(mistakes: Sequence[Mistake]) -> float:
    """Extra cost of saying at each reader that a carry is not read, when it may be dropped."""
    read = {(m.key, m.form.code) for m in mistakes}
    hidden = all((key, "dh_out") in read for key in (GATE_KEYS["o"], B5))
    cell = all((GATE_KEYS[gate], "dC_local") in read for gate in "fig")
    return 1.5 * (hidden + cell)


class Bench:
    """The forms of all equations, evaluated once on the probes' forward passes."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.gates = {gate: Bank(key, field, ("dh", "dC")) for gate, key in GATE_KEYS.items()}
        self.local = Bank(B5, field, ("dh",))
        self.carry = Bank(B11, field, ("dC",))


class Chain:
    """The search for one explanation of a set of deltas.

    Args:
        bench: forms, and the probes' films.
        deltas: da by gate, flat, as read off; NaN where not known.
        sent: the same with a guess where not known: what B10 sends back.
        outside: dh_out under each way of writing B3 outside the carry; the right one under None.
        dC_last: upstream gradient of the last C, flat, zero elsewhere.
    """

    def __init__(
        self,
        bench: Bench,
        deltas: Mapping[str, Array],
        sent: Mapping[str, Array],
        outside: Mapping[tuple[Mistake, ...], Array],
        dC_last: Array,
    ) -> None:
        self.field, self.banks, self.local = bench.field, bench.gates, bench.local
        self.carry = bench.carry
        self.deltas, self.sent, self.outside, self.dC_last = deltas, sent, outside, dC_last

    def explanations(self, thorough: bool) -> list[Explanation]:
        """The simplest explanations, the best first.

        Args:
            thorough: also suppose that what enters B3 from outside is wrong.
        """
        best = self._with_outside(())
        if thorough:
            for outside in self.outside:
                if outside and self._plausible(self.outside[outside]):
                    best += self._with_outside(outside)
        return sorted(best, key=lambda e: e.cost)[:4]

    def _plausible(self, dh_out: Array) -> bool:
        """Whether some equation is right at the last steps with this dh_out."""
        dC = dh_out * self.local.right + self.dC_last
        right_o = self.field.equal(
            self.deltas["o"], dh_out * self.banks["o"].right, self.field.last
        )
        return right_o or any(self._passes(gate, dC) for gate in "fig")

    def _with_outside(self, outside: tuple[Mistake, ...]) -> list[Explanation]:
        """Explanations with B3 written in one way."""
        dh_out, found = self.outside[outside], []
        start = Explanation({B3: (Written(outside),)} if outside else {})
        for dh, carried in self._hidden(dh_out):
            for explained in self._cells(dh, dh_out):
                found.append(start.joined(carried).joined(explained))
        return sorted(found, key=lambda e: e.cost)[:2]

    # --- dh: B3, B4 and B10 ---------------------------------------------------------

    def _hidden(self, dh_out: Array) -> Iterator[tuple[Array, Explanation]]:
        """dh under the ways of carrying it that B4 agrees with."""
        at_last = self._at_last("o", {None: dh_out, **self._other("o", {"dh_out": dh_out})})
        found: list[tuple[Array, Explanation]] = []
        dropped = (Mistake(*B10, "dh_next", EQUATIONS[B10].slot("dh_next").forms[1]),)
        for carried, dh_next in self._carried():
            dh = dh_out + dh_next
            upstream = {None: dh, **self._other("o", {"dh_out": dh_out})}
            ways = self._still("o", at_last, upstream)
            if ways or not at_last:
                found.append((dh, self._explained("o", ways, dh).joined(carried)))
            settled = ways and not ways[0].mistakes and carried.mistakes != dropped
            if settled or (not at_last and len(found) == UNJUDGED):
                break
        if not found:
            found = list(self._scaled_terms(dh_out, at_last))
        if not found:
            found = list(self._two_terms_wrong(dh_out, at_last))
        known = [item for item in found if not item[1].unknown]
        yield from sorted(known or found, key=lambda item: item[1].cost)[:3]
        if not known:
            yield from self._free_hidden(dh_out, at_last)

    def _carried(self) -> Iterator[tuple[Explanation, Array]]:
        """What B10 sends back, from the subject's own deltas: right, dropped, and otherwise."""
        terms = {gate: self._term(gate, None, None) for gate in GATES}
        total = np.sum(list(terms.values()), axis=0)
        yield Explanation(), total
        for form in EQUATIONS[B10].slot("dh_next").forms[1:]:
            yield _one(B10, "dh_next", form), 0 * total
            yield _one(B3, "dh_next", EQUATIONS[B3].slot("dh_next").forms[1]), 0 * total
        for form in EQUATIONS[B10].slot("number").forms[1:]:
            yield _one(B10, "number", form), total * self._next(self.field.evaluate(form.value))
        for gate in GATES:
            for explained, term in self._wrong_terms(gate):
                yield explained, total - terms[gate] + term
        yield from self._all_terms_wrong()

    def _wrong_terms(self, gate: str) -> Iterator[tuple[Explanation, Array]]:
        """One gate's term of B10 with each slip."""
        key, term = ("B10", gate), self._term(gate, None, None)
        for form in EQUATIONS[key].slot("W").forms[1:]:
            yield _one(key, "W", form), self._term(gate, form.value, None)
        for form in EQUATIONS[key].slot("number").forms[1:]:
            yield _one(key, "number", form), term * self._next(self.field.evaluate(form.value))
        for form in EQUATIONS[key].slot("delta").forms[1:]:
            other = form.code.removeprefix("da_")
            array = self.sent[other] if other in GATES else self._before_activation(gate)
            yield _one(key, "delta", form), self._term(gate, None, array)

    def _scaled_terms(
        self, dh_out: Array, at_last: Sequence[Written]
    ) -> Iterator[tuple[Array, Explanation]]:
        """A factor that is in no table, on one gate's term or on all, given the first way of B4."""
        if not at_last:
            return
        with np.errstate(all="ignore"):
            needed = self.deltas["o"] / self._factor("o", at_last[0]) - dh_out
        terms = {gate: self._term(gate, None, None) for gate in GATES}
        total = np.sum(list(terms.values()), axis=0)
        earlier = ~self.field.last
        for key, term in ((B10, total), *((("B10", gate), terms[gate]) for gate in GATES)):
            with np.errstate(all="ignore"):
                ratio = (needed - total)[earlier] / term[earlier]
            if not np.isfinite(ratio).all():
                continue
            factor = 1 + float(np.median(ratio))
            dh = dh_out + total + (factor - 1) * term
            if self._still("o", at_last[:1], {None: dh}):
                number = f"{factor:.6g}"
                form = Form(number, _constant(factor), f"a factor {number}", 1)
                yield dh, self._explained("o", at_last[:1]).joined(_one(key, "number", form))

    def _two_terms_wrong(
        self, dh_out: Array, at_last: Sequence[Written]
    ) -> Iterator[tuple[Array, Explanation]]:
        """Slips in two gates' terms, or in one and in the whole, given the first way of B4."""
        terms = {gate: self._term(gate, None, None) for gate in GATES}
        total = np.sum(list(terms.values()), axis=0)
        with np.errstate(all="ignore"):
            needed = self.deltas["o"] / self._factor("o", at_last[0]) - dh_out
        if not at_last or not np.isfinite(needed).all():
            return
        changes = {g: [(e, t - terms[g]) for e, t in self._wrong_terms(g)] for g in GATES}
        for one, other in combinations(GATES, 2):
            yield from self._sums(needed - total, changes[one], changes[other], dh_out + total)
        for form in EQUATIONS[B10].slot("number").forms[1:]:
            factor = self._next(self.field.evaluate(form.value))
            whole = [(_one(B10, "number", form), (factor - 1) * total)]
            for gate in GATES:
                scaled = [(e, factor * change) for e, change in changes[gate]]
                yield from self._sums(needed - total, whole, scaled, dh_out + total)

    def _sums(
        self, needed: Array, one: list, other: list, rest: Array
    ) -> Iterator[tuple[Array, Explanation]]:
        """Pairs of changes that add up to what is needed."""
        entries = np.flatnonzero(~self.field.last)[:12]
        a, b = (np.stack([change[entries] for _, change in side]) for side in (one, other))
        allowed = 1e3 * self.field.allowed(needed + rest)[entries]
        close = (np.abs(a[:, None] + b[None] - needed[entries]) <= allowed).all(axis=2)
        for n, k in np.argwhere(close):
            yield rest + one[n][1] + other[k][1], one[n][0].joined(other[k][0])

    def _all_terms_wrong(self) -> Iterator[tuple[Explanation, Array]]:
        """The same slip at all four gates, as where they share one product."""
        for number, form in enumerate(EQUATIONS["B10", "f"].slot("W").forms):
            if "transpose" not in form.wrong:
                continue
            forms = {gate: EQUATIONS["B10", gate].slot("W").forms[number] for gate in GATES}
            wrong = {("B10", k): (Written((Mistake("B10", k, "W", forms[k]),)),) for k in GATES}
            yield (
                Explanation(wrong),
                np.sum([self._term(k, forms[k].value, None) for k in GATES], axis=0),
            )

    def _before_activation(self, gate: str) -> Array:
        """The adjoint of the gate itself, from its delta."""
        derivative = EQUATIONS[GATE_KEYS[gate]].slot("derivative").right
        return self.sent[gate] / self.field.evaluate(derivative.value)

    def _term(self, gate: str, weight: Callable | None, delta: Array | None) -> Array:
        """One gate's part of dh_next, at the step that receives it."""
        parts, delta = [], self.sent[gate] if delta is None else delta
        for film, da in zip(self.field.films, self.field.apart(delta), strict=True):
            W = film.weight(gate) if weight is None else weight(film, 0)
            sent = W[:, : da.shape[1]].T @ np.nan_to_num(da)
            parts.append(np.concatenate([sent[1:], np.zeros_like(sent[:1])]))
        return self.field.flat(parts)

    def _next(self, vector: Array) -> Array:
        """Each step's value of the step after it; the last step keeps its own."""
        return self.field.flat([np.concatenate([a[1:], a[-1:]]) for a in self.field.apart(vector)])

    def _free_hidden(
        self, dh_out: Array, at_last: list[Written]
    ) -> Iterator[tuple[Array, Explanation]]:
        """dh solved from B4, supposed right: then B3, or the carry into it, is to blame."""
        factor = self.banks["o"].right if not at_last else self._factor("o", at_last[0])
        with np.errstate(all="ignore"):
            dh = self.deltas["o"] / factor
        if not np.isfinite(dh).all():
            return
        key = B10 if self.field.equal(dh, dh_out, self.field.last) else B3
        explained = self._explained("o", at_last) if at_last else Explanation()
        yield dh, explained.joined(self._given(key, "dh", dh))

    def _factor(self, gate: str, way: Written) -> Array:
        """The product that a way of writing stands for."""
        bank = self.banks[gate]
        return bank.product(bank.forms(way))

    # --- dC: B5–B8 and B11 ----------------------------------------------------------

    def _cells(self, dh: Array, dh_out: Array) -> list[Explanation]:
        """Ways of writing B5–B8 and B11 that yield the deltas of f, i and g."""
        found: list[Explanation] = []
        for local, dC_local in self._locals(dh, dh_out):
            dC = dC_local + self.dC_last
            wrong = sum(not self._passes(gate, dC) for gate in "fig")
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
            needed = self._needed(gate)
            if needed is None or self._vanishes(needed - self.dC_last):
                continue
            for way in self.local.matches(needed - self.dC_last, upstream, last)[:6]:
                if way.mistakes and way.mistakes not in seen:
                    seen.add(way.mistakes)
                    yield Explanation({B5: (way,)}), self._written_local(way, dh, dh_out)
        if not seen and not any(self._passes(gate, right + self.dC_last) for gate in "fig"):
            for way in self._joined(upstream):
                yield Explanation({B5: (way,)}), self._written_local(way, dh, dh_out)

    def _needed(self, gate: str) -> Array | None:
        """dC if this gate's equation is right."""
        with np.errstate(all="ignore"):
            needed = self.deltas[gate] / self.banks[gate].right
        return needed if np.isfinite(needed[self.field.last]).all() else None

    def _passes(self, gate: str, dC: Array) -> bool:
        return self.field.equal(self.deltas[gate], dC * self.banks[gate].right, self.field.last)

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
                dC[possible], self.deltas[gate][entries], self.banks[gate].products(entries),
                self.field.tolerance,
            )  # fmt: skip
        ways = [self.local.written(self.local.unravel(int(n))) for n in np.flatnonzero(possible)]
        return sorted(ways, key=lambda w: w.faults)[:6]

    def _carries(self, dC_local: Array, dh: Array) -> list[Explanation]:
        """Ways of writing B11, and with each of them B6–B8."""
        first = dC_local + self.dC_last
        at_last = {
            gate: self._at_last(gate, {None: first, **self._in_place(gate, first, dC_local, dh)})
            for gate in "fig"
        }
        least = sum(not ways or bool(ways[0].mistakes) for ways in at_last.values())
        found: list[Explanation] = []
        for carried, dC in self._accumulated(dC_local):
            explained = carried
            for gate, ways in at_last.items():
                upstream = {None: dC, **self._in_place(gate, dC, dC_local, dh)}
                explained = explained.joined(
                    self._explained(gate, self._still(gate, ways, upstream), dC)
                )
            found.append(explained)
            if not explained.unknown and explained.cost[1] <= least:
                break
        return sorted(found, key=lambda e: e.cost)[:3]

    def _in_place(
        self, gate: str, dC: Array, dC_local: Array, dh: Array
    ) -> dict[Mistake | None, Array]:
        """What may stand in the place of dC."""
        times_o = dh * self.field.symbol("o")
        arrays = {"dC_local": dC_local, "dC_next": dC - dC_local, "dh": dh, "dh*o": times_o}
        return self._other(gate, arrays)

    def _accumulated(self, dC_local: Array) -> Iterator[tuple[Explanation, Array]]:
        """dC under each way of writing B11 that some gate agrees with."""
        yield Explanation(), self._recur(dC_local, self.carry.right[None], "dC")[0]
        for form in EQUATIONS[B11].slot("dC").forms[1:2]:
            yield _one(B11, "dC", form), dC_local + self.dC_last
        received = EQUATIONS[B5].slot("dC_next").forms[1]
        yield _one(B5, "dC_next", received), dC_local
        yield from self._other_carries(dC_local)

    def _other_carries(self, dC_local: Array) -> Iterator[tuple[Explanation, Array]]:
        entries = np.arange(len(dC_local))
        products = self.carry.products(entries)
        for form in (EQUATIONS[B11].slot("dC").forms[0], *EQUATIONS[B11].slot("dC").forms[2:]):
            dC = self._recur(dC_local, products, form.code)
            agree = np.zeros(len(products), int)
            for gate in "fig":
                value = dC * self.banks[gate].right
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
                if not self.field.equal(self.deltas[k], dC * self.banks[k].right)
            )  # fmt: skip
            key = B11 if self.field.equal(dC, expected, self.field.last) else B5
            explained = self._given(key, "dC", dC)
            for k in wrong:
                explained = explained.joined(self._explained(k[1], []))
            found.append(explained)
        return found

    def _solved(self, gate: str) -> Array | None:
        with np.errstate(all="ignore"):
            dC = self.deltas[gate] / self.banks[gate].right
        return dC if np.isfinite(dC).all() else None

    # --- one gate ---------------------------------------------------------------------

    def _at_last(self, gate: str, upstream: Mapping[Mistake | None, Array]) -> list[Written]:
        """Ways of writing a gate's equation that fit the last steps, the simplest first."""
        target, bank, last = self.deltas[gate], self.banks[gate], self.field.last
        if not np.isfinite(target[last]).any():
            return [RIGHT]
        if not self._vanishes(target):
            return bank.matches(target, upstream, last)
        # Any product fits an upstream that vanishes there too; so does the right one if a factor
        # does, such as the C before the first step.
        right = [RIGHT] if self._vanishes(upstream[None] * bank.right) else []
        vanishing = [Written((m,)) for m, u in upstream.items() if m and self._vanishes(u)]
        return [*right, *vanishing] or bank.matches(target, upstream, last)

    def _vanishes(self, vector: Array) -> bool:
        """Whether a quantity is zero, or rounding, at the last steps."""
        largest = np.nan_to_num(np.abs(vector))
        return bool(largest[self.field.last].max() <= 1e-12 * max(largest.max(), 1e-300))

    def _still(
        self, gate: str, ways: Sequence[Written], upstream: Mapping[Mistake | None, Array]
    ) -> list[Written]:
        """Of some ways of writing a gate's equation, the simplest that fit at every step."""
        found: list[Written] = []
        by_text = {_text(m): array for m, array in upstream.items()}
        for way in ways:
            if found and way.faults > found[0].faults:
                break
            read = next((m for m in way.mistakes if m.slot in ("dh", "dC")), None)
            array = by_text.get(_text(read))
            if array is not None and self.field.equal(
                self.deltas[gate], array * self._factor(gate, way)
            ):
                found.append(way)
        return found

    def _scaled(self, gate: str, upstream: Array | None) -> list[Written]:
        """The right equation with a factor that is in no table."""
        if upstream is None:
            return []
        right, target = upstream * self.banks[gate].right, self.deltas[gate]
        with np.errstate(all="ignore"):
            ratio = target / right
        factor = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else 0.0
        if not factor or not self.field.equal(target, factor * right):
            return []
        form = Form(f"{factor:.6g}", _constant(factor), f"a factor {factor:.6g}", 1)
        return [Written((Mistake(*GATE_KEYS[gate], "number", form),))]

    def _explained(
        self, gate: str, ways: Sequence[Written], upstream: Array | None = None
    ) -> Explanation:
        key = GATE_KEYS[gate]
        ways = ways or self._scaled(gate, upstream)
        if not ways:
            return self._given(key, f"da_{gate}", self.deltas[gate])
        return Explanation({key: tuple(ways)} if ways[0].mistakes else {})

    def _given(self, key: Key, symbol: str, vector: Array) -> Explanation:
        """An equation that no form fits; a simulation is given what the subject computed."""
        free = {B10: ("dh0",), B11: ("dC0",)}.get(key, ())
        return Explanation(unknown=(key,), given={symbol: self.field.apart(vector)}, parts=free)

    def _other(self, gate: str, arrays: Mapping[str, Array]) -> dict[Mistake | None, Array]:
        """Wrong upstreams by the mistake they are."""
        key = GATE_KEYS[gate]
        slot = EQUATIONS[key].slot("dh" if gate == "o" else "dC")
        return {
            Mistake(*key, slot.name, form): arrays[form.code]
            for form in slot.forms[1:]
            if form.code in arrays
        }


def _constant(value: float) -> Callable[..., Array]:
    return lambda film, t: np.asarray(value)


def _text(mistake: Mistake | None) -> str:
    return "" if mistake is None else mistake.form.code


def _one(key: Key, slot: str, form: object) -> Explanation:
    return Explanation({key: (Written((Mistake(*key, slot, form),)),)})  # type: ignore[arg-type]


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
