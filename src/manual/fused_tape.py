"""The memory of the fast pass: what a layer keeps, scratch arrays, and views of them by step.

Arrays here are batch-major, `(…, batch, hidden)`: a looked-up token is a row to copy, and the
products for gradients by weights need no transpose.
"""

import numpy as np
from jaxtyping import Float

from lstm_spec import Batch, Config, State
from manual.fused_readout import FusedReadout
from manual.gemm import SMALL, Product, has_small_kernels

CACHE = 2**20  # bytes that the gates of a block of steps may take
WIDE = 256  # rows, about, that a product for gradients by weights sums over
ONE_HOT = 16  # vocabularies up to this size are multiplied, larger ones looked up


def block_lengths(config: Config, inner: int, time: int, batch: int) -> tuple[int, int]:
    """How many steps' local derivatives are formed, and gradients by weights summed, at once.

    The former are as many as the cache holds, divided evenly. The latter are some such blocks; or,
    where that is no less than half of WIDE rows, as many steps as a small kernel takes.
    """
    step = 4 * config.hidden_size * batch * config.numpy_dtype.itemsize
    block = evenly(time, CACHE // step)
    fitting = SMALL // (config.hidden_size * inner)
    if has_small_kernels() and fitting >= max(WIDE // 2, batch):
        wide = evenly(time, fitting // batch)
        return min(block, wide), wide
    return block, min(time, block * -(-WIDE // (block * batch)))


def evenly(time: int, most: int) -> int:
    """The length of blocks no longer than `most` that divide `time` as evenly as can be."""
    number = -(-time // max(1, most))
    return -(-time // number)


def looks_up(config: Config, layer: int) -> bool:
    """Whether a layer looks its tokens' weights up."""
    return layer == 0 and config.vocab_size > ONE_HOT


def products(config: Config, layer: int, batch: int, flat: bool) -> tuple[Product, Product]:
    """A layer's two products at each step: from z to a, and from da to dz."""
    hidden, inputs = config.hidden_size, config.input_size(layer)
    inner = hidden if looks_up(config, layer) else hidden + inputs + 1
    sent = hidden if layer == 0 else hidden + inputs
    return (
        Product(batch, inner, hidden, flat=flat, sums=False),
        Product(batch, hidden, sent, flat=flat, sums=True),
    )


class FusedLayer:
    """What one layer keeps of a forward pass, and the scratch memory of its passes.

    `steps (time + 1, 6, batch, hidden)` has for each step C_prev, g, f, i, o, m: neighbours are
    what one operation can treat together. The backward pass leaves dC_next, da_g, da_f, da_i, da_o
    and scratch in their place; `local` has what they are multiples of, in the same order.

    The columns of z are h, then x (dense inputs or one-hot tokens) and a 1 for the bias. Where
    tokens are looked up, z is h alone.
    """

    def __init__(self, config: Config, layer: int, time: int, batch: int, flat: bool) -> None:
        hidden, self.inputs = config.hidden_size, config.input_size(layer)
        self.hidden, self.batch = hidden, batch
        self.looks_up = looks_up(config, layer)
        inner = hidden if self.looks_up else hidden + self.inputs + 1
        self.block, self.wide = block, _ = block_lengths(config, inner, time, batch)
        sent = hidden if layer == 0 else hidden + self.inputs

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self.z = empty(time + 1, batch, inner)
        self.z[:, :, hidden:] = 1
        multiplied = self.inputs if layer == 0 and not self.looks_up else 0
        self.one_hot = np.eye(multiplied, dtype=config.numpy_dtype)
        self.steps, self.local = empty(time + 1, 6, batch, hidden), empty(block, 6, batch, hidden)
        self.products = empty(block, 2, batch, hidden)
        self.dh, self.dC, self.dz = empty(batch, hidden), empty(batch, hidden), empty(batch, sent)
        self.dz_parts = self.dz if flat else empty(4, batch, sent)
        self.from_x = empty(4 * block * batch * hidden if self.looks_up else 0)
        self.da = empty(4 * self.wide * batch * hidden)
        self.dW, self.dW_block = empty(4, hidden, inner), empty(4, hidden, inner)
        self.by_token = empty(4, self.inputs if self.looks_up else 0, hidden)

        self.forward_product, self.backward_product = products(config, layer, batch, flat)
        self.dz_out = self.backward_product.of_out(self.dz_parts)
        self.forward_steps = [self._forward_step(t) for t in range(time)]
        self.backward_steps = [self._backward_step(t) for t in range(time)]
        self.local_steps = [(local[:4], local[4:]) for local in self.local]

    def _forward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: z and a for the product, a, σs, C_prev and g, f and i, o, m, C, h."""
        step, a = self.steps[t], self.steps[t, 1:5]
        z, out = self.forward_product.of_z(self.z[t]), self.forward_product.of_out(a)
        C, h = self.steps[t + 1, 0], self.z[t + 1, :, : self.hidden]
        return z, out, a, step[2:5], step[:2], step[2:4], step[4], step[5], C, h

    def _backward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: da for the product, m's place, dC_next, multiples of dC and of dh."""
        step = self.steps[t]
        da = self.backward_product.of_z(step[1:5])
        return da, step[5], self.steps[t + 1, 0], step[:4], step[4:]

    @property
    def gates(self) -> Float[np.ndarray, "time 4 batch hidden"]:
        """g, f, i, o at every step, or their pre-activations' adjoints."""
        return self.steps[:-1, 1:5]

    @property
    def C(self) -> Float[np.ndarray, "time+1 batch hidden"]:
        """C before each step and after the last one; after a backward pass, dC_next."""
        return self.steps[:, 0]

    @property
    def h(self) -> Float[np.ndarray, "time batch hidden"]:
        """h_0 … h_{T−1}."""
        return self.z[1:, :, : self.hidden]

    @property
    def x(self) -> Float[np.ndarray, "time batch inputs"]:
        """Where a layer's dense inputs belong."""
        return self.z[:-1, :, self.hidden : -1]


class FusedTape:
    """The layers' memory for a segment of steps, and the gradients that pass between them.

    Attributes:
        segments: beginnings and ends of the segments that a pass is made of.
        kept: h and C of every layer before each segment, batch-major.
        columns: the sequences of the batch that it is for.
    """

    def __init__(
        self, config: Config, time: int, columns: slice, flat: bool, keep_every: int | None
    ) -> None:
        self.columns, batch = columns, columns.stop - columns.start
        steps = min(keep_every or time, time)
        self.segments = [(start, min(start + steps, time)) for start in range(0, time, steps)]
        layers, hidden = range(config.num_layers), config.hidden_size
        self.layers = [FusedLayer(config, k, steps, batch, flat) for k in layers]
        self.dh = np.empty((steps, batch, hidden), config.numpy_dtype)
        self.readout = FusedReadout(config, self.layers[-1].wide * batch)
        self.kept = np.empty((len(self.segments), 2, len(layers), batch, hidden), self.dh.dtype)

    def begin(self, batch: Batch) -> None:
        """Keep the state before the first step."""
        self.kept[0] = 0
        if batch.initial_state is not None:
            for kept, given in zip(self.kept[0], batch.initial_state, strict=True):
                kept[...] = given.transpose(0, 2, 1)

    def state(self, steps: int) -> State:
        """h and C of every layer after so many steps of the segment, as a caller gets them."""
        return State(
            np.array([layer.h[steps - 1].T for layer in self.layers]),
            np.array([layer.C[steps].T for layer in self.layers]),
        )

    def gradients(self) -> list[np.ndarray]:
        """The sums that a backward pass leaves, in this module's order."""
        sums, readout = [layer.dW for layer in self.layers], self.readout
        return [self.layers[0].by_token, *sums, readout.dW_v, readout.db_v]
