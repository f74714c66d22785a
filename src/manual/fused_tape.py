"""The memory of the fast pass: what a layer keeps, scratch arrays, and views of them by step."""

import numpy as np
from jaxtyping import Float

from lstm_spec import Batch, Config, State
from manual.fused_readout import FusedReadout

CACHE = 2**20  # bytes that the gates of a block of steps may take
ONE_HOT = 32  # vocabularies up to this size are multiplied, larger ones looked up


def block_length(config: Config, time: int, batch: int) -> int:
    """How many steps are worked on together: as many as the cache holds, evenly divided."""
    step = 4 * config.hidden_size * batch * config.numpy_dtype.itemsize
    number = -(-time // max(1, CACHE // step))
    return -(-time // number)


def looks_up(config: Config, layer: int) -> bool:
    """Whether a layer looks its tokens' columns of W up."""
    return layer == 0 and config.vocab_size > ONE_HOT


class FusedLayer:
    """What one layer keeps of a forward pass, and the scratch memory of its passes.

    The rows of z are h, then x (dense inputs or one-hot tokens) and a row of ones for
    the bias. Where tokens are looked up, z is h alone.
    """

    def __init__(self, config: Config, layer: int, time: int, batch: int) -> None:
        self.hidden, self.inputs = config.hidden_size, config.input_size(layer)
        self.reads_tokens = layer == 0
        self.looks_up = looks_up(config, layer)
        hidden, block = self.hidden, block_length(config, time, batch)
        self.block = block
        self.rows = hidden + self.inputs + 1

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self.z = empty(time + 1, hidden if self.looks_up else self.rows, batch)
        self.z[:, hidden:] = 1
        self.gates, self.C = empty(time, 4 * hidden, batch), empty(time + 1, hidden, batch)
        self.column = empty(4 * hidden, batch)
        self.local, self.through_m = empty(block, 4 * hidden, batch), empty(block, hidden, batch)
        self.scratch = empty(2, block, hidden, batch)
        self.tmp, self.dh = empty(hidden, batch), empty(hidden, batch)
        self.dC, self.dC_spare = empty(hidden, batch), empty(hidden, batch)
        self.dz = empty(hidden if self.reads_tokens else hidden + self.inputs, batch)
        self.da_block = empty(4 * hidden * block * batch)
        self.z_block = empty(self.rows * block * batch)
        self.dW, self.dW_block = empty(4 * hidden, self.rows), empty(4 * hidden, self.rows)

        self.forward_steps = [self._forward_step(t) for t in range(time)]
        self.gate_steps = [_gate_step(gates, hidden) for gates in self.gates]
        self.local_steps = [self._local_step(j) for j in range(block)]

    def _forward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: z, a, its sigmoids, o, f, i, g, C_prev, C, h."""
        a, hidden = self.gates[t], self.hidden
        gates = (a[k * hidden : (k + 1) * hidden] for k in range(4))
        C = self.C[t : t + 2]
        return (self.z[t], a, a[: 3 * hidden], *gates, *C, self.z[t + 1, :hidden])

    def _local_step(self, j: int) -> tuple[np.ndarray, ...]:
        """Views of step j of a block: o(1−m²), and what dh and dC are multiplied by."""
        local, shape = self.local[j], (3, self.hidden, self.local.shape[2])
        return self.through_m[j], local[: self.hidden], local[self.hidden :].reshape(shape)

    @property
    def h(self) -> Float[np.ndarray, "time hidden batch"]:
        """h_0 … h_{T−1}."""
        return self.z[1:, : self.hidden]

    @property
    def x(self) -> Float[np.ndarray, "time inputs batch"]:
        """Where a layer's dense inputs belong."""
        return self.z[:-1, self.hidden : -1]


def _gate_step(gates: np.ndarray, hidden: int) -> tuple[np.ndarray, ...]:
    """Views of one step's gates: all, f, and where da_o and da_f, da_i, da_g go."""
    rest = gates[hidden:].reshape(3, hidden, gates.shape[1])
    return gates, gates[hidden : 2 * hidden], gates[:hidden], rest


class FusedTape:
    """The layers' memory for a segment of steps, and the gradients that pass between them.

    Attributes:
        segments: beginnings and ends of the segments that a pass is made of.
        kept: h and C of every layer before each segment.
        columns: the sequences of the batch that it is for.
    """

    def __init__(self, config: Config, time: int, columns: slice, keep_every: int | None) -> None:
        self.columns, batch = columns, columns.stop - columns.start
        steps = min(keep_every or time, time)
        self.segments = [(start, min(start + steps, time)) for start in range(0, time, steps)]
        self.layers = [FusedLayer(config, k, steps, batch) for k in range(config.num_layers)]
        self.dh = np.empty((steps, config.hidden_size, batch), config.numpy_dtype)
        self.readout = FusedReadout(config, self.layers[-1].block, batch)
        state = (config.num_layers, config.hidden_size, batch)
        self.kept = np.empty((len(self.segments), 2, *state), config.numpy_dtype)
        self._zero = State(np.zeros(state, config.numpy_dtype), np.zeros(state, config.numpy_dtype))

    def initial_state(self, batch: Batch) -> State:
        """The state before the first step."""
        return batch.initial_state or self._zero

    def state(self, steps: int) -> State:
        """h and C of every layer after so many steps of the segment."""
        return State(
            np.stack([layer.h[steps - 1] for layer in self.layers]),
            np.stack([layer.C[steps] for layer in self.layers]),
        )

    def gradients(self) -> list[np.ndarray]:
        """The sums that a backward pass leaves, in this module's order."""
        readout = self.readout
        return [*(layer.dW for layer in self.layers), readout.dW_v, readout.db_v]
