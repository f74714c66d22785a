"""What the recorded backward pass would have computed had some values been others."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradparity.record.graph.nodes import Array, Graph, Node, Provenance
from gradparity.record.graph.rules import Rules

AT_ONCE = 64


class Replay:
    """Runs the nodes behind changed numbers again.

    Args:
        graph: what was recorded.
        nodes: positions of those that may be run again, in order.
        rules: runs operations.
    """

    def __init__(self, graph: Graph, nodes: Sequence[int], rules: Rules) -> None:
        self.graph, self.rules = graph, rules
        self.nodes = [graph.nodes[n] for n in nodes]
        self._starts = np.array([n.start for n in self.nodes])

    def run(
        self,
        changed: Sequence[tuple[Provenance, Array]],
        asked: Mapping[int, Provenance],
        until: int,
    ) -> dict[int, Array]:
        """Values of arrays under up to `AT_ONCE` changes.

        Args:
            changed: arrays, and `(changes, *shape)` what they should have been.
            asked: arrays, by any number.
            until: where in the pool to stop.

        Returns:
            For each array asked for that may differ `(changes, entries)`.
        """
        count = len(changed[0][1])
        pool = np.broadcast_to(self.graph.pool[:until], (count, until)).copy()
        dirty, fixed = np.zeros(until, dtype=bool), np.zeros(until, dtype=bool)
        for places, values in changed:
            flat = places.reshape(-1)
            pool[:, flat] = values.reshape(count, -1)
            dirty[flat] = fixed[flat] = True
        first = min(int(places.min()) for places, _ in changed)
        begin, end = np.searchsorted(self._starts, (first, until))
        for node in self.nodes[begin:end]:
            self._again(node, pool, dirty, fixed)
        return {
            key: pool[:, places.reshape(-1)]
            for key, places in asked.items()
            if dirty[places.reshape(-1)].any()
        }

    def _again(self, node: Node, pool: Array, dirty: Array, fixed: Array) -> None:
        """Run a node again if anything it takes has changed."""
        batched = [bool(dirty[p.reshape(-1)].any()) for p in node.operands]
        if not any(batched):
            return
        operands = [
            pool[:, p] if b else self.graph.pool[p]
            for p, b in zip(node.operands, batched, strict=True)
        ]
        try:
            made = self.rules.push(node.operation, operands, batched)
        except ValueError:
            return
        own = slice(node.start, node.stop)
        free = ~fixed[own]
        pool[:, own][:, free] = made.reshape(len(pool), -1)[:, free]
        dirty[own] = True
