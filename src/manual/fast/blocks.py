"""Blocks of steps: for how many at once what need not be done step by step is done."""

from lstm_spec import Config
from manual.fast.gemm import SMALL, has_small_kernels

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


def blocks(start: int, end: int, size: int) -> list[tuple[int, int]]:
    """Beginnings and ends of blocks of steps, the last block first."""
    return [(max(start, stop - size), stop) for stop in range(end, start, -size)]
