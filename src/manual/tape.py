"""What a literal pass keeps: every intermediate and every adjoint at every time step."""

import numpy as np
from jaxtyping import Inexact

from lstm_spec import Config, LayerAdjoints
from manual.cell import Step, StepAdjoints


class LayerTape:
    """What one layer's forward pass keeps, and where its backward pass writes.

    `forward` and `backward` hold each quantity at all time steps, `(time, rows, batch)`;
    `step(t)` and `adjoints_at(t)` are the same at one. h_t is not stored apart: it is
    the upper part of z_{t+1}, so that F1 costs nothing.
    """

    def __init__(self, config: Config, layer: int, time: int, batch: int) -> None:
        hidden, inputs = config.hidden_size, config.input_size(layer)

        def empty(rows: int, steps: int = time) -> Inexact[np.ndarray, "steps rows batch"]:
            return np.empty((steps, rows, batch), config.numpy_dtype)

        z, C = empty(hidden + inputs, time + 1), empty(hidden, time + 1)
        self.x = z[:-1, hidden:]
        a, gates = empty(4 * hidden), empty(4 * hidden)
        forward = (z[:-1], a, *_rows(a), *_rows(gates), C[:-1], C[1:], empty(hidden))
        self.forward = Step._make((*forward, z[1:, :hidden]))
        da, dgates = empty(4 * hidden), empty(4 * hidden)
        local = (empty(hidden), empty(hidden), empty(hidden))
        backward = (empty(hidden + inputs), da, *_rows(da), *_rows(dgates), *local)
        self.backward = StepAdjoints._make(backward)

    def step(self, t: int) -> Step:
        """The forward arrays of time step t."""
        return Step._make(array[t] for array in self.forward)

    def adjoints_at(self, t: int) -> StepAdjoints:
        """The adjoint arrays of time step t."""
        return StepAdjoints._make(array[t] for array in self.backward)

    def adjoints(self) -> LayerAdjoints:
        """Every adjoint at every time step, as copies that outlive the tape."""
        named = self.backward._asdict()
        return LayerAdjoints._make(named[name].copy() for name in LayerAdjoints._fields)


def _rows(stacked: np.ndarray) -> list[np.ndarray]:
    """The rows of f, i, g and o."""
    return np.split(stacked, 4, axis=1)


class Tape:
    """Every array of one forward and backward pass, all intermediates and adjoints kept."""

    def __init__(self, config: Config, time: int, batch: int) -> None:
        self.config, self.batch = config, batch
        self.layers = [LayerTape(config, k, time, batch) for k in range(config.num_layers)]
        logits = (time, config.vocab_size, batch)
        self.v = np.empty(logits, config.numpy_dtype)
        self.dv = np.empty(logits, config.numpy_dtype)
