"""The memory of one layer in the fast pass: what it keeps, and scratch arrays.

Arrays are batch-major, `(…, batch, features)`: a looked-up token is a row to copy, and the products
for gradients by weights need no transpose. Or, as the products of each step want it (`turned`),
they lie the other way round, and these things are copied.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lstm_spec import Config
from manual.fast.blocks import block_lengths
from manual.fast.products import Arrangement, inner_size, looks_up

Matrices = Float[np.ndarray, "steps batch hidden"]
Neighbours = Float[np.ndarray, "steps n batch hidden"]


class Steps(NamedTuple):
    """Six matrices of each step, and neighbours among them, which one operation can treat together.

    The backward pass leaves dC_next, da_g, da_f, da_i, da_o and scratch in the places of the six.
    """

    C_prev: Matrices
    g: Matrices
    f: Matrices
    i: Matrices
    o: Matrices
    m: Matrices
    gates: Neighbours  # g, f, i, o
    sigmoids: Neighbours  # f, i, o
    C_prev_g: Neighbours
    f_i: Neighbours
    of_dC: Neighbours  # C_prev, g, f, i: what is left there is a multiple of dC
    of_dh: Neighbours  # o, m: likewise, of dh

    @classmethod
    def of(cls, six: Float[np.ndarray, "steps 6 batch hidden"]) -> "Steps":
        """Views of the six in the order C_prev, g, f, i, o, m."""
        C_prev, g, f, i, o, m = six.swapaxes(0, 1)
        gates, sigmoids, C_prev_g, f_i = six[:, 1:5], six[:, 2:5], six[:, :2], six[:, 2:4]
        of_dC, of_dh = six[:, :4], six[:, 4:]
        return cls(C_prev, g, f, i, o, m, gates, sigmoids, C_prev_g, f_i, of_dC, of_dh)


class LayerMemory:
    """What one layer keeps of a forward pass, and the scratch memory of its passes.

    Shapes are given as if batch-major. `steps` has what each of `time + 1` steps keeps; `local` has
    what the adjoints that take their places are multiples of, for a block of steps.

    The columns of z are h, then x (dense inputs or one-hot tokens) and a 1 for the bias. Where
    tokens are looked up, z is h alone.
    """

    def __init__(
        self, config: Config, layer: int, time: int, batch: int, arrangement: Arrangement
    ) -> None:
        hidden, inputs = config.hidden_size, config.input_size(layer)
        self.hidden, self.batch, self.turned = hidden, batch, arrangement.kind.turned
        self.looks_up = looks_up(config, layer)
        self.inner = inner = inner_size(config, layer)
        self.block, self.wide = block, _ = block_lengths(config, inner, time, batch)
        sent = hidden if layer == 0 else hidden + inputs

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        def matrices(*shape: int) -> np.ndarray:
            """A matrix `(batch, features)` for each index of `shape` but the last, features."""
            *more, features = shape
            return empty(
                *more, *((features, batch) if arrangement.kind.turned else (batch, features))
            )

        self.z = matrices(time + 1, inner)
        self._z[:, hidden:] = 1
        multiplied = inputs if layer == 0 and not self.looks_up else 0
        self.one_hot = np.eye(multiplied, dtype=config.numpy_dtype)
        self.steps = Steps.of(matrices(time + 1, 6, hidden))
        self.local = Steps.of(matrices(block, 6, hidden))
        self.products = matrices(block, 2, hidden)  # f ⊙ C_prev and i ⊙ g
        self.dh, self.dC, self.dz = matrices(hidden), matrices(hidden), matrices(sent)
        self.dz_h, self.dz_x = (self.turn(part) for part in np.split(self.turn(self.dz), [hidden]))
        self.dz_parts = self.dz if arrangement.kind.adds_up else matrices(4, sent)
        self.from_x = empty(4 * block * batch * hidden if self.looks_up else 0)
        self._da = empty(4 * self.wide * batch * hidden)
        self._copied = empty(inner * self.wide * batch if arrangement.kind.turned else 0)
        self.dW, self.dW_block = empty(4, hidden, inner), empty(4, hidden, inner)
        self.by_token = empty(4, inputs if self.looks_up else 0, hidden)

    def turn(self, array: np.ndarray) -> np.ndarray:
        """From the order of this layer's matrices to (features, batch), or back."""
        return array if self.turned else array.swapaxes(-1, -2)

    @property
    def _z(self) -> Float[np.ndarray, "time+1 inner batch"]:
        return self.turn(self.z)

    @property
    def C(self) -> Float[np.ndarray, "time+1 hidden batch"]:
        """C before each step and after the last one; after a backward pass, dC_next."""
        return self.turn(self.steps.C_prev)

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
        da = self.steps.gates[start:end].transpose((1, 2, 0, 3) if self.turned else (1, 0, 2, 3))
        copied = self._da[: da.size].reshape(da.shape)
        if not self.turned:
            copied[...] = da
            return copied.reshape(4, -1, self.hidden).swapaxes(1, 2)
        _wholes(copied)[...] = _wholes(da)
        return copied.reshape(4, self.hidden, -1)


def _wholes(array: np.ndarray) -> np.ndarray:
    """Rows as single items: short ones are copied in half the time."""
    return array.view(np.dtype((np.void, array.shape[-1] * array.itemsize)))[..., 0]
