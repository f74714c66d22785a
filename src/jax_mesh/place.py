"""Which part of an array lies on which device, and back to NumPy.

A batch's last axis, its sequences, is cut among the rows of a mesh. Weights are on every device, or
cut by rows among the devices of a row. Sequences that fill up the last row count for nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_mesh.grid import DATA, MODEL
from lstm_spec import Batch, State

Tree = TypeVar("Tree")


class Place(NamedTuple):
    """Puts trees on a mesh.

    Attributes:
        mesh: of devices, with the axes of `grid.py`.
    """

    mesh: Mesh

    @property
    def rows(self) -> int:
        """Among how many devices sequences are cut."""
        return self.mesh.shape[DATA]

    def own_columns(self, size: int) -> range:
        """Which of a batch's sequences lie on devices of this process; fillers aside."""
        sharding = NamedSharding(self.mesh, PartitionSpec(DATA))
        whole = size + -size % self.rows
        parts = sharding.addressable_devices_indices_map((whole,)).values()
        spans = [part[0].indices(size) for part in parts if part is not None]
        return range(min(span[0] for span in spans), max(span[1] for span in spans))

    def by_sequence(self, leaf: Any) -> NamedSharding:
        """The last axis cut."""
        return NamedSharding(self.mesh, PartitionSpec(*[None] * (leaf.ndim - 1), DATA))

    def by_row(self, leaf: Any) -> NamedSharding:
        """The first axis cut among the devices of a row, where it divides; or whole everywhere."""
        cut = leaf.ndim > 0 and leaf.shape[0] % self.mesh.shape[MODEL] == 0
        return NamedSharding(self.mesh, PartitionSpec(MODEL) if cut else PartitionSpec())

    def batch(self, batch: Batch) -> Batch:
        """A batch on the mesh, filled up."""
        return self._put(filled(batch, self.rows), self.by_sequence)

    def state(self, state: State) -> State:
        """A state on the mesh, filled up."""
        return self._put(_filled(state, self.rows, 0.0), self.by_sequence)

    def weights(self, tree: Tree) -> Tree:
        """Weights, or what is as large, on the mesh; plain numbers stay what they are."""
        return self._put(tree, self.by_row)

    def _put(self, tree: Tree, where: Callable[[Any], NamedSharding]) -> Tree:
        def put(leaf: Any) -> Any:
            if not np.ndim(leaf):
                return leaf
            sharding = where(leaf)
            if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
                return leaf
            if sharding.is_fully_addressable:
                return jax.device_put(leaf, sharding)
            array = np.asarray(leaf)
            return jax.make_array_from_callback(array.shape, sharding, lambda at: array[at])

        return jax.tree.map(put, tree)


def filled(batch: Batch, rows: int) -> Batch:
    """A batch with so many further sequences that it divides; none of their positions counts."""
    time, size = batch.tokens.shape
    missing = -size % rows
    if not missing:
        return batch
    mask = np.ones((time, size), bool) if batch.mask is None else batch.mask
    more = batch._replace(mask=mask, dropout=None)
    dropout = _filled(batch.dropout, rows, 1.0)
    return _filled(more, rows, 0)._replace(dropout=dropout)


def _filled(tree: Any, rows: int, value: float) -> Any:
    def fill(leaf: Any) -> Any:
        missing = -leaf.shape[-1] % rows
        if not missing:
            return leaf
        widths = [(0, 0)] * (leaf.ndim - 1) + [(0, missing)]
        return np.pad(np.asarray(leaf), widths, constant_values=value)

    return jax.tree.map(fill, tree)


def to_host(tree: Tree) -> Tree:
    """NumPy arrays of the whole; in several processes, all of them have to ask."""

    def fetch(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
            return np.asarray(leaf) if np.ndim(leaf) else leaf
        if leaf.is_fully_replicated:
            return np.asarray(leaf.addressable_data(0))
        from jax.experimental.multihost_utils import process_allgather

        return np.asarray(process_allgather(leaf, tiled=True))

    return jax.tree.map(fetch, tree)
