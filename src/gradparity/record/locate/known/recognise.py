"""Which quantities an array equals: random numbers do not collide, so equal values are the same.

An array is known by sums over its entries, which do not ask for its orientation; all entries
together, for a gradient under the wrong mask has only entries of true ones.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradparity.record.graph.nodes import Array, Graph, Provenance
from gradparity.record.graph.truth import Truth

CLOSE = 1e-7
UNKNOWN, FORWARD, ZERO, SCALED, PARTIAL, EXACT = range(6)
_WORTH = {UNKNOWN: 0.0, FORWARD: 0.0, ZERO: 0.0, SCALED: 0.5, PARTIAL: 0.95, EXACT: 1.0}
WORTHS = np.array([_WORTH[state] for state in range(len(_WORTH))])
Add = Callable[..., None]  # takes a quantity's kind, provenance and value, and a use's node
MOST_SUMS = 400
MOST_JOINED = 6
MOST_SHAPED = 3000
AT_ONCE = 2**20  # entries whose fingerprints are taken together
MOST_ALIKE = 12  # quantities of one key that a value is compared with


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something true.

    Attributes:
        kind: "adjoint", "contribution" of one use, "sum" of several, or "forward" value.
        provenance: the array whose gradient it is, or whose value.
        node: position of the node that used it, for a contribution; -1 otherwise.
    """

    kind: str
    provenance: Provenance
    node: int = -1


