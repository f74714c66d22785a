"""Matrix products cut so that OpenBLAS takes its quicker way through them.

For each product OpenBLAS copies ("packs") both matrices, weights included, at every time step.
With AVX-512 it also has kernels that read them where they are, used up to 100³ multiplications. A
product is the same in pieces: as a stack of products that small it runs at 100 to 115 GFLOP/s and
core, where one call reaches 70 to 95 (docs/performance.md).
"""

from functools import cache

import numpy as np

from manual import threads

SMALL = 100**3  # multiplications up to which OpenBLAS packs nothing
WITH_SMALL_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")
WIDEST, VECTOR = 64, 16  # columns of a piece, at most; and what they should be a multiple of
FEWEST = 4  # rows of a piece, at least


@cache
def has_small_kernels() -> bool:
    """Whether products in pieces are quicker on this machine."""
    return threads.blas_architecture() in WITH_SMALL_KERNELS


def _largest(whole: int, limit: int) -> int:
    """The largest divisor of `whole` that is no larger than the limit."""
    return next(d for d in range(min(whole, max(limit, 1)), 0, -1) if whole % d == 0)


def piece_width(width: int) -> int:
    """Columns of a piece: whole vectors if they divide evenly."""
    if not has_small_kernels():
        return width
    vectors = [c for c in range(VECTOR, WIDEST + 1, VECTOR) if width % c == 0]
    found = vectors[-1] if vectors else _largest(width, WIDEST)
    return found if found >= VECTOR else width


def piece_height(height: int, inner: int, width: int) -> int:
    """Rows of a piece: as many as a small kernel takes, if those are enough to be worth it."""
    if not has_small_kernels():
        return height
    found = _largest(height, SMALL // (inner * width))
    return found if found >= FEWEST else height


def matmul(z: np.ndarray, W: np.ndarray, out: np.ndarray) -> None:
    """`z @ W` into `out`, the rows of z in pieces."""
    rows = piece_height(len(z), z.shape[1], W.shape[1])
    np.matmul(z.reshape(-1, rows, z.shape[1]), W, out=out.reshape(-1, rows, W.shape[1]))


class Product:
    """The four gates' products of one time step, for matrices of one shape.

    Either `z (batch, inner)` times the weights `(inner, width)` of each gate, for
    `(4, batch, width)`; or, with `sums`, `(4, batch, inner)` times each gate's weights, added up
    over the gates. A single sequence (`flat`) needs one product for all gates and no pieces.

    `multiply(z, W, out)` does it, on views that `of_z` and `of_out` made and weights filled through
    that of `by_gate`.
    """

    def __init__(self, batch: int, inner: int, width: int, *, flat: bool, sums: bool) -> None:
        self._batch, self._inner, self._width = batch, inner, width
        self._flat, self._sums = flat, sums
        self._columns = piece_width(width)
        self._rows = piece_height(batch, inner, self._columns)
        self.multiply = np.dot if flat else np.matmul

    def new_weights(self, dtype: np.dtype) -> np.ndarray:
        """Memory for the four gates' weights, in this product's order."""
        if self._flat:
            shape = (4 * self._inner, self._width) if self._sums else (self._inner, 4 * self._width)
            return np.zeros(shape, dtype)
        return np.zeros((4, self._width // self._columns, 1, self._inner, self._columns), dtype)

    def by_gate(self, weights: np.ndarray) -> np.ndarray:
        """Where the gates' weights belong: `(4, inner, pieces, columns of a piece)`."""
        if not self._flat:
            return weights[:, :, 0].transpose(0, 2, 1, 3)
        shape = (4, self._inner) if self._sums else (self._inner, 4)
        by_gate = weights.reshape(*shape, 1, self._width)
        return by_gate if self._sums else by_gate.swapaxes(0, 1)

    def of_z(self, z: np.ndarray) -> np.ndarray:
        """z as `matmul` takes it."""
        if self._flat:
            return z.reshape(1, -1)
        pieces = z.reshape(*z.shape[:-2], -1, self._rows, self._inner)
        return pieces[:, None] if self._sums else pieces

    def of_out(self, out: np.ndarray) -> np.ndarray:
        """`(4, batch, width)`, or flat sums `(batch, width)`, as `matmul` fills it."""
        if self._flat:
            return out.reshape(1, -1)
        shape = (4, -1, self._rows, self._width // self._columns, self._columns)
        return out.reshape(shape).transpose(0, 3, 1, 2, 4)
