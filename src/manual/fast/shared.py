"""Arrays in memory that several processes see."""

import mmap
import os
from itertools import accumulate
from typing import Any, BinaryIO, TypeVar

import numpy as np

from lstm_spec.tree import iter_leaves, tree_map

Tree = TypeVar("Tree", bound=tuple)

LINE = 64  # bytes that processors fetch at once


def available() -> bool:
    """Whether the system has memory behind a file that no folder lists (Linux)."""
    return hasattr(os, "memfd_create")


def new_file(tree: tuple) -> BinaryIO:
    """Memory for arrays like a tree's, gone when all who use it are."""
    file = os.fdopen(os.memfd_create("manual"), "wb")
    try:
        file.truncate(sum(_room(leaf) for _, leaf in iter_leaves(tree)))
    except OSError:
        file.close()
        raise
    return file


def views(file: int, tree: Tree) -> Tree:
    """Arrays like a tree's, in a file's memory."""
    memory = mmap.mmap(file, 0)
    begins = accumulate((_room(leaf) for _, leaf in iter_leaves(tree)), initial=0)
    return tree_map(lambda leaf: _view(memory, leaf, next(begins)), tree)


def _view(memory: mmap.mmap, leaf: np.ndarray, begin: int) -> np.ndarray:
    return np.frombuffer(memory, leaf.dtype, leaf.size, begin).reshape(leaf.shape)


def _room(leaf: np.ndarray) -> int:
    return -(-leaf.nbytes // LINE) * LINE


def copy(source: tuple, place: tuple) -> None:
    """Every number of a tree into the arrays of another."""
    for values, array in zip(arrays(source), arrays(place), strict=True):
        array[...] = values


def arrays(tree: Any) -> list[Any]:
    """The leaves of a tree; `iter_leaves` takes ten times as long to name them too."""
    if not isinstance(tree, (tuple, list)):
        return [tree]
    return [leaf for part in tree for leaf in arrays(part)]
