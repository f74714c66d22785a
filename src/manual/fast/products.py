"""The four gates' products of one time step, for matrices of one shape.

There are three arrangements, each quicker than the others for some sizes: small pieces for each
gate (`Pieces`), one product for all gates where that is small itself (`Columns`), and a single
sequence (`Single`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lstm_spec import Config
from manual.fast.gemm import SMALL, WIDEST
from manual.fast.pieces import BY_RULE, Factor, piece
from manual.fast.pieces import Pieces as Measured

ONE_HOT = 16  # vocabularies up to this size are multiplied, larger ones looked up

Array = np.ndarray


def looks_up(config: Config, layer: int) -> bool:
    """Whether a layer looks its tokens' weights up."""
    return layer == 0 and config.vocab_size > ONE_HOT


def inner_size(config: Config, layer: int) -> int:
    """Features of z: h; and, where no token is looked up, x and a 1 for the bias."""
    hidden = config.hidden_size
    return hidden if looks_up(config, layer) else hidden + config.input_size(layer) + 1


class Product:
    """Either z `(batch, inner)` times each gate's weights, or, with `sums`, four of it added up.

    Without `sums` the result is `(4, batch, width)`. With them, z is `(4, batch, inner)` and the
    result `(batch, width)`, or `(4, batch, width)` still to be added up.

    `multiply(z, W, out=out)` does it, on views that `of_z` and `of_out` made and weights filled
    through that of `by_gate`.

    Attributes:
        turned: a matrix that is written `(batch, n)` here has a column for each sequence.
        adds_up: with `sums`, the four products come added up.
    """

    turned, adds_up = False, True
    multiply: Callable[..., object]

    def __init__(
        self, batch: int, inner: int, width: int, *, sums: bool, measured: Measured = BY_RULE
    ) -> None:
        self._inner, self._width, self._sums = inner, width, sums

    def new_weights(self, dtype: np.dtype) -> Array:
        """Memory for the four gates' weights, in this product's order."""
        raise NotImplementedError

    def by_gate(self, weights: Array) -> Array:
        """Where the gates' weights belong: `(4, inner, pieces, columns of a piece)`."""
        raise NotImplementedError

    def of_z(self, z: Array) -> Array:
        """z as `multiply` takes it."""
        raise NotImplementedError

    def of_out(self, out: Array) -> Array:
        """The result as `multiply` fills it."""
        raise NotImplementedError


class Pieces(Product):
    """A product for each gate, cut so that OpenBLAS takes its quicker way through (`gemm.py`)."""

    adds_up = False
    multiply = staticmethod(np.matmul)

    def __init__(
        self, batch: int, inner: int, width: int, *, sums: bool, measured: Measured = BY_RULE
    ) -> None:
        super().__init__(batch, inner, width, sums=sums)
        self._rows, self._columns = piece(batch, Factor(inner, width), measured)

    def new_weights(self, dtype: np.dtype) -> Array:
        """For `(4, pieces, 1, inner, columns of a piece)`."""
        return np.zeros((4, self._width // self._columns, 1, self._inner, self._columns), dtype)

    def by_gate(self, weights: Array) -> Array:
        """All of them."""
        return weights[:, :, 0].transpose(0, 2, 1, 3)

    def of_z(self, z: Array) -> Array:
        """Rows in pieces; with `sums`, for each gate."""
        pieces = z.reshape(*z.shape[:-2], -1, self._rows, self._inner)
        return pieces[:, None] if self._sums else pieces

    def of_out(self, out: Array) -> Array:
        """For each gate and piece of columns, rows in pieces."""
        shape = (4, -1, self._rows, self._width // self._columns, self._columns)
        return out.reshape(shape).transpose(0, 3, 1, 2, 4)


class Single(Product):
    """A single row: one product for all gates."""

    multiply = staticmethod(np.dot)

    def new_weights(self, dtype: np.dtype) -> Array:
        """The gates one below the other with `sums`, side by side without."""
        inner, width = self._inner, self._width
        return np.zeros((4 * inner, width) if self._sums else (inner, 4 * width), dtype)

    def by_gate(self, weights: Array) -> Array:
        """One piece for each gate."""
        if self._sums:
            return weights.reshape(4, self._inner, 1, self._width)
        return weights.reshape(self._inner, 4, 1, self._width).swapaxes(0, 1)

    def of_z(self, z: Array) -> Array:
        """One row."""
        return z.reshape(1, -1)

    def of_out(self, out: Array) -> Array:
        """Likewise."""
        return self.of_z(out)


class Columns(Product):
    """One product for all gates of a few sequences: their weights, times a column for each."""

    turned = True

    @staticmethod
    def multiply(z: Array, W: Array, out: Array) -> None:
        """The weights come first."""
        np.dot(W, z, out)

    def new_weights(self, dtype: np.dtype) -> Array:
        """What a column is multiplied by, the gates one below the other, or side by side."""
        if self._sums:
            return np.zeros((4 * self._inner, self._width), dtype).T
        return np.zeros((4 * self._width, self._inner), dtype)

    def by_gate(self, weights: Array) -> Array:
        """One piece for each gate."""
        if self._sums:
            return weights.T.reshape(4, self._inner, 1, self._width)
        return weights.reshape(4, 1, self._width, self._inner).transpose(0, 3, 1, 2)

    def of_z(self, z: Array) -> Array:
        """A matrix of all gates."""
        return z.reshape(-1, z.shape[-1])

    def of_out(self, out: Array) -> Array:
        """Likewise."""
        return self.of_z(out)


class Arrangement(NamedTuple):
    """Of all layers' products: which kind, and the pieces that were measured to be quicker."""

    kind: type[Product]
    measured: Measured = BY_RULE


def kind(config: Config, batch: int) -> type[Product]:
    """The quickest for a model and a number of sequences."""
    if batch == 1:
        return Single
    hidden = config.hidden_size
    inner = max(inner_size(config, layer) for layer in range(config.num_layers))
    small = 4 * hidden * inner * batch <= SMALL and not looks_up(config, 0)
    fitting = hidden > WIDEST and hidden % WIDEST == 0  # pieces are as quick then
    return Columns if small and not fitting else Pieces


def factors(config: Config, layer: int) -> tuple[Factor, Factor]:
    """What z is multiplied by for a gate of a, and a gate's da for dz."""
    hidden, inputs = config.hidden_size, config.input_size(layer)
    sent = hidden if layer == 0 else hidden + inputs
    return Factor(inner_size(config, layer), hidden), Factor(hidden, sent)


def products(
    config: Config, layer: int, batch: int, arrangement: Arrangement
) -> tuple[Product, Product]:
    """A layer's two products at each step, all gates of them: from z to a, and from da to dz."""
    kind, measured = arrangement
    into_a, into_dz = factors(config, layer)
    return (
        kind(batch, *into_a, sums=False, measured=measured),
        kind(batch, *into_dz, sums=True, measured=measured),
    )
