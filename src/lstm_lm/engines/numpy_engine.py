"""Updates in NumPy."""

from typing import Any

import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.engines.engine import Training, Update, first_sick_leaf, to_numpy
from lstm_lm.engines.optimizers import Optimizer, clip, global_norm
from lstm_spec import Batch, LossAndGrads, Params, State, config_of, load_backend
from lstm_spec.tree import tree_map


class NumpyEngine:
    """Everything in NumPy, with any backend that computes in it."""

    def __init__(self, options: Options) -> None:
        self._backend: Any = load_backend(options.backend)
        self._workspace: Any = None
        self._optimizer = Optimizer(options)
        self._options = options

    def start(self, training: Training) -> Training:
        """NumPy arrays of the engine's own."""
        return tree_map(lambda leaf: np.array(leaf) if np.ndim(leaf) else leaf, training)

    def update(self, training: Training, batch: Batch, rate: float) -> Update:
        """As `Engine.update`."""
        with np.errstate(over="ignore", invalid="ignore"):  # the loop says so, and where
            result = self._loss_and_grads(training.params, batch)
            norm = global_norm(result.grads)
            if not np.isfinite(norm):
                return Update(training, float(result.loss), norm)
            grads = clip(result.grads, self._options, norm)
            params, moments = self._optimizer.update(training.params, grads, training.moments, rate)
        new = Training(params, moments, result.final_state)
        return Update(new, float(result.loss), norm)

    def loss(self, params: Params, batch: Batch) -> tuple[float, State]:
        """As `Engine.loss`."""
        result = self._backend.loss(params, batch)
        return float(result.loss), result.final_state

    def gradients(self, params: Params, batch: Batch) -> Params:
        """As `Engine.gradients`."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._loss_and_grads(params, batch).grads

    def to_host(self, training: Training) -> Training:
        """As `Engine.to_host`."""
        return to_numpy(training)

    def first_sick(self, tree: Any) -> str | None:
        """As `Engine.first_sick`."""
        return first_sick_leaf(tree)

    def _loss_and_grads(self, params: Params, batch: Batch) -> LossAndGrads:
        """In the memory of the update before, where the backend can and the shapes are the same."""
        if not hasattr(self._backend, "Workspace"):
            return self._backend.loss_and_grads(params, batch)
        shape = (config_of(params), *batch.tokens.shape)
        if self._workspace is None or not self._workspace.fits(*shape):
            keep_every = self._options.keep_every or None
            self._workspace = self._backend.Workspace(*shape, keep_every, processes=True)
        return self._backend.loss_and_grads(params, batch, self._workspace)
