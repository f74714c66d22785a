"""What a team and its members hand each other: a job, requests and answers; the rest on a desk.

What both sides know the shape of lies on the desk, in shared memory. A pipe carries the rest, in
every pass as plain tuples: named ones take longer to pickle.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_spec import Config, Params, State
from lstm_spec.params import param_shapes, params_from_leaves
from manual.fast.passes import Passed
from manual.fast.pieces import Pieces


class Job(NamedTuple):
    """What a member is told at its start: everybody's shapes, which part is its own, and pieces."""

    config: Config
    time: int
    parts: list[int]
    number: int
    keep_every: int | None
    measured: Pieces


class Request(NamedTuple):
    """A pass to make.

    Attributes:
        function: the name of one of `parts.py`.
        counted: N of F9, for all the sequences that the loss is a mean over.
        more: what the batch has besides tokens and targets.
        settings: NumPy's handling of overflow.
    """

    function: str
    counted: int
    more: dict[str, Any]
    settings: Any


class Answer(NamedTuple):
    """What a pass gave besides numbers: the texts of warnings, and the error that was raised."""

    warned: list[str]
    error: Exception | None


class Desk(NamedTuple):
    """What one member of a team reads (its sequences) and writes (what it found)."""

    tokens: np.ndarray
    targets: np.ndarray
    grads: Params
    passed: Passed


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
