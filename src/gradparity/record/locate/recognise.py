"""Which quantities an array equals: random numbers do not collide, so equal values are the same.

An array is known by sums over its entries, which do not ask for its orientation; all entries
together, for a gradient under the wrong mask has only entries of true ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradparity.record.graph import Array, Provenance
from gradparity.record.truth import Truth

CLOSE = 1e-7
UNKNOWN, FORWARD, ZERO, SCALED, PARTIAL, EXACT = range(6)
WORTH = {UNKNOWN: 0.0, FORWARD: 0.0, ZERO: 0.0, SCALED: 0.5, PARTIAL: 0.9, EXACT: 1.0}
MOST_SUMS = 400


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
    for row, value in enumerate(values):
        flat = value.reshape(-1)
        square = flat * flat
        found[row] = flat.size, flat.sum(), square.sum(), square @ flat
    return found


class Table:
    """True quantities, to be looked up by value.

    Args:
        truth: of the forward pass.
        named: provenance of forward values that have a name, such as `z = [h; x]`.
    """

    def __init__(self, truth: Truth, named: Sequence[Provenance]) -> None:
        self.quantities: list[Quantity] = []
        values: list[Array] = []

        def add(kind: str, places: Provenance, value: Array, node: int = -1) -> None:
            if value.size and value.any() and np.isfinite(value).all():
                self.quantities.append(Quantity(kind, places, node))
                values.append(value)

        graph = truth.graph
        for number in np.flatnonzero(truth.forward):
            node = graph.nodes[number]
            places = np.arange(node.start, node.stop).reshape(node.shape)
            add("adjoint", places, truth.adjoints[places])
        for leaf in graph.leaves:
            places = np.arange(leaf.start, leaf.start + int(np.prod(leaf.shape))).reshape(leaf.shape)
            if leaf.start + places.size <= len(truth.adjoints):
                add("adjoint", places, truth.adjoints[places])
        for places in named:
            add("adjoint", places, truth.adjoints[places])
        for uses in truth.grouped():
            self._sums(uses, add)
        for number in np.flatnonzero(truth.forward):
            node = graph.nodes[number]
            places = np.arange(node.start, node.stop).reshape(node.shape)
            add("forward", places, graph.values(places))
        self._index(fingerprints(values))

    @staticmethod
    def _sums(uses: Sequence, add) -> None:  # type: ignore[no-untyped-def]
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

    def _index(self, prints: Array) -> None:
        shape = _shape_numbers(prints)
        order = np.lexsort((shape[:, 1], shape[:, 0]))
        self._order, self._prints = order, prints[order]
        self._keys = shape[order, 0] * 10.0 + shape[order, 1]

    def states(self, prints: Array) -> tuple[Array, Array, Array]:
        """For each fingerprint its state, the factor over the quantity, and the quantity's number.

        Args:
            prints: `(arrays, 4)`.
        """
        count = len(prints)
        state = np.full(count, UNKNOWN)
        factor = np.ones(count)
        which = np.full(count, -1)
        state[prints[:, 2] == 0] = ZERO
        shape = _shape_numbers(prints)
        keys = shape[:, 0] * 10.0 + shape[:, 1]
        width = CLOSE
        low = np.searchsorted(self._keys, keys - width)
        high = np.searchsorted(self._keys, keys + width)
        for row in np.flatnonzero((high > low) & (state != ZERO)):
            found = self._best(prints[row], self._prints[low[row] : high[row]], low[row])
            if found is not None:
                state[row], factor[row], which[row] = found
        return state, factor, which

    def _best(self, wanted: Array, rows: Array, start: int) -> tuple[int, float, int] | None:
        """The best match among quantities of the same shape numbers."""
        scale = np.sqrt(wanted[2] / rows[:, 2])
        sign = np.where(np.sign(wanted[3]) == np.sign(rows[:, 3]), 1.0, -1.0)
        ratio = scale * sign
        fits = np.abs(wanted[1] - ratio * rows[:, 1]) <= CLOSE * np.sqrt(wanted[0] * wanted[2])
        best = None
        for n in np.flatnonzero(fits):
            quantity = self.quantities[self._order[start + n]]
            exact = abs(ratio[n] - 1) < CLOSE
            if not exact and (wanted[0] < 3 or quantity.kind == "forward"):
                continue
            if quantity.kind == "forward":
                state = FORWARD
            elif not exact:
                state = SCALED
            else:
                state = EXACT if quantity.kind != "sum" else PARTIAL
            if best is None or state > best[0]:
                best = (state, float(ratio[n]), int(self._order[start + n]))
        return best


def _shape_numbers(prints: Array) -> Array:
    """`(arrays, 2)`: the number of entries, and a measure of their distribution without scale."""
    with np.errstate(all="ignore"):
        skew = np.abs(prints[:, 3]) / prints[:, 2] ** 1.5
    return np.stack([prints[:, 0], np.where(np.isfinite(skew), skew, 0.0)], axis=1)
