"""How the returned gradients change with every value of the backward pass."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gradparity.record.graph.adjoints import pulled_back
from gradparity.record.graph.nodes import Array, Provenance
from gradparity.record.graph.rules import Rules
from gradparity.record.graph.truth import Truth
from gradparity.record.run.runs import Record
from gradparity.record.subject.trees import Path

EACH = 6  # random directions of each gradient


@dataclass
class Response:
    """The gradient, by every value at a slot, of the returned gradients along random directions.

    Attributes:
        along: by (slot, turn) `(directions, entries)`; those behind the judged ones are of
            gradients of another shape.
        owners: for each direction whose gradient it is of.
        directions: of the judged ones, each gradient's.
        wanted: `(judged,)` what the returned gradients lack along them.
        scale: `(judged,)` what counts as nothing there.
    """

    along: dict[tuple[int, int], Array] = field(default_factory=dict)
    owners: list[Path] = field(default_factory=list)
    directions: list[Array] = field(default_factory=list)
    wanted: Array = field(default_factory=lambda: np.zeros(0))
    scale: Array = field(default_factory=lambda: np.zeros(0))

    def reached(self) -> dict[int, frozenset[Path]]:
        """By slot the parameters whose gradients depend on its values."""
        owners = np.array([*map(hash, self.owners)])
        known = dict(zip(owners.tolist(), self.owners, strict=True))
        found: dict[int, set[int]] = defaultdict(set)
        for (slot, _), along in self.along.items():
            found[slot].update(np.unique(owners[along.any(1)]).tolist())
        return {slot: frozenset(known[h] for h in hashes) for slot, hashes in found.items()}

    def lacking(
        self, right: Mapping[Path, Array], got: Mapping[Path, Array | None]
    ) -> Array | None:
        """`(judged,)` what other gradients lack along the directions; None where shapes differ."""
        found = []
        for path, direction in zip(self.owners, self.directions, strict=False):
            value = got.get(path)
            if value is None or value.shape != direction.shape or not np.isfinite(value).all():
                return None
            found.append(float((direction * (right[path] - value)).sum()))
        return np.array(found)

    @property
    def judged(self) -> int:
        """How many directions are of gradients that can be compared."""
        return len(self.wanted)


def respond(
    record: Record, truth: Truth, right: dict[Path, Array], rules: Rules, slots: set[int]
) -> Response:
    """Differentiate the backward pass.

    Args:
        record: of the subject.
        truth: of its forward pass.
        right: the right gradients, of the parameters that are to be judged.
        rules: derivatives of operations.
        slots: numbers of slots that are asked for.
    """
    rng = np.random.default_rng(0)
    graph = record.graph
    seeds: list[Array] = []
    wanted: list[float] = []
    scale: list[float] = []
    found = Response()
    others: list[tuple[Path, Provenance]] = []
    for path, truly in right.items():
        places = record.gradients[path]
        got = graph.values(places)
        if got.shape != truly.shape:
            others.append((path, places))
            continue
        for _ in range(min(EACH, truly.size)):
            direction = rng.normal(size=truly.shape)
            seed = np.zeros(graph.size)
            np.add.at(seed, places.ravel(), direction.ravel())
            seeds.append(seed)
            found.owners.append(path)
            found.directions.append(direction)
            wanted.append(float((direction * (truly - got)).sum()))
            scale.append(float(np.abs(direction * truly).sum() + np.abs(direction * got).sum()))
    found.wanted, found.scale = np.array(wanted), np.array(scale)
    for path, places in others:  # of another shape: what they depend on is asked all the same
        seed = np.zeros(graph.size)
        np.add.at(seed, places.ravel(), rng.normal(size=places.size))
        seeds.append(seed)
        found.owners.append(path)
    pool = pulled_back(graph, np.array(seeds), rules, ~truth.forward)
    for seen in record.seen:
        if seen.slot in slots and seen.part == 0:
            along = once(seen.provenance, pool)
            found.along[seen.slot, seen.turn] = along
    return found


def once(places: Provenance, pool: Array) -> Array:
    """`(directions, entries)` of an array; an entry that occurs twice is counted once."""
    flat = places.reshape(-1)
    along = pool[:, flat]
    if flat.size > 1:
        _, last = np.unique(flat[::-1], return_index=True)
        if len(last) < flat.size:
            kept = np.zeros(flat.size)
            kept[flat.size - 1 - last] = 1.0
            along = along * kept
    return along
