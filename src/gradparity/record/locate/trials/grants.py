"""True values put where a statement's own is wrong, so that the search can look behind it.

Of several mistakes each hides the next: nothing that is computed from a wrong value is known. What
a statement should yield is a true quantity of its shape, over all its executions one for each time
step or layer, the last first. Put there whatever its expression is, the right one makes known what
follows. The statement is wrong then; why, can be asked when nothing else is.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.record.frontend import session
from gradparity.record.frontend.array import recorded
from gradparity.record.frontend.hooks import Patch
from gradparity.record.frontend.source import Slot, Statement, with_calls_hooked
from gradparity.record.graph.nodes import Array, Graph
from gradparity.record.locate.known.recognise import Quantity, Table, fingerprints

PRICE = 4.0  # dearer than a change that is likely: it says only where
MOST_FAMILIES = 60


@dataclass(frozen=True)
class Granted(Patch):
    """True values for a slot, one for each execution; behind the last of them its own."""

    values: Iterator[Array] = field(default_factory=lambda: iter(()))

    def made(self, names: dict[str, Any]) -> Any:
        """The next value."""
        value = next(self.values, None)
        if value is None:
            return super().made(names)
        own = value.copy() if value.ndim else value[()]
        return recorded(own) if session.active() else own


@dataclass(eq=False)
class Grant:
    """A slot whose value is made what it should be, by no change of its expression.

    Attributes:
        slot: which; of an addend, what the assignment makes.
        values: by execution.
        root: the expression whose value it is.
    """

    slot: Slot
    values: tuple[Array, ...]
    root: ast.expr
    price: float = PRICE

    def over(self, factor: float) -> "Grant":
        """The same for gradients that are not taken times a factor."""
        return Grant(self.slot, tuple(v / factor for v in self.values), self.root, self.price)

    @property
    def statement(self) -> Statement:
        """Where it stands."""
        return self.slot.statement

    @property
    def patch(self) -> Patch:
        """As hooks take it, for one run."""
        file, node = self.statement.file, self.statement.node
        code, target = with_calls_hooked(self.root, file), None
        operator = ""
        if self.slot.after is not None:
            assert isinstance(self.root, ast.BinOp)
            assert isinstance(node, ast.AugAssign)
            target = with_calls_hooked(self.root.left, file)
            operator = type(node.op).__name__
        return Granted(code, target, operator, iter(self.values))


class Families:
    """True quantities of one kind over all executions of what they belong to.

    Args:
        table: true quantities.
        graph: of the forward pass.
    """

    def __init__(self, table: Table, graph: Graph) -> None:
        self.table, self.graph = table, graph
        self._groups: dict[tuple[int, ...], list[list[int]]] = {}

    def of(self, shape: tuple[int, ...], count: int) -> list[tuple[Array, ...]]:
        """Those of a shape that have a value for each of some executions, or for all but one."""
        if shape not in self._groups:
            self._groups[shape] = list(self._grouped(shape).values())
        found: dict[bytes, tuple[Array, ...]] = {}
        for numbers in self._groups[shape]:
            if len(numbers) in (count, count - 1):
                values = tuple(self.table.values[n] for n in numbers)
                for order in (values[::-1], values):
                    key = np.round(fingerprints(order), 9).tobytes()
                    found.setdefault(key, order)
        return list(found.values())[:MOST_FAMILIES]

    def _grouped(self, shape: tuple[int, ...]) -> dict[tuple, list[int]]:
        found: dict[tuple, list[int]] = defaultdict(list)
        had: dict[tuple, int] = defaultdict(int)
        for number, quantity in enumerate(self.table.quantities):
            if quantity.kind != "forward" and self.table.values[number].shape == shape:
                key = self._key(quantity)
                first = int(quantity.provenance.flat[0])
                found[(*key, had[*key, first])].append(number)
                had[*key, first] += 1
        for numbers in found.values():
            numbers.sort(key=lambda n: int(self.table.quantities[n].provenance.flat[0]))
        return found

    def _key(self, quantity: Quantity) -> tuple:
        """What all executions of one line have in common."""
        first = int(quantity.provenance.flat[0])
        maker = int(self.graph.producers()[first])
        use = self.graph.nodes[quantity.node].place if quantity.node >= 0 else None
        if maker < 0:
            return quantity.kind, None if use else first, 0, use
        node = self.graph.nodes[maker]
        return quantity.kind, node.place, first - node.start, use


def grants(
    families: Families, slots: Sequence[Slot], shapes: Mapping[int, tuple[tuple[int, ...], int]]
) -> Iterator[Grant]:
    """All that some slots may have to be.

    Args:
        families: of true quantities.
        slots: of the program.
        shapes: by slot, its value's shape and how often it is executed.
    """
    for number, (shape, count) in shapes.items():
        slot = slots[number]
        root = slot.expression if slot.after is None else slots[slot.after].expression
        for values in families.of(shape, count):
            yield Grant(slot, values, root)
