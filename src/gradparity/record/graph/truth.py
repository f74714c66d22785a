"""What is true of a subject's forward pass: every adjoint, and every use's share."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradparity.record.graph.adjoints import Use, pulled_back
from gradparity.record.graph.nodes import Array, Graph, Provenance
from gradparity.record.graph.rules import Rules

RTOL = 1e-6  # of a gradient's own largest value, or of a millionth of the largest of all


def close(got: Array | None, right: Array, scale: float) -> bool:
    """Whether a gradient is right.

    Args:
        got, right: as it is, and as it should be.
        scale: the largest value of all the right ones.
    """
    if got is None or got.shape != right.shape or not np.isfinite(got).all():
        return False
    size = float(np.abs(right).max(initial=0.0))
    return bool(np.abs(got - right).max(initial=0.0) <= RTOL * max(size, 1e-6 * scale))


def scale_of(gradients: Iterable[Array]) -> float:
    """The largest value of some gradients; 1 where there are none."""
    return max((float(np.abs(v).max(initial=0.0)) for v in gradients), default=1.0)


@dataclass
class Truth:
    """Adjoints of a recorded forward pass.

    Attributes:
        graph: the recorded run.
        forward: `(nodes,)` bool: what the loss depends on.
        adjoints: `(size,)` of every number.
        uses: contributions of every use, last use first.
    """

    graph: Graph
    forward: Array
    adjoints: Array
    uses: list[Use]

    @classmethod
    def of(cls, graph: Graph, seeds: Sequence[tuple[Provenance, Array]], rules: Rules) -> "Truth":
        """Differentiate the weighted sum of some numbers."""
        forward = np.zeros(len(graph.nodes), dtype=bool)
        pool = np.zeros((1, graph.size))
        for places, weights in seeds:
            forward |= graph.ancestors(places)
            np.add.at(pool[0], places.ravel(), np.broadcast_to(weights, places.shape).ravel())
        uses: list[Use] = []
        pulled_back(graph, pool, rules, forward, uses)
        return cls(graph, forward, pool[0], uses)

    @cached_property
    def numbers(self) -> Array:
        """`(size,)` bool: which numbers the loss depends on or that were given."""
        found = np.ones(self.graph.size, dtype=bool)
        for number, node in enumerate(self.graph.nodes):
            if not self.forward[number]:
                found[node.start : node.stop] = False
        return found

    def handed_on(self) -> Array:
        """`(size,)` bool: numbers of the forward pass, under new numbers of their own too."""
        found = self.numbers.copy()
        for number, node in enumerate(self.graph.nodes):
            if not self.forward[number] and node.operation.name == "=":
                found[node.start : node.stop] = found[node.operands[0].reshape(-1)]
        return found

    def of_forward(self, places: Provenance) -> bool:
        """Whether an array belongs to the forward pass, with all its entries."""
        return bool(self.numbers[places.ravel()].all())

    def grouped(self) -> list[list[Use]]:
        """Uses of the same array, in the order of execution."""
        groups: dict[bytes, list[Use]] = defaultdict(list)
        for use in reversed(self.uses):
            groups[use.provenance.tobytes() + str(use.provenance.shape).encode()].append(use)
        return list(groups.values())

    def of_same_numbers(self, most: int = 6) -> list[list[Use]]:
        """Uses of the same few numbers, each once, in whatever arrangement; 3 to `most` of them."""
        groups: dict[bytes, list[Use]] = defaultdict(list)
        for use in reversed(self.uses):
            groups[np.sort(use.provenance, axis=None).tobytes()].append(use)
        return [uses for uses in groups.values() if 2 < len(uses) <= most]
