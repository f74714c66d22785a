"""Matrix products cut so that OpenBLAS takes its quicker way through them.

For each product OpenBLAS copies ("packs") both matrices, W included, at every time step. With
AVX-512 it also has kernels that read them where they are, used up to 100³ multiplications. The
rows of a product `W z` can be computed apart: as a stack of products that small they run at
110 GFLOP/s and core, where one call reaches 70 to 95 (docs/performance.md).
"""

from functools import cache

import numpy as np

from manual import threads

SMALL = 100**3  # multiplications up to which OpenBLAS packs nothing
WITH_SMALL_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")
FEWEST = 8  # rows of a product of the stack, or half as many if its columns fill vectors
VECTOR = 16


def rows_at_once(rows: int, inner: int, columns: int) -> int:
    """How many rows of `W (rows, inner) @ z (inner, columns)` each product of a stack computes."""
    if rows * inner * columns <= SMALL or not _has_small_kernels():
        return rows
    fitting, fewest = SMALL // (inner * columns), FEWEST // (2 if columns % VECTOR == 0 else 1)
    divisors = (r for r in range(min(rows, fitting), fewest - 1, -1) if rows % r == 0)
    return next(divisors, rows)


@cache
def _has_small_kernels() -> bool:
    return threads.blas_architecture() in WITH_SMALL_KERNELS


def matmul(W: np.ndarray, z: np.ndarray, out: np.ndarray) -> None:
    """`W @ z` into `out`, cut into a stack; z may be several matrices, `(n, inner, columns)`."""
    rows = rows_at_once(*W.shape, z.shape[-1])
    if rows == len(W):
        np.matmul(W, z, out=out)
        return
    stack = out.reshape(*out.shape[:-2], -1, rows, out.shape[-1])
    np.matmul(W.reshape(-1, rows, W.shape[1]), z[..., None, :, :], out=stack)


class Product:
    """`W (rows, inner) @ z (inner, columns)` for matrices of one shape, cut once and for all.

    Where no row of W fits a small product, the inner dimension is cut as well and the parts
    are added up.

    Attributes:
        run: `run(W, z, out=out)` on views that `of_W`, `of_z` and `of_out` made.
    """

    def __init__(self, rows: int, inner: int, columns: int, dtype: np.dtype) -> None:
        self._inner, self._parts = inner, 1
        self._rows = rows_at_once(rows, inner, columns)
        cut = [p for p in (2, 4) if inner % p == 0 and rows_at_once(rows, inner // p, columns) < rows]
        if self._rows == rows and rows * inner * columns > SMALL and cut:
            self._parts = cut[0]
            self._rows = rows_at_once(rows, inner // self._parts, columns)
        self._stack = rows // self._rows
        shape = (self._parts, self._stack, self._rows, columns)
        self._sums = np.empty(shape if self._parts > 1 else 0, dtype)
        self.run = self._in_parts if self._parts > 1 else np.matmul if self._stack > 1 else np.dot

    def _in_parts(self, W: np.ndarray, z: np.ndarray, out: np.ndarray) -> None:
        np.matmul(W, z, out=self._sums)
        np.add.reduce(self._sums, axis=0, out=out)

    def of_W(self, W: np.ndarray) -> np.ndarray:
        """W as `run` takes it."""
        if self._parts > 1:
            cut = W.reshape(self._stack, self._rows, self._parts, -1)
            return cut.transpose(2, 0, 1, 3)
        return self.of_out(W)

    def of_z(self, z: np.ndarray) -> np.ndarray:
        """z as `run` takes it."""
        if self._parts > 1:
            return z.reshape(self._parts, 1, self._inner // self._parts, -1)
        return z

    def of_out(self, out: np.ndarray) -> np.ndarray:
        """`out` as `run` takes it."""
        return out.reshape(self._stack, self._rows, -1) if self._stack > 1 else out
