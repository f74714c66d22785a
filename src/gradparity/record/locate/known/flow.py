"""How values at slots follow from each other, and where the first ones are that nobody knows."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from gradparity.record.frontend.hooks import Seen
from gradparity.record.graph.nodes import Array, Graph
from gradparity.record.graph.truth import Truth

FAR = 10**6
BEHIND = 4  # steps back through values of which a part may be missing


def parents_of(graph: Graph, truth: Truth, seen: Sequence[Seen]) -> list[set[int]]:
    """For every value at a slot the values at slots that it was computed from directly.

    Args:
        graph: what was recorded.
        truth: of its forward pass, whose values are nobody's parents.
        seen: values at slots, in order.
    """
    owner: dict[int, int] = {}
    sources: dict[int, frozenset[int]] = {}
    producers = graph.producers()
    found: list[set[int]] = []
    forward = truth.numbers

    def behind(places: Array, own: int = -1) -> frozenset[int]:
        result: set[int] = set()
        nodes: set[int] = set()
        for place in np.unique(places.reshape(-1)).tolist():
            if place in owner and owner[place] != own:
                result.add(owner[place])
            elif not forward[place] and producers[place] >= 0:
                nodes.add(int(producers[place]))
        for node in nodes:
            result |= sources.get(node, frozenset())
        return frozenset(result)

    ready = 0
    for number, value in enumerate(seen):
        while ready < len(graph.nodes) and graph.nodes[ready].stop <= value.size:
            node = graph.nodes[ready]
            if not truth.forward[ready]:
                sources[ready] = frozenset().union(*[behind(p) for p in node.operands])
            ready += 1
        found.append(set(behind(value.provenance)) - {number})
        for place in np.unique(value.provenance.reshape(-1)).tolist():
            if not forward[place]:
                owner[place] = number
    return found


def depths(parents: Sequence[set[int]], bad: Array, helping: Array) -> Array:
    """How far each unknown value is from the first unknown ones; `FAR` for what is known.

    Args:
        parents: of each value.
        bad: `(values,)` bool: which are unknown.
        helping: `(values,)` bool: whose being unknown says nothing, such as local derivatives.
    """
    found = np.full(len(parents), FAR)
    for number, before in enumerate(parents):
        if bad[number]:
            above = [found[p] for p in before if bad[p] and not helping[p]]
            found[number] = 0 if not above else 1 + min(above)
    return found


def nearest(
    depth: Array, doubtful: Array, seen: Sequence[Seen], parents: Sequence[set[int]], most: int
) -> dict[int, set[int]]:
    """By slot, executions at most so far from the first unknown values, and those just before.

    Args:
        depth: of each value.
        doubtful: `(values,)` bool: parts of something true, which may lack a part.
        seen, parents: the values.
        most: how far.
    """
    first: dict[int, int] = {}
    before: dict[int, int] = {}
    for number in np.argsort(depth, kind="stable").tolist():
        if depth[number] > most:
            break
        first.setdefault(seen[number].slot, seen[number].turn)
        if depth[number] == 0:
            for p in _behind(number, doubtful, parents):
                before.setdefault(seen[p].slot, seen[p].turn)
    chosen: dict[int, set[int]] = defaultdict(set)
    for slot, turn in (*first.items(), *before.items()):
        chosen[slot].add(turn)
    return chosen


def _behind(number: int, doubtful: Array, parents: Sequence[set[int]]) -> set[int]:
    """What a value was computed from, through what is doubtful."""
    found: set[int] = set()
    waiting = set(parents[number])
    for _ in range(BEHIND):
        found |= waiting
        waiting = {q for p in waiting if doubtful[p] for q in parents[p]} - found
    return found | waiting


def recurrent(seen: Sequence[Seen], parents: Sequence[set[int]]) -> set[int]:
    """Slots whose value depends on their own value one execution before, other slots between."""
    found: set[int] = set()
    reach: list[set[int]] = []
    for number, before in enumerate(parents):
        own = seen[number].slot
        behind: set[int] = set()
        for p in before:
            if seen[p].slot != own:
                behind |= reach[p] | {seen[p].slot}
        if own in behind:
            found.add(own)
        reach.append(behind)
    return found
