"""Reverse mode through a recorded graph, with JAX's rule for every operation."""

from dataclasses import dataclass

import numpy as np

from gradparity.record.graph.nodes import Array, Graph, Provenance
from gradparity.record.graph.rules import Rules


@dataclass(frozen=True, slots=True)
class Use:
    """What one use of an array contributes to its adjoint.

    Attributes:
        node: position of the node that used it.
        operand: which of the node's operands it is.
        provenance: the array, as it was used.
        contribution: of its shape.
    """

    node: int
    operand: int
    provenance: Provenance
    contribution: Array


def pulled_back(
    graph: Graph, seeds: Array, rules: Rules, chosen: Array, uses: list[Use] | None = None
) -> Array:
    """The adjoints of all numbers, for many seeds at once.

    Args:
        graph: what was recorded.
        seeds: `(many, size)` adjoints that come from outside; written into.
        rules: derivatives of operations.
        chosen: `(nodes,)` bool: the nodes to go through. Others are constants.
        uses: where contributions are kept, of the first seed.

    Returns:
        `seeds`, in which every number's adjoint stands now.
    """
    for number in np.flatnonzero(chosen)[::-1]:
        node = graph.nodes[number]
        if node.operation.function is None:
            continue
        cotangents = seeds[:, node.start : node.stop]
        if not cotangents.any():
            continue
        operands = [graph.values(p) for p in node.operands]
        found = rules.pull(node.operation, operands, cotangents.reshape(len(seeds), *node.shape))
        for position, (places, gradient) in enumerate(zip(node.operands, found, strict=True)):
            _add(seeds, places, gradient)
            if uses is not None:
                uses.append(Use(int(number), position, places, np.array(gradient[0])))
    return seeds


def _add(total: Array, places: Provenance, gradient: Array) -> None:
    """Add `(many, *shape)` at an array's places, which may repeat."""
    flat = places.reshape(-1)
    rows = gradient.reshape(len(total), -1)
    if flat.size == 1:
        total[:, flat[0]] += rows[:, 0]
    elif flat[-1] - flat[0] + 1 == flat.size and (flat[1:] > flat[:-1]).all():
        total[:, flat[0] : flat[-1] + 1] += rows
    elif np.unique(flat).size == flat.size:
        total[:, flat] += rows
    else:
        np.add.at(total.T, flat, rows.T)
