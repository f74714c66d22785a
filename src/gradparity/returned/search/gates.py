"""B4, B6, B7 and B8, one gate at a time: which ways of writing it yield the deltas read off."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array
from gradparity.lstm.forms import Form
from gradparity.returned.search.bank import Bank, Field, Written
from gradparity.returned.search.explanation import B10, B11, GATE_KEYS, RIGHT, Explanation


@dataclass(frozen=True)
class Gates:
    """The four gates' equations against the deltas that a subject's gradients contain.

    Attributes:
        field: all probes' entries.
        banks: each gate's forms.
        deltas: da by gate, flat, as read off; NaN where not known.
    """

    field: Field
    banks: Mapping[str, Bank]
    deltas: Mapping[str, Array]

    def at_last(self, gate: str, upstream: Mapping[Mistake | None, Array]) -> list[Written]:
        """Ways of writing a gate's equation that fit the last steps, the simplest first."""
        target, bank, last = self.deltas[gate], self.banks[gate], self.field.last
        if not np.isfinite(target[last]).any():
            return [RIGHT]
        if not self.vanishes(target):
            return bank.matches(target, upstream, last)
        # Any product fits an upstream that vanishes there too; so does the right one if a factor
        # does, such as the C before the first step.
        right = [RIGHT] if self.vanishes(upstream[None] * bank.right) else []
        vanishing = [Written((m,)) for m, u in upstream.items() if m and self.vanishes(u)]
        return [*right, *vanishing] or bank.matches(target, upstream, last)

    def vanishes(self, vector: Array) -> bool:
        """Whether a quantity is zero, or rounding, at the last steps."""
        largest = np.nan_to_num(np.abs(vector))
        return bool(largest[self.field.last].max() <= 1e-12 * max(largest.max(), 1e-300))

    def still(
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
                self.deltas[gate], array * self.factor(gate, way)
            ):
                found.append(way)
        return found

    def passes(self, gate: str, dC: Array) -> bool:
        """Whether the right equation fits the last steps."""
        return self.field.equal(self.deltas[gate], dC * self.banks[gate].right, self.field.last)

    def needed(self, gate: str) -> Array | None:
        """dC if this gate's equation is right."""
        with np.errstate(all="ignore"):
            needed = self.deltas[gate] / self.banks[gate].right
        return needed if np.isfinite(needed[self.field.last]).all() else None

    def factor(self, gate: str, way: Written) -> Array:
        """The product that a way of writing stands for."""
        bank = self.banks[gate]
        return bank.product(bank.forms(way))

    def scaled(self, gate: str, upstream: Array | None) -> list[Written]:
        """The right equation with a factor that is in no table."""
        if upstream is None:
            return []
        right, target = upstream * self.banks[gate].right, self.deltas[gate]
        with np.errstate(all="ignore"):
            ratio = target / right
        ratio = ratio[np.isfinite(ratio)]
        factor = float(np.median(ratio)) if len(ratio) else 0.0
        if not factor or not self.field.equal(target, factor * right):
            return []
        form = Form(f"{factor:.6g}", constant(factor), f"a factor {factor:.6g}", 1)
        return [Written((Mistake(*GATE_KEYS[gate], "number", form),))]

    def explained(
        self, gate: str, ways: Sequence[Written], upstream: Array | None = None
    ) -> Explanation:
        """What is wrong with a gate's equation, given the ways of writing it that fit."""
        key = GATE_KEYS[gate]
        ways = ways or self.scaled(gate, upstream)
        if not ways:
            return self.given(key, f"da_{gate}", self.deltas[gate])
        return Explanation({key: tuple(ways)} if ways[0].mistakes else {})

    def given(self, key: Key, symbol: str, vector: Array) -> Explanation:
        """An equation that no form fits; a simulation is given what the subject computed."""
        free = {B10: ("dh0",), B11: ("dC0",)}.get(key, ())
        return Explanation(unknown=(key,), given={symbol: self.field.apart(vector)}, parts=free)

    def other(self, gate: str, arrays: Mapping[str, Array]) -> dict[Mistake | None, Array]:
        """Wrong upstreams by the mistake they are."""
        key = GATE_KEYS[gate]
        slot = EQUATIONS[key].slot("dh" if gate == "o" else "dC")
        return {
            Mistake(*key, slot.name, form): arrays[form.code]
            for form in slot.forms[1:]
            if form.code in arrays
        }


def constant(value: float) -> Callable[..., Array]:
    """A form's value that is the same everywhere."""
    return lambda film, t: np.asarray(value)


def _text(mistake: Mistake | None) -> str:
    return "" if mistake is None else mistake.form.code
