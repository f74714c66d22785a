"""Matrix products cut so that OpenBLAS takes its quicker way through them.

For each product OpenBLAS copies ("packs") both matrices, weights included, at every time step.
With AVX-512 it also has kernels that read them where they are, used up to 100³ multiplications. A
product is the same in pieces: as a stack of products that small it runs at 100 to 115 GFLOP/s and
core, where one call reaches 70 to 95 (docs/performance.md).
"""

from functools import cache

import numpy as np

from manual.fast import threads

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
    return fewer(height, SMALL // (inner * width))


def fewer(height: int, most: int) -> int:
    """The largest number of rows up to so many that divides all; all, if that is not worth it."""
    found = _largest(height, most)
    return found if found >= FEWEST else height


def matmul(z: np.ndarray, W: np.ndarray, out: np.ndarray) -> None:
    """`z @ W` into `out`, the rows of z in pieces."""
    rows = piece_height(len(z), z.shape[1], W.shape[1])
    np.matmul(z.reshape(-1, rows, z.shape[1]), W, out=out.reshape(-1, rows, W.shape[1]))
