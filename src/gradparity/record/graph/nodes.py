"""What a program computed: a pool of numbers, and the operations that made them.

Every number has an index in one pool, and every array of a program is known by the indices of its
entries (its provenance). Moving data therefore makes no node: a slice, a transpose or a write into
a buffer does to the provenance what it does to the values. A node is an operation with the
provenance of its operands as they were then. Frontends (NumPy's is in `frontend/`) fill a `Graph`;
what analyses it knows nothing of where it came from.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

Array = np.ndarray
Provenance = np.ndarray  # int64, of an array's shape: where in the pool its entries stand

FIRST = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was computed: an instruction of a code object."""

    code: CodeType
    instruction: int

    @property
    def file(self) -> str:
        """The source file."""
        return self.code.co_filename

    @property
    def line(self) -> int:
        """The line, from 1."""
        positions = list(self.code.co_positions())
        return positions[self.instruction // 2][0] or self.code.co_firstlineno


@dataclass(frozen=True, slots=True)
class Operation:
    """A function of arrays, as its derivative is asked for.

    Attributes:
        name: what the program called, as a person writes it: "tanh", "matmul", "sum".
        function: a maker of the function of `jax.numpy` with all that is no array bound; made when
            it is needed, so that recording needs no JAX. None: it has no derivative (a
            comparison, `sign`), which is to say that it is 0 wherever it exists.
        key: tells operations apart whose functions differ, for derivatives are kept.
        elementwise: whether each entry of the result depends on the operands' entries there alone.
        run: of an elementwise one, what computes it on plain arrays of any shapes.
    """

    name: str
    function: Callable[[], Callable[..., Any]] | None
    key: Hashable
    elementwise: bool = False
    run: Callable[..., Any] | None = None


@dataclass(slots=True)
class Node:
    """One execution of an operation.

    Attributes:
        operation: which.
        operands: provenance of each.
        start: where in the pool the result's entries begin, in the order of a C array.
        shape: of the result.
        place: what computed it.
    """

    operation: Operation
    operands: tuple[Provenance, ...]
    start: int
    shape: tuple[int, ...]
    place: Place | None = None

    @property
    def size(self) -> int:
        """Entries of the result."""
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        """Where in the pool the result's entries end."""
        return self.start + self.size


@dataclass(slots=True)
class Leaf:
    """An array that was given, not computed: a parameter, an input, a constant of the program."""

    name: str
    start: int
    shape: tuple[int, ...]
    given: bool = False


@dataclass
class Graph:
    """All nodes in the order of their execution, and the values of all numbers."""

    nodes: list[Node] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    size: int = 0
    _pool: Array = field(default_factory=lambda: np.zeros(FIRST))
    _made: Array | None = None
    _scalars: dict[tuple[type, float], Provenance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.zero = int(self.scalar(0.0))

    @property
    def pool(self) -> Array:
        """`(size,)` float64: every number."""
        return self._pool[: self.size]

    def values(self, provenance: Provenance) -> Array:
        """The values of an array known by its provenance."""
        return self._pool[provenance]

    def leaf(self, values: Array, name: str = "", given: bool = False) -> Provenance:
        """Take in an array that was not computed."""
        start = self._append(values)
        self.leaves.append(Leaf(name, start, values.shape, given))
        return _range(start, values.shape)

    def scalar(self, value: float) -> Provenance:
        """Take in a number of the program's text, once."""
        key = (type(value), value)
        if key not in self._scalars:
            self._scalars[key] = self.leaf(np.array(value, dtype=np.float64))
        return self._scalars[key]

    def node(
        self,
        operation: Operation,
        operands: Sequence[Provenance],
        result: Array,
        place: Place | None = None,
    ) -> Provenance:
        """Take in what an operation has yielded."""
        start = self._append(result)
        self.nodes.append(Node(operation, tuple(operands), start, result.shape, place))
        return _range(start, result.shape)

    def producers(self) -> Array:
        """`(size,)` for every number the position of its node in `nodes`, or -1 for a leaf's."""
        if self._made is None or len(self._made) < self.size:
            self._made = np.full(self.size, -1, dtype=np.int64)
            for number, node in enumerate(self.nodes):
                self._made[node.start : node.stop] = number
        return self._made

    def ancestors(self, provenance: Provenance) -> Array:
        """`(nodes,)` bool: which nodes the numbers of an array depend on."""
        producers = self.producers()
        needed = np.zeros(len(self.nodes), dtype=bool)
        needed[_known(producers[provenance.ravel()])] = True
        for number in range(len(self.nodes) - 1, -1, -1):
            if needed[number]:
                for operand in self.nodes[number].operands:
                    needed[_known(producers[operand.ravel()])] = True
        return needed

    def within(self, provenance: Provenance, chosen: Array) -> Iterator[int]:
        """Positions of the chosen nodes that an array's entries come from directly."""
        producers = self.producers()[provenance.ravel()]
        yield from (int(n) for n in np.unique(_known(producers)) if chosen[n])

    def _append(self, values: Array) -> int:
        start, stop = self.size, self.size + values.size
        if stop > len(self._pool):
            grown = np.zeros(max(2 * len(self._pool), stop))
            grown[:start] = self._pool[:start]
            self._pool = grown
        self._pool[start:stop] = values.reshape(-1)
        self.size = stop
        return start


def _range(start: int, shape: tuple[int, ...]) -> Provenance:
    size = int(np.prod(shape, dtype=np.int64))
    return np.arange(start, start + size, dtype=np.int64).reshape(shape)


def _known(producers: Array) -> Array:
    return producers[producers >= 0]
