"""The memory of the fast pass: what a layer keeps, scratch arrays, and views of them by step."""

import numpy as np
from jaxtyping import Float

from lstm_spec import Batch, Config, State
from manual.fused_readout import FusedReadout
from manual.gemm import Product

CACHE = 2**20  # bytes that the gates of a block of steps may take
WIDE = 256  # columns, at least, of the products that form gradients by weights
PADDING = 16  # columns
ONE_HOT = 32  # vocabularies up to this size are multiplied, larger ones looked up


def block_length(config: Config, time: int, batch: int) -> int:
    """How many steps' local derivatives are formed together: what the cache holds, divided evenly."""
    step = 4 * config.hidden_size * batch * config.numpy_dtype.itemsize
    number = -(-time // max(1, CACHE // step))
    return -(-time // number)


def wide_length(block: int, time: int, batch: int) -> int:
    """How many steps go into one product for gradients by weights: some blocks."""
    return min(time, block * -(-WIDE // (block * batch)))


def looks_up(config: Config, layer: int) -> bool:
    """Whether a layer looks its tokens' columns of W up."""
    return layer == 0 and config.vocab_size > ONE_HOT


def padded(config: Config, rows: int) -> np.ndarray:
    """`(rows, 4*hidden)` and a little more: a power of two apart, all would share one cache set."""
    return np.zeros((rows, 4 * config.hidden_size + PADDING), config.numpy_dtype)


class FusedLayer:
    """What one layer keeps of a forward pass, and the scratch memory of its passes.

    `steps (time + 1, 6*hidden, batch)` has for each step the rows C_prev, g, f, i, o, m: neighbours
    are what one operation can treat together. The backward pass leaves dC_next, da_g, da_f, da_i,
    da_o and scratch in their place; `local` has what they are multiples of, in the same order.

    The rows of z are h, then x (dense inputs or one-hot tokens) and a row of ones for
    the bias. Where tokens are looked up, z is h alone.
    """

    def __init__(self, config: Config, layer: int, time: int, batch: int) -> None:
        self.hidden, self.inputs = config.hidden_size, config.input_size(layer)
        self.reads_tokens = layer == 0
        self.looks_up = looks_up(config, layer)
        hidden, block = self.hidden, block_length(config, time, batch)
        self.block, self.wide = block, wide_length(block, time, batch)

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self.z = empty(time + 1, hidden if self.looks_up else hidden + self.inputs + 1, batch)
        self.z[:, hidden:] = 1
        self.steps, self.local = empty(time + 1, 6 * hidden, batch), empty(block, 6 * hidden, batch)
        self.products = empty(block, 2 * hidden, batch)
        self.dh, self.dC = empty(hidden, batch), empty(hidden, batch)
        self.dz = empty(hidden if self.reads_tokens else hidden + self.inputs, batch)
        # A wide block's steps and sequences side by side; da as it is or transposed, z transposed.
        n = self.wide * batch
        self.da = empty(0 if self.looks_up else 4 * hidden * n)
        self.daT = padded(config, n if self.looks_up else 0)
        self.zT = empty(n + batch, self.z.shape[1])
        self.dW, self.dW_block = (empty(4 * hidden, self.z.shape[1]) for _ in range(2))
        self.dW_xT = padded(config, self.inputs if self.looks_up else 0)
        self.forward_product = Product(4 * hidden, self.z.shape[1], batch, self.z.dtype)
        self.backward_product = Product(len(self.dz), 4 * hidden, batch, self.z.dtype)
        self.dz_out = self.backward_product.of_out(self.dz)
        self.forward_steps = [self._forward_step(t) for t in range(time)]
        self.backward_steps = [self._backward_step(t) for t in range(time)]
        # Not needed at the same time: what looked-up tokens contribute, and local derivatives.
        self.from_x = self.local[:, : 4 * hidden]
        self.local_steps = [self._by_dC_and_dh(local) for local in self.local]

    def _forward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: z and a for the product, a, σs, C_prev and g, f and i, o, m, C, h."""
        C_prev_g, f_i, o_m = np.split(self.steps[t], 3)
        a, hidden = self.gates[t], self.hidden
        C, h = self.steps[t + 1, :hidden], self.z[t + 1, :hidden]
        product, (o, m) = self.forward_product, np.split(o_m, 2)
        z, out = product.of_z(self.z[t]), product.of_out(a)
        return z, out, a, a[hidden:], C_prev_g, f_i, o, m, C, h

    def _backward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: da for the product, m's place, dC_next after it, and what multiples of dC and dh fill."""
        rows, hidden = self.steps[t], self.hidden
        C = self.steps[t + 1, :hidden]
        da = self.backward_product.of_z(self.gates[t])
        return da, rows[5 * hidden :], C, *self._by_dC_and_dh(rows)

    def _by_dC_and_dh(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The four quantities that are multiples of dC, and the two that are multiples of dh."""
        six = rows.reshape(6, self.hidden, rows.shape[1])
        return six[:4], six[4:]

    @property
    def gates(self) -> Float[np.ndarray, "time 4*hidden batch"]:
        """g, f, i, o at every step, or their pre-activations' adjoints."""
        return self.steps[:-1, self.hidden : 5 * self.hidden]

    @property
    def C(self) -> Float[np.ndarray, "time+1 hidden batch"]:
        """C before each step and after the last one; after a backward pass, dC_next."""
        return self.steps[:, : self.hidden]

    @property
    def h(self) -> Float[np.ndarray, "time hidden batch"]:
        """h_0 … h_{T−1}."""
        return self.z[1:, : self.hidden]

    @property
    def x(self) -> Float[np.ndarray, "time inputs batch"]:
        """Where a layer's dense inputs belong."""
        return self.z[:-1, self.hidden : -1]


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
        self.readout = FusedReadout(config, self.layers[-1].wide, batch)
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
        bottom = self.layers[0]
        return [bottom.dW_xT, *(layer.dW for layer in self.layers), readout.dW_v, readout.db_v]
