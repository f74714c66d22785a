"""What the recorded backward pass would have computed, had some values been others: many at once."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradparity.record.graph import Array, Graph, Provenance
from gradparity.record.rules import Rules

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
        self, changed: Sequence[tuple[Provenance, Array]], asked: Mapping[int, Provenance]
    ) -> tuple[Array, dict[int, Array]]:
        """Values of arrays under up to `AT_ONCE` changes.

        Args:
            changed: arrays, and `(changes, *shape)` what they should have been.
            asked: arrays, by any number.

        Returns:
            `(size,)` bool, which numbers may differ; and for each array asked for that has such
            `(changes, entries)`.
        """
        count = len(changed[0][1])
        dirty = np.zeros(self.graph.size, dtype=bool)
        pool = np.broadcast_to(self.graph.pool, (count, self.graph.size)).copy()
        fixed = np.zeros(self.graph.size, dtype=bool)
        for places, values in changed:
            flat = places.reshape(-1)
            pool[:, flat] = values.reshape(count, -1)
            dirty[flat] = fixed[flat] = True
        first = min(int(places.min()) for places, _ in changed)
        for node in self.nodes[int(np.searchsorted(self._starts, first)) :]:
            batched = [bool(dirty[p.reshape(-1)].any()) for p in node.operands]
            if not any(batched):
                continue
            operands = [
                pool[:, p] if b else self.graph.pool[p]
                for p, b in zip(node.operands, batched, strict=True)
            ]
            try:
                made = self.rules.push(node.operation, operands, batched)
            except ValueError:
                continue
            own = slice(node.start, node.stop)
            free = ~fixed[own]
            result = made.reshape(count, -1)
            if free.all():
                pool[:, own] = result
            else:
                pool[:, own][:, free] = result[:, free]
            dirty[own] = True
        found = {
            key: pool[:, places.reshape(-1)]
            for key, places in asked.items()
            if dirty[places.reshape(-1)].any()
        }
        return dirty, found
