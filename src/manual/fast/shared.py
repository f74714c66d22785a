"""Arrays in memory that several processes see."""

import mmap
import os
from itertools import accumulate
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np

from lstm_spec import Config, Params, State
from lstm_spec.params import param_shapes, params_from_leaves
from lstm_spec.tree import iter_leaves, tree_map
from manual.fast.passes import Passed

Tree = TypeVar("Tree", bound=tuple)

LINE = 64  # bytes that processors fetch at once


class Desk(NamedTuple):
    """What one member of a team reads (its sequences) and writes (what it found)."""

    tokens: np.ndarray
    targets: np.ndarray
    grads: Params
    passed: Passed


def available() -> bool:
    """Whether the system has memory behind a file that no folder lists (Linux)."""
    return hasattr(os, "memfd_create")


def sketch(config: Config, time: int, parts: list[int]) -> tuple[Params, tuple[Desk, ...]]:
    """The shapes of all that a team shares: parameters, and a desk for each part of a batch."""
    dtype = config.numpy_dtype
    shapes = param_shapes(config).items()
    params = params_from_leaves({p: _shape(s, dtype) for p, s in shapes}, config.num_layers)

    def desk(batch: int) -> Desk:
        ids = _shape((time, batch), np.int64)
        h = _shape((config.num_layers, config.hidden_size, batch), dtype)
        return Desk(ids, ids, params, Passed(_shape((), dtype), State(h, h), State(h, h)))

    return params, tuple(map(desk, parts))


def _shape(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
    """An array of this shape that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


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
