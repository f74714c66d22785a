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


def stacked(array: np.ndarray, rows: int) -> np.ndarray:
    """A view of `array` that `matmul` takes as a stack of products, so many rows each."""
    return array.reshape(-1, rows, array.shape[1]) if rows < len(array) else array
