"""Updates in NumPy."""

from dataclasses import replace
from typing import Any

import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.config.rules import MEASURED
from lstm_lm.engines.engine import Training, Update, first_sick_leaf, to_numpy
from lstm_lm.engines.optimizers import Optimizer, clip, global_norm
from lstm_spec import Batch, LossAndGrads, Params, State, config_of, load_backend
from lstm_spec.tree import tree_map

WAY = 8  # steps whose states are kept at once where there is no way back


def settled(options: Options, vocabulary: int, batch: Batch) -> Options:
    """The options with what their machine decides in place of `measured`: a run keeps it."""
    if options.backend != "numpy" or options.pieces != MEASURED:
        return options
    backend: Any = load_backend(options.backend)
    shape = options.config(vocabulary), *batch.tokens.shape
    found = backend.Workspace.measured_pieces(*shape, options.processes or True)
    return replace(options, pieces=found)


class NumpyEngine:
    """Everything in NumPy, with any backend that computes in it."""

    def __init__(self, options: Options) -> None:
        self._backend: Any = load_backend(options.backend)
        self._workspaces: dict[bool, Any] = {}
        self._optimizer = Optimizer(options)
        self._options = options
        self._pieces = "rule" if options.pieces == MEASURED else options.pieces

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
        given = (params, batch, *self._workspace_for(params, batch, validation=True))
        result = self._backend.loss(*given)
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
        return self._backend.loss_and_grads(params, batch, *self._workspace_for(params, batch))

    def _workspace_for(
        self, params: Params, batch: Batch, *, validation: bool = False
    ) -> tuple[Any, ...]:
        """The memory of the update before, where the backend can and the shapes are the same.

        Of another shape, a validation has memory of its own, of a few steps: it goes one way.
        """
        if not hasattr(self._backend, "Workspace"):
            return ()
        shape = (config_of(params), *batch.tokens.shape)
        found = next((w for w in self._workspaces.values() if w.fits(*shape)), None)
        if found is None:
            few = WAY if validation else self._options.keep_every
            processes = self._options.processes or True
            found = self._backend.Workspace(
                *shape, few or None, processes=processes, pieces=self._pieces
            )
            self._workspaces[validation] = found
        return (found,)
