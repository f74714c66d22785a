"""Updates in JAX on a mesh of devices: each has some of the sequences, and of the weights."""

from typing import Any

import jax
import numpy as np

from jax_mesh import passes
from jax_mesh.grid import make_mesh
from jax_mesh.place import Place, to_host
from jax_mesh.sizes import Grid
from lstm_lm.config.options import Options
from lstm_lm.engines.engine import Training, Update
from lstm_lm.engines.jax_engine import JaxEngine
from lstm_spec import Batch, Params, State


class MeshEngine(JaxEngine):
    """As `JaxEngine`, with weights, moments and states as arrays of a mesh.

    States have a column for each sequence that fills the mesh up, too.
    """

    def __init__(self, options: Options) -> None:
        self._place = Place(make_mesh(Grid.of(options.mesh)))
        self._columns = options.batch or 1
        super().__init__(options)
        self._loss = jax.jit(self._backend.loss)
        self._gradients = jax.jit(self._loss_and_grads)
        self._finite = jax.jit(lambda leaves: [jax.numpy.isfinite(leaf).all() for leaf in leaves])

    def _loss_and_grads(self, params: Params, batch: Batch, **options: Any) -> Any:
        return passes.loss_and_grads(self._backend, self._place, params, batch, **options)

    def start(self, training: Training) -> Training:
        """Arrays of the mesh."""
        params, moments, carry = training
        placed = self._place.weights((params, moments))
        return Training(*placed, self._place.state(carry))

    def update(self, training: Training, batch: Batch, rate: float) -> Update:
        """As `Engine.update`."""
        return super().update(training, self._place.batch(batch), rate)

    def loss(self, params: Params, batch: Batch) -> tuple[float, State]:
        """As `Engine.loss`."""
        result = self._loss(params, self._place.batch(batch))
        return float(result.loss), result.final_state

    def gradients(self, params: Params, batch: Batch) -> Params:
        """As `Engine.gradients`."""
        return self._gradients(params, self._place.batch(batch)).grads

    def to_host(self, training: Training) -> Training:
        """As `Engine.to_host`; in several processes, each has to ask."""
        params, moments, carry = to_host(training)
        columns = State(*(np.ascontiguousarray(s[..., : self._columns]) for s in carry))
        return Training(params, moments, columns)

    def first_sick(self, tree: Any) -> str | None:
        """As `Engine.first_sick`, by every device of its own part."""
        named, _ = jax.tree.flatten_with_path(tree)
        finite = self._finite([leaf for _, leaf in named])
        sick = (path for (path, _), fine in zip(named, finite, strict=True) if not bool(fine))
        first = next(sick, None)
        return None if first is None else jax.tree_util.keystr(first, simple=True, separator=".")
