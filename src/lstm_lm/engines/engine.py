"""What the training loop asks of a backend: one update of the model."""

from typing import NamedTuple, Protocol

from lstm_lm.engines.optimizers import Moments
from lstm_spec import Batch, Params, State


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
