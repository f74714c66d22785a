"""Every way of writing an equation's factors, evaluated at every step of every probe.

Random float64 numbers do not collide: a product of forms that equals what a subject
returned, at every entry, is what the subject wrote.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array, Film
from gradparity.lstm.forms import Slot

SAMPLED = 10  # entries on which a product is tried before it is tried on all
# Of the largest value: what is read off carries rounding from all steps. In float32 the tolerance
# is hardly above that.
FLOOR, FLOOR_OF_SINGLE, SINGLE = 1e-4, 0.5, 1e-6
MOST_KEPT = 64  # tolerances of vectors, and products: the same are asked for again and again
MOST_WAYS = 64  # of writing one equation: more fit only where nearly everything vanishes


class Field:
    """All probes' arrays `(time, hidden, batch)` as one long vector, for comparing at once."""

    def __init__(self, films: Sequence[Film], tolerance: float) -> None:
        self.films, self.tolerance = films, tolerance
        self._allowed: dict[int, tuple[Array, Array]] = {}
        self._shapes = [film["h"].shape for film in films]
        self._blocks = np.concatenate([
            np.full(film["h"][0].size, n)
            for n, film in enumerate(film for film in films for _ in range(film.time))
        ])  # fmt: skip
        self.time = self.flat([_steps(shape) for shape in self._shapes]).astype(int)
        ends = self.flat([np.full(shape, shape[0] - 1) for shape in self._shapes])
        self.last = self.time == ends

    def flat(self, arrays: Sequence[Array]) -> Array:
        """One vector of an array for each probe."""
        return np.concatenate([np.asarray(array, float).ravel() for array in arrays])

    def symbol(self, name: str) -> Array:
        """A quantity of the films as one vector."""
        return self.flat([film[name] for film in self.films])

    def apart(self, vector: Array) -> list[Array]:
        """The inverse of `flat`; leading axes are kept."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        pieces = np.split(vector, ends[:-1], axis=-1)
        return [p.reshape(*p.shape[:-1], *s) for p, s in zip(pieces, self._shapes, strict=True)]

    def evaluate(self, value: Callable[[Film, int], Array]) -> Array:
        """A form at every step, as one vector."""
        pieces = []
        for film in self.films:
            shape = film["h"][0].shape
            pieces += [np.broadcast_to(value(film, t), shape) for t in range(film.time)]
        return self.flat(pieces)

    def scale(self, vector: Array) -> Array:
        """For each entry, the largest absolute value in its step of its probe."""
        largest = np.zeros(self._blocks[-1] + 1)
        np.maximum.at(largest, self._blocks, np.nan_to_num(np.abs(vector)))
        return largest[self._blocks]

    def allowed(self, vector: Array) -> Array:
        """The difference that rounding may make to each entry."""
        had = self._allowed.get(id(vector))
        if had is None or had[0] is not vector:
            had = self._allowed[id(vector)] = (vector, self._allowed_of(vector))
            while len(self._allowed) > MOST_KEPT:
                del self._allowed[next(iter(self._allowed))]
        return had[1]

    def _allowed_of(self, vector: Array) -> Array:
        scale = self.scale(vector)
        floor = FLOOR if self.tolerance < SINGLE else FLOOR_OF_SINGLE
        return self.tolerance * np.maximum(scale, floor * scale.max(initial=0.0)) + 1e-300

    def equal(self, target: Array, value: Array, where: Array | None = None) -> bool:
        """Whether two vectors agree wherever the target is known."""
        known = np.isfinite(target) if where is None else where & np.isfinite(target)
        with np.errstate(invalid="ignore"):
            close = np.abs(target - value) <= self.allowed(target)
        return bool(close[known].all())


def _steps(shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.arange(shape[0])[:, None, None], shape)


@dataclass(frozen=True)
class Written:
    """One way of writing an equation: the wrong forms in it, if any."""

    mistakes: tuple[Mistake, ...]

    @property
    def faults(self) -> int:
        """Separate slips."""
        return sum(m.form.faults for m in self.mistakes)


class Bank:
    """The products of some slots of an equation."""

    def __init__(self, key: Key, field: Field, skip: Sequence[str] = ()) -> None:
        self.key, self.field = key, field
        self._products: dict[bytes, Array] = {}
        self._kept = lru_cache(MOST_KEPT)(self._product)
        self._found: dict[tuple, list[list[int]]] = {}
        self.slots: list[Slot] = [s for s in EQUATIONS[key].slots if s.name not in skip]

    @cached_property
    def values(self) -> list[Array]:
        """For each slot `(forms, entries)`."""
        with np.errstate(all="ignore"):
            return [
                np.stack([self.field.evaluate(form.value) for form in slot.forms])
                for slot in self.slots
            ]

    def product(self, forms: Sequence[int]) -> Array:
        """The product of one form from each slot; not to be written to."""
        return self._kept(tuple(forms))

    def _product(self, forms: tuple[int, ...]) -> Array:
        result = np.ones(self.field.time.shape)
        for values, form in zip(self.values, forms, strict=True):
            result = result * values[form]
        return result

    @property
    def right(self) -> Array:
        """The product of the right forms."""
        return self.product([0] * len(self.slots))

    def products(self, entries: Array) -> Array:
        """Every product at some entries, `(products, entries)`."""
        if entries.tobytes() not in self._products:
            self._products = {entries.tobytes(): self._multiplied(entries)}  # the last only
        return self._products[entries.tobytes()]

    def _multiplied(self, entries: Array) -> Array:
        result = np.ones((1, len(entries)))
        for values in self.values:
            result = (result[:, None] * values[None][:, :, entries]).reshape(-1, len(entries))
        return result

    def unravel(self, number: int) -> list[int]:
        """Which form of each slot makes a product."""
        sizes = [len(slot.forms) for slot in self.slots]
        return [int(i) for i in np.unravel_index(number, sizes)]

    def forms(self, way: Written) -> list[int]:
        """Which form of each slot a way of writing the equation has."""
        number = {
            m.slot: self._numbers[m.slot, m.form.code]
            for m in way.mistakes
            if (m.slot, m.form.code) in self._numbers
        }
        return [number.get(slot.name, 0) for slot in self.slots]

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], int]:
        return {(s.name, f.code): n for s in self.slots for n, f in enumerate(s.forms)}

    def written(self, forms: Sequence[int], *others: Mistake) -> Written:
        """A choice of forms as mistakes."""
        wrong = [
            Mistake(*self.key, slot.name, slot.forms[form])
            for slot, form in zip(self.slots, forms, strict=True)
            if form
        ]
        return Written((*others, *wrong))

    def matches(
        self, target: Array, upstream: Mapping[Mistake | None, Array], where: Array
    ) -> list[Written]:
        """Every way of writing the equation that yields the target, the simplest first.

        Args:
            target: what the subject computed; NaN where it is not known.
            upstream: what the product is multiplied by: under None the right one,
                under a mistake what stands there instead.
            where: the entries to compare.
        """
        entries = self._sample(target, where)
        found = []
        for mistake, value in upstream.items():
            others = () if mistake is None else (mistake,)
            found += [
                self.written(forms, *others)
                for forms in self._fitting(target, value, entries, where)
            ]
        return sorted(found, key=lambda w: w.faults)

    def _fitting(
        self, target: Array, value: Array, entries: Array, where: Array
    ) -> list[list[int]]:
        """Forms whose product with a value is the target; asked twice, computed once."""
        question = (target.tobytes(), value.tobytes(), where.tobytes())
        if question not in self._found:
            allowed = self.field.allowed(target)
            known = np.flatnonzero(where & np.isfinite(target))
            fitting = (
                forms for forms in self._candidates(target, value, entries, allowed)
                if np.all(np.abs(self.product(forms) * value - target)[known] <= allowed[known])
            )  # fmt: skip
            self._found[question] = list(islice(fitting, MOST_WAYS))
        return self._found[question]

    def _candidates(
        self, target: Array, value: Array, entries: Array, allowed: Array
    ) -> Iterator[list[int]]:
        """Products that are the target at a few entries, those with fewer slips first."""
        products = self.products(entries) * value[entries]
        with np.errstate(invalid="ignore"):
            close = np.abs(products - target[entries]) <= allowed[entries]
        numbers = np.flatnonzero(close.all(axis=1))
        simplest_first = np.argsort(self._faults[numbers], kind="stable")
        return (self.unravel(int(n)) for n in numbers[simplest_first])

    @cached_property
    def _faults(self) -> Array:
        """Slips in each product."""
        total = np.zeros(1, int)
        for slot in self.slots:
            total = (total[:, None] + [form.faults for form in slot.forms]).ravel()
        return total

    def _sample(self, target: Array, where: Array) -> Array:
        """A few entries, the larger ones of the target."""
        known = np.flatnonzero(where & np.isfinite(target))
        if len(known) <= SAMPLED:
            return known
        large = known[
            np.argsort(-np.abs(target[known]), kind="stable")[: len(known) // 2 + SAMPLED]
        ]
        return np.random.default_rng(0).permutation(large)[:SAMPLED]