def fingerprints(values: Sequence[Array]) -> Array:
    """`(arrays, 4)`: entries, sum, sum of squares and of cubes."""
    found = np.empty((len(values), 4))
    sizes = np.array([value.size for value in values], dtype=np.int64)
    for size in np.unique(sizes):
        alike = np.flatnonzero(sizes == size)
        for some in np.array_split(alike, -(-len(alike) * size // AT_ONCE) or 1):
            found[some] = prints_of(np.array([values[n].reshape(-1) for n in some]))
    return found


def prints_of(rows: Array) -> Array:
    """`(rows, 4)`: the same of each row of `(rows, entries)`; 0 for what is not finite."""
    with np.errstate(all="ignore"):
        square = rows * rows
        size = np.full(len(rows), float(rows.shape[1]))
        found = np.stack([size, rows.sum(1), square.sum(1), (square * rows).sum(1)], axis=1)
    return np.where(np.isfinite(found), found, 0.0)


class Table:
    """True quantities, to be looked up by value.

    Args:
        truth: of the forward pass.
        named: provenance of forward values that have a name, such as `z = [h; x]`.
        factor: what all gradients are taken times.
    """

    def __init__(self, truth: Truth, named: Sequence[Provenance], factor: float = 1.0) -> None:
        self.quantities: list[Quantity] = []
        self.values = values = list[Array]()
        self._shaped: dict[tuple[int, ...], Array] = {}

        def add(kind: str, places: Provenance, value: Array, node: int = -1) -> None:
            if value.size and value.any() and np.isfinite(value).all():
                self.quantities.append(Quantity(kind, places, node))
                values.append(value if kind == "forward" or factor == 1.0 else factor * value)

        graph = truth.graph
        lengths = {n for k in np.flatnonzero(truth.forward) for n in graph.nodes[k].shape}
        for number in np.flatnonzero(truth.forward):
            node = graph.nodes[number]
            places = np.arange(node.start, node.stop).reshape(node.shape)
            add("adjoint", places, truth.adjoints[places])
            for part in (*_gates(node.shape, lengths), *_rows(node.shape)):
                add("sum", places[part], truth.adjoints[places[part]])
        for leaf in graph.leaves:
            places = np.arange(leaf.start, leaf.start + int(np.prod(leaf.shape))).reshape(
                leaf.shape
            )
            if leaf.start + places.size <= len(truth.adjoints):
                add("adjoint", places, truth.adjoints[places])
        for places in named:
            add("adjoint", places, truth.adjoints[places])
        for uses in truth.grouped():
            self._sums(uses, add)
            self._blocks(graph, uses, add)
        for uses in truth.of_same_numbers():
            self._subsets(uses, add)
        for number in np.flatnonzero(truth.forward):
            node = graph.nodes[number]
            places = np.arange(node.start, node.stop).reshape(node.shape)
            add("forward", places, graph.values(places))
        self._index(fingerprints(values))

    def of_shape(self, shape: tuple[int, ...]) -> Array:
        """`(many, *shape)` all gradients of a shape, at most as many as are worth trying."""
        if shape not in self._shaped:
            kinds = zip(self.values, self.quantities, strict=True)
            found = [v for v, q in kinds if v.shape == shape and q.kind != "forward"]
            self._shaped[shape] = np.array(found[:MOST_SHAPED]).reshape(-1, *shape)
        return self._shaped[shape]

    @staticmethod
    def _sums(uses: Sequence, add: Add) -> None:
        """Each use's contribution, and the sums of the first and of the last few."""
        for use in uses:
            add("contribution", use.provenance, use.contribution, use.node)
        if not 1 < len(uses) <= MOST_SUMS:
            return
        each = np.array([use.contribution for use in uses])
        places = uses[0].provenance
        first, last = np.cumsum(each, axis=0), np.cumsum(each[::-1], axis=0)
        for total in (*first[1:], *last[1:-1]):
            add("sum", places, total)

    @staticmethod
    def _blocks(graph: Graph, uses: Sequence, add: Add) -> None:
        """Of arrays that are joined, `z = [h; x]`, each one's part of the gradient by the whole."""
        places = uses[0].provenance
        makers = graph.producers()[places]
        joined = np.unique(makers)
        if not 1 < len(joined) <= MOST_JOINED or places.ndim == 0:
            return
        total = np.sum([use.contribution for use in uses], axis=0)
        for maker in joined:
            inside = np.argwhere(makers == maker)
            block = tuple(
                slice(a, b + 1) for a, b in zip(inside.min(0), inside.max(0), strict=True)
            )
            if makers[block].size == len(inside):
                add("sum", places[block], total[block])

    @staticmethod
    def _subsets(uses: Sequence, add: Add) -> None:
        """Sums of any of the few uses that the same numbers have, in whatever arrangement."""
        order = np.argsort(uses[0].provenance.reshape(-1), kind="stable")
        aligned = []
        for use in uses:
            flat = np.empty(use.contribution.size)
            places = np.argsort(use.provenance.reshape(-1), kind="stable")
            flat[order] = use.contribution.reshape(-1)[places]
            aligned.append(flat)
        for count in range(2, len(uses)):
            for chosen in itertools.combinations(aligned, count):
                add("sum", uses[0].provenance, np.sum(chosen, axis=0))

    def _index(self, prints: Array) -> None:
        keys = distributions(prints)
        self._order = np.argsort(keys, kind="stable")
        self._prints, self._keys = prints[self._order], keys[self._order]
        self._ranks = np.array([_RANK[q.kind] for q in self.quantities], dtype=int)[self._order]

    def states(self, prints: Array) -> tuple[Array, Array, Array]:
        """For each fingerprint its state, the factor over the quantity, and the quantity's number.

        Args:
            prints: `(arrays, 4)`.
        """
        prints = np.where(np.isfinite(prints), prints, 0.0)
        count = len(prints)
        state, factor = np.full(count, UNKNOWN), np.ones(count)
        which = np.full(count, -1)
        state[_says_nothing(prints)] = ZERO
        keys = distributions(prints)
        width = CLOSE * np.maximum(1.0, np.where(prints[:, 0] == 1, np.abs(prints[:, 1]), 1.0))
        low = np.searchsorted(self._keys, keys - width)
        high = np.searchsorted(self._keys, keys + width)
        rows = np.flatnonzero((high > low) & (state != ZERO))
        for step in range(MOST_ALIKE):
            rows = rows[low[rows] + step < high[rows]]
            if not len(rows):
                break
            places = low[rows] + step
            new, ratio = self._compared(prints[rows], places)
            better = new > state[rows]
            chosen = rows[better]
            state[chosen], factor[chosen] = new[better], ratio[better]
            which[chosen] = self._order[places[better]]
        return state, factor, which

    def alike(self, number: int) -> list[Quantity]:
        """All quantities that have the value of one, that one first."""
        (place,) = np.flatnonzero(self._order == number)
        keys, width = self._keys, CLOSE * max(1.0, abs(float(self._keys[place])))
        low, high = np.searchsorted(keys, (keys[place] - width, keys[place] + width))
        rows = np.arange(low, high)
        there, own = self._prints[rows], self._prints[place]
        close = np.abs(there - own).max(1) <= 10 * CLOSE * np.abs(own).max()
        found = [self.quantities[int(n)] for n in self._order[rows[close]] if n != number]
        return [self.quantities[number], *(q for q in found if q.kind != "forward")]

    def common_factor(self, prints: Array) -> float:
        """What all known values are times what they should be; 1 where one is right as it is."""
        states, factors, _ = self.states(prints)
        large = prints[:, 0] > 2
        rest = int((np.isin(states, (EXACT, PARTIAL)) & large).sum())
        times = factors[(states == SCALED) & large]
        rounded, counts = np.unique(np.round(times, 6), return_counts=True)
        if rest or not len(counts) or counts.max() < 3:
            return 1.0
        return float(times[np.abs(times - rounded[counts.argmax()]) < 1e-5][0])

    def _compared(self, wanted: Array, places: Array) -> tuple[Array, Array]:
        """States of fingerprints as multiples of one quantity each, and the multiples."""
        there = self._prints[places]
        ratio = np.sqrt(wanted[:, 2] / there[:, 2])
        odd = np.where(np.abs(there[:, 3]) > CLOSE * there[:, 2] ** 1.5, 3, 1)
        row = np.arange(len(wanted))
        ratio *= np.where(np.sign(wanted[row, odd]) == np.sign(there[row, odd]), 1.0, -1.0)
        close = CLOSE * np.sqrt(wanted[:, 0] * wanted[:, 2])
        fits = np.abs(wanted[:, 1] - ratio * there[:, 1]) <= close
        fits &= np.abs(wanted[:, 3] - ratio**3 * there[:, 3]) <= CLOSE * 10 * wanted[:, 2] ** 1.5
        exact = np.abs(ratio - 1) < CLOSE
        scaled = (ratio > 0) & (wanted[:, 0] > 2) & (self._ranks[places] > FORWARD)
        found = np.where(exact, self._ranks[places], np.where(scaled, SCALED, UNKNOWN))
        return np.where(fits, found, UNKNOWN), ratio


def _gates(shape: tuple[int, ...], lengths: set[int]) -> Iterator[tuple[slice, ...]]:
    """The equal parts of an array that several gates or heads share, along its last axis."""
    if len(shape) < 2:
        return
    for count in GATES:
        part, rest = divmod(shape[-1], count)
        if not rest and part > 1 and part in lengths:
            for k in range(count):
                yield (*(slice(None),) * (len(shape) - 1), slice(k * part, (k + 1) * part))


def _rows(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Each of a few rows: what is computed at once is often differentiated one by one.

    Entries and their order alone tell quantities, so that `x[k]` and `x[k:k+1]` are the same.
    """
    if len(shape) > 1 and 1 < shape[0] <= MOST_ROWS and np.prod(shape[1:]) > 1:
        yield from ((slice(k, k + 1),) for k in range(shape[0]))


def _says_nothing(prints: Array) -> Array:
    """Which are all zero, or several times the same number."""
    size, total, square = prints[:, 0], prints[:, 1], prints[:, 2]
    with np.errstate(all="ignore"):
        gap = np.abs(size * square - total * total)
    constant = (size > 1) & (gap <= 1e-10 * size * square)
    return (square == 0) | constant


def distributions(prints: Array) -> Array:
    """What is looked up: entries and their distribution without its scale; a number itself."""
    with np.errstate(all="ignore"):
        skew = np.abs(prints[:, 3]) / prints[:, 2] ** 1.5
    skew = np.where(np.isfinite(skew), skew, 0.0)
    return np.where(prints[:, 0] == 1, prints[:, 1] - SPREAD, prints[:, 0] * 10.0 + skew)


_RANK = {"adjoint": EXACT, "contribution": EXACT, "sum": PARTIAL, "forward": FORWARD}
MOST_ROWS = 8
GATES = (2, 3, 4)  # parts that one array is cut into
SPREAD = 1e6  # keeps numbers apart from arrays
