"""One update of the model, on either backend; the training loop knows no other difference."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from lstm_lm.optimizers import Moments, Optimizer, clip, global_norm
from lstm_lm.options import Options
from lstm_spec import Batch, InputError, LossAndGrads, Params, State, config_of, load_backend
from lstm_spec.checks import all_finite
from lstm_spec.tree import iter_leaves, tree_map


class Training(NamedTuple):
    """All that an update changes.

    Attributes:
        params: the weights.
        moments: the optimiser's memory.
        carry: the state that the next window may go on from.
    """

    params: Params
    moments: Moments
    carry: State


class Update(NamedTuple):
    """What an update made: the loss in nats per token, and the gradient's norm before clipping."""

    training: Training
    loss: float
    norm: float


class Engine(Protocol):
    """What the training loop asks of a backend."""

    def start(self, training: Training) -> Training:
        """Bring weights, moments and state to where this engine keeps them."""

    def update(self, training: Training, batch: Batch, rate: float) -> Update:
        """One update; where the norm is not finite, nothing is changed."""

    def loss(self, params: Params, batch: Batch) -> tuple[float, State]:
        """Loss without gradients, and the final state."""

    def gradients(self, params: Params, batch: Batch) -> Params:
        """The gradients that an update would use, before clipping."""


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

    def _loss_and_grads(self, params: Params, batch: Batch) -> LossAndGrads:
        """In the memory of the update before, where the backend can and the shapes are the same."""
        if not hasattr(self._backend, "Workspace"):
            return self._backend.loss_and_grads(params, batch)
        shape = (config_of(params), *batch.tokens.shape)
        if self._workspace is None or not self._workspace.fits(*shape):
            keep_every = self._options.keep_every or None
            self._workspace = self._backend.Workspace(*shape, keep_every, processes=True)
        return self._backend.loss_and_grads(params, batch, self._workspace)


def _jax_engine(options: Options) -> Engine:
    from lstm_lm.jax_engine import JaxEngine

    return JaxEngine(options)


ENGINES: dict[str, Callable[[Options], Engine]] = {
    "numpy": NumpyEngine,
    "jax": _jax_engine,
    "jax-manual": _jax_engine,
}


def make_engine(options: Options) -> Engine:
    """The engine of the options' backend.

    Raises:
        InputError: there is none of this name.
    """
    if options.backend not in ENGINES:
        known = ", ".join([*ENGINES, "both"])
        raise InputError(f"--backend: got {options.backend!r}, expected one of {known}")
    return ENGINES[options.backend](options)


def first_sick_leaf(tree: Any) -> str | None:
    """Path of the first leaf that holds a NaN or an infinity."""
    for path, leaf in iter_leaves(tree):
        if not all_finite(leaf):
            return path
    return None
