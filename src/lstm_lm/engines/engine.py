"""What the training loop asks of a backend: one update of the model."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from lstm_lm.engines.optimizers import Moments
from lstm_spec import Batch, Params, State
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

    def to_host(self, training: Training) -> Training:
        """NumPy arrays, the moments' count as it is."""

    def first_sick(self, tree: Any) -> str | None:
        """Path of the first leaf that holds a NaN or an infinity."""


def to_numpy(training: Training) -> Training:
    """`Engine.to_host` of arrays that NumPy can read."""
    params, moments, carry = training
    params, first, second, carry = tree_map(
        np.asarray, (params, moments.first, moments.second, carry)
    )
    return Training(params, Moments(int(moments.made), first, second), carry)


def first_sick_leaf(tree: Any) -> str | None:
    """`Engine.first_sick` of arrays that NumPy can read."""
    for path, leaf in iter_leaves(tree):
        if not all_finite(leaf):
            return path
    return None
