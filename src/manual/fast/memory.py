"""The memory of one layer in the fast pass: what it keeps, scratch arrays, and views by step.

Arrays are batch-major, `(…, batch, features)`: a looked-up token is a row to copy, and the products
for gradients by weights need no transpose. Or, as the products of each step want it (`turned`),
they lie the other way round, and these things are copied.
"""

import numpy as np
from jaxtyping import Float

from lstm_spec import Config
from manual.fast.gemm import SMALL, has_small_kernels
from manual.fast.products import Product, inner_size, looks_up, products

CACHE = 2**19  # bytes that the gates of a block of steps may take
WIDE = 1024  # rows, about, that a product for gradients by weights sums over
ENOUGH = 128  # rows that a small kernel must be able to sum over, to be worth it


def block_lengths(config: Config, inner: int, time: int, batch: int) -> tuple[int, int]:
    """How many steps' local derivatives are formed, and gradients by weights summed, at once.

    The former are as many as the cache holds, divided evenly. The latter are some such blocks; or,
    where that is ENOUGH rows, as many steps as a small kernel takes.
    """
    step = 4 * config.hidden_size * batch * config.numpy_dtype.itemsize
    block = evenly(time, CACHE // step)
    fitting = SMALL // (config.hidden_size * inner)
    if has_small_kernels() and fitting >= max(ENOUGH, batch):
        wide = evenly(time, fitting // batch)
        return min(block, wide), wide
    return block, min(time, block * -(-WIDE // (block * batch)))


def evenly(time: int, most: int) -> int:
    """The length of blocks no longer than `most` that divide `time` as evenly as can be."""
    number = -(-time // max(1, most))
    return -(-time // number)


class FusedLayer:
    """What one layer keeps of a forward pass, and the scratch memory of its passes.

    Shapes are given as if batch-major. `steps (time + 1, 6, batch, hidden)` has for each step
    C_prev, g, f, i, o, m: neighbours are what one operation can treat together. The backward pass
    leaves dC_next, da_g, da_f, da_i, da_o and scratch in their place; `local` has what they are
    multiples of, in the same order.

    The columns of z are h, then x (dense inputs or one-hot tokens) and a 1 for the bias. Where
    tokens are looked up, z is h alone.
    """

    def __init__(
        self, config: Config, layer: int, time: int, batch: int, kind: type[Product]
    ) -> None:
        hidden, self.inputs = config.hidden_size, config.input_size(layer)
        self.hidden, self.batch, self.turned = hidden, batch, kind.turned
        self.looks_up = looks_up(config, layer)
        self.inner = inner = inner_size(config, layer)
        self.block, self.wide = block, _ = block_lengths(config, inner, time, batch)
        sent = hidden if layer == 0 else hidden + self.inputs

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        def matrices(*shape: int) -> np.ndarray:
            """A matrix `(batch, features)` for each index of `shape` but the last, features."""
            *more, features = shape
            return empty(*more, *((features, batch) if kind.turned else (batch, features)))

        self.z = matrices(time + 1, inner)
        self._z[:, hidden:] = 1
        multiplied = self.inputs if layer == 0 and not self.looks_up else 0
        self.one_hot = np.eye(multiplied, dtype=config.numpy_dtype)
        self.steps, self.local = matrices(time + 1, 6, hidden), matrices(block, 6, hidden)
        self.products = matrices(block, 2, hidden)
        self.dh, self.dC, self.dz = matrices(hidden), matrices(hidden), matrices(sent)
        self.dz_h, self.dz_x = (self.turn(part) for part in np.split(self.turn(self.dz), [hidden]))
        self.dz_parts = self.dz if kind.adds_up else matrices(4, sent)
        self.from_x = empty(4 * block * batch * hidden if self.looks_up else 0)
        self._da = empty(4 * self.wide * batch * hidden)
        self._copied = empty(inner * self.wide * batch if kind.turned else 0)
        self.dW, self.dW_block = empty(4, hidden, inner), empty(4, hidden, inner)
        self.by_token = empty(4, self.inputs if self.looks_up else 0, hidden)

        self.forward_product, self.backward_product = products(config, layer, batch, kind)
        self.dz_out = self.backward_product.of_out(self.dz_parts)
        self.forward_steps = [self._forward_step(t) for t in range(time)]
        self.backward_steps = [self._backward_step(t) for t in range(time)]
        self.local_steps = [(local[:4], local[4:]) for local in self.local]

    def _forward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: z and a for the product, a, σs, C_prev and g, f and i, o, m, C, h."""
        step, a = self.steps[t], self.steps[t, 1:5]
        z, out = self.forward_product.of_z(self.z[t]), self.forward_product.of_out(a)
        C, h = self.steps[t + 1, 0], self.turn(self.h[t])
        return z, out, a, step[2:5], step[:2], step[2:4], step[4], step[5], C, h

    def _backward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: da for the product, m's place, dC_next, multiples of dC and of dh."""
        step = self.steps[t]
        da = self.backward_product.of_z(step[1:5])
        return da, step[5], self.steps[t + 1, 0], step[:4], step[4:]

    def turn(self, array: np.ndarray) -> np.ndarray:
        """From the order of this layer's matrices to (features, batch), or back."""
        return array if self.turned else array.swapaxes(-1, -2)

    @property
    def _z(self) -> Float[np.ndarray, "time+1 inner batch"]:
        return self.turn(self.z)

    @property
    def C(self) -> Float[np.ndarray, "time+1 hidden batch"]:
        """C before each step and after the last one; after a backward pass, dC_next."""
        return self.turn(self.steps[:, 0])

    @property
    def h_before(self) -> Float[np.ndarray, "hidden batch"]:
        """h before the first step."""
        return self._z[0, : self.hidden]

    @property
    def h(self) -> Float[np.ndarray, "time hidden batch"]:
        """h_0 … h_{T−1}."""
        return self._z[1:, : self.hidden]

    @property
    def x(self) -> Float[np.ndarray, "time inputs batch"]:
        """Where a layer's dense inputs belong."""
        return self._z[:-1, self.hidden : -1]

    def rows_of_h(self, start: int, end: int) -> Float[np.ndarray, "n hidden"]:
        """h after some steps, a row for each step and sequence."""
        return self._rows(self.h[start:end])

    def rows_of_z(self, start: int, end: int) -> Float[np.ndarray, "n inner"]:
        """z before some steps, likewise."""
        return self._rows(self._z[start:end])

    def _rows(self, columns: Float[np.ndarray, "time features batch"]) -> np.ndarray:
        """Every column as a row; a copy, if matrices are turned."""
        rows = columns.swapaxes(1, 2)
        if not self.turned:
            return rows.reshape(-1, rows.shape[2])
        copied = self._copied[: rows.size].reshape(rows.shape)
        copied[...] = rows
        return copied.reshape(-1, rows.shape[2])

    def columns_of_da(self, start: int, end: int) -> Float[np.ndarray, "4 hidden n"]:
        """What a backward pass left at the gates, a column for each step and sequence; a copy."""
        da = self.steps[start:end, 1:5].transpose((1, 2, 0, 3) if self.turned else (1, 0, 2, 3))
        copied = self._da[: da.size].reshape(da.shape)
        if not self.turned:
            copied[...] = da
            return copied.reshape(4, -1, self.hidden).swapaxes(1, 2)
        _wholes(copied)[...] = _wholes(da)
        return copied.reshape(4, self.hidden, -1)


def _wholes(array: np.ndarray) -> np.ndarray:
    """Rows as single items: short ones are copied in half the time."""
    return array.view(np.dtype((np.void, array.shape[-1] * array.itemsize)))[..., 0]
