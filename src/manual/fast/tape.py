"""The memory of the fast pass over all layers, and what passes between them."""

import numpy as np

from lstm_spec import Batch, Config, State
from manual.fast.layer import Layer
from manual.fast.products import Arrangement
from manual.fast.readout import Readout


class Tape:
    """The layers' memory for a segment of steps, and the gradients that pass between them.

    Attributes:
        segments: beginnings and ends of the segments that a pass is made of.
        kept: h and C of every layer before each segment.
        dh: what reaches each h of a layer from above, matrices as the layers have them.
        columns: the sequences of the batch that it is for.
    """

    def __init__(
        self,
        config: Config,
        time: int,
        columns: slice,
        arrangement: Arrangement,
        keep_every: int | None,
    ) -> None:
        self.columns, batch = columns, columns.stop - columns.start
        steps = min(keep_every or time, time)
        self.segments = [(start, min(start + steps, time)) for start in range(0, time, steps)]
        layers, hidden = range(config.num_layers), config.hidden_size
        self.layers = [Layer(config, k, steps, batch, arrangement) for k in layers]
        matrix = (hidden, batch) if arrangement.kind.turned else (batch, hidden)
        self.dh = np.empty((steps, *matrix), config.numpy_dtype)
        self._dh_rows = (
            np.empty((steps, batch, hidden), self.dh.dtype) if arrangement.kind.turned else self.dh
        )
        self.readout = Readout(config, self.layers[-1].wide * batch)
        self.kept = np.empty((len(self.segments), 2, len(layers), hidden, batch), self.dh.dtype)

    def begin(self, batch: Batch) -> None:
        """Keep the state before the first step."""
        self.kept[0] = 0
        if batch.initial_state is not None:
            self.kept[0] = batch.initial_state

    def state(self, steps: int) -> State:
        """h and C of every layer after so many steps of the segment, as a caller gets them."""
        return State(
            np.array([layer.h[steps - 1] for layer in self.layers]),
            np.array([layer.C[steps] for layer in self.layers]),
        )

    def rows_of_dh(self, start: int, end: int) -> np.ndarray:
        """Where the readout leaves dh of some steps, a row for each step and sequence."""
        return self._dh_rows[start:end].reshape(-1, self._dh_rows.shape[2])

    def take_rows_of_dh(self, start: int, end: int) -> None:
        """Bring them to where `dh` has them."""
        if self._dh_rows is not self.dh:
            self.dh[start:end] = self._dh_rows[start:end].swapaxes(1, 2)

    def gradients(self) -> list[np.ndarray]:
        """The sums that a backward pass leaves, in this module's order."""
        sums, readout = [layer.dW for layer in self.layers], self.readout
        return [self.layers[0].by_token, *sums, readout.dW_v, readout.db_v]
