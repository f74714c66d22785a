"""The equations of an LSTM, where the recorded forward pass is one: B5 beside the line that is.

The one place of the recorder that knows of LSTMs. A cell is told by F4 to F6 alone: a state that is
the sum of two products, and a product with its tanh. See docs/derivation.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradparity.record.graph.nodes import Array, Graph, Node, Provenance
from gradparity.record.graph.truth import Truth
from gradparity.record.locate.known.recognise import Quantity

CLOSE = 1e-9
GATES = {"o": "B4", "g": "B6", "i": "B7", "f": "B8"}
NOTHING = ""


@dataclass(frozen=True)
class Cell:
    """One step: provenance of its quantities, and the position of the node f ⊙ C_prev."""

    c: Provenance
    f: Provenance
    i: Provenance
    g: Provenance
    o: Provenance
    h: Provenance
    forgets: int


class Equations:
    """Names the equations that compute true quantities.

    Args:
        graph: what was recorded.
        truth: of its forward pass.
    """

    def __init__(self, graph: Graph, truth: Truth) -> None:
        self.graph = graph
        self.roles = np.full(graph.size, NOTHING, dtype="<U1")
        nodes = [n for k, n in enumerate(graph.nodes) if truth.forward[k]]
        self.cells = list(_cells(graph, nodes))
        for cell in self.cells:
            for name in ("c", "f", "i", "g", "o", "h"):
                self.roles[getattr(cell, name)] = name
        if self.cells:
            self._before_activation(nodes)
            self._readout(truth)

    def of(self, quantity: Quantity) -> str:
        """The equation that yields a quantity, such as "B5"; "" where that is none of these."""
        roles = set(np.unique(self.roles[quantity.provenance]).tolist())
        if not self.cells or not roles:
            return ""
        whole = quantity.kind == "adjoint"
        if roles <= set(GATES):
            return ", ".join(sorted(GATES[r] for r in roles))
        if roles == {"v"}:
            return "B1"
        to = set() if quantity.node < 0 else self._result(quantity.node)
        if roles == {"h"}:
            return "B3" if whole or to == {"v"} else "B10"
        if roles == {"c"}:
            return "B11" if quantity.node in {c.forgets for c in self.cells} else "B5"
        if roles == {NOTHING} and to:
            return "B2" if to == {"v"} else "B9" if to <= set(GATES) else ""
        return ""

    def _result(self, number: int) -> set[str]:
        """The roles of what a node makes, or of the first thing that is made of that."""
        node = self.graph.nodes[number]
        found = set(np.unique(self.roles[node.start : node.stop]).tolist())
        start, stop = node.start, node.stop
        for later in self.graph.nodes[number + 1 :]:
            if found - {NOTHING}:
                break
            if any(((p >= start) & (p < stop)).any() for p in later.operands):
                found = set(np.unique(self.roles[later.start : later.stop]).tolist())
                start, stop = later.start, later.stop
        return found - {NOTHING}

    def _before_activation(self, nodes: list[Node]) -> None:
        """The gates' arguments, which are told by their values, have the gates' equations."""
        numbers = np.concatenate([np.arange(n.start, n.stop) for n in nodes])
        values = self.graph.pool[numbers]
        order = np.argsort(values)
        for cell in self.cells:
            for name, inverse in (("o", _logit), ("i", _logit), ("f", _logit), ("g", np.arctanh)):
                with np.errstate(all="ignore"):
                    wanted = inverse(self.graph.values(getattr(cell, name))).reshape(-1)
                for value in wanted[np.isfinite(wanted)]:
                    ends = value - CLOSE, value + CLOSE
                    low, high = np.searchsorted(values, ends, sorter=order)
                    self.roles[numbers[order[low:high]]] = name

    def _readout(self, truth: Truth) -> None:
        """What depends on h and leads to no other step."""
        recurrent = np.zeros(len(self.graph.nodes), dtype=bool)
        for cell in self.cells:
            recurrent |= self.graph.ancestors(cell.h)
        behind = self.roles == "h"
        for number, node in enumerate(self.graph.nodes):
            if truth.forward[number] and not recurrent[number]:
                reads = any(behind[p.reshape(-1)].any() for p in node.operands)
                if reads and node.operation.name in ("matmul", "dot", "einsum", "tensordot"):
                    self.roles[node.start : node.stop] = "v"
                elif reads and node.operation.name == "add":
                    self.roles[node.start : node.stop] = "v"
                    behind[node.start : node.stop] = True
                    continue
                behind[node.start : node.stop] = self.roles[node.start : node.stop] == "v"


def _logit(value: Array) -> Array:
    return np.log(value / (1 - value))


def _cells(graph: Graph, nodes: list[Node]) -> Iterator[Cell]:
    """Sums of two products, with the products of their tanh."""
    makers = graph.producers()
    states: set[int] = set()
    products = [n for n in nodes if n.operation.name == "multiply"]
    for node in nodes:
        if node.operation.name != "add" or len(node.operands) != 2:
            continue
        made = [_one(makers[p.reshape(-1)]) for p in node.operands]
        if not all(m >= 0 and graph.nodes[m].operation.name == "multiply" for m in made):
            continue
        c = np.arange(node.start, node.stop).reshape(node.shape)
        found = _cell(graph, c, made, states, products)
        if found is not None:
            states |= set(c.reshape(-1).tolist())
            yield found


def _cell(
    graph: Graph, c: Provenance, made: list[int], states: set[int], products: list[Node]
) -> Cell | None:
    tanh = np.tanh(graph.values(c))
    for forgets, adds in (made, made[::-1]):
        for before, f in _either(graph.nodes[forgets]):
            if not (_is_given(graph, before) or set(before.reshape(-1).tolist()) <= states):
                continue
            for i, g in _either(graph.nodes[adds]):
                if not (_is_gate(graph.values(f)) and _is_gate(graph.values(i))):
                    continue
                for product in products:
                    for m, o in _either(product):
                        if m.shape == c.shape and np.allclose(graph.values(m), tanh, rtol=CLOSE):
                            h = np.arange(product.start, product.stop).reshape(product.shape)
                            return Cell(c, f, i, g, o, h, forgets)
    return None


def _is_given(graph: Graph, places: Provenance) -> bool:
    """Whether an array was not computed, under its own numbers or others."""
    makers = np.unique(graph.producers()[places.reshape(-1)])
    return all(m < 0 or graph.nodes[m].operation.name == "=" for m in makers)


def _either(node: Node) -> Iterator[tuple[Provenance, Provenance]]:
    left, right = node.operands
    yield left, right
    yield right, left


def _is_gate(value: Array) -> bool:
    return bool(((value > 0) & (value < 1)).all())


def _one(numbers: Array) -> int:
    """The one number that all of these are, or -1."""
    return int(numbers[0]) if numbers.size and (numbers == numbers[0]).all() else -1
