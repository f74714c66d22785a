"""A batch in one process: the passes of `passes.py` over its parts, each on a thread."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lstm_spec import Batch, Config, Params, State
from manual.fast import cut, passes, products, threads
from manual.fast.passes import Passed
from manual.fast.pieces import BY_RULE, Pieces
from manual.fast.products import Arrangement
from manual.fast.tape import Tape
from manual.fast.weights import Weights


class Parts:
    """One process's memory: the layers' weights, and what each thread needs besides.

    Attributes:
        weights: of every layer, shared by the parts.
        tapes: one for each part.
        pool: threads for the parts after the first, if there are any.
    """

    def __init__(
        self,
        config: Config,
        time: int,
        batch: int,
        keep_every: int | None,
        blas_threads: int,
        measured: Pieces = BY_RULE,
    ) -> None:
        arrangement = Arrangement(products.kind(config, batch), measured)
        columns = threads.parts(config.hidden_size, batch, blas_threads)
        self.weights = [Weights(config, k, batch, arrangement) for k in range(config.num_layers)]
        self.tapes = [Tape(config, time, part, arrangement, keep_every) for part in columns]
        others = len(columns) - 1
        self.pool = ThreadPoolExecutor(others, "manual") if others else None

    def fill(self, params: Params) -> None:
        """Stack and scale every layer's weights."""
        for weights, p in zip(self.weights, params.layers, strict=True):
            weights.fill(p)

    def of(self, batch: Batch) -> list[tuple[Batch, Tape]]:
        """Each thread's share of the batch, and its memory."""
        if len(self.tapes) == 1:
            return [(batch, self.tapes[0])]
        return [(cut.columns(batch, tape.columns), tape) for tape in self.tapes]


class Result(NamedTuple):
    """What a pass over some sequences hands back.

    Attributes:
        passed: nats, not yet divided by N of F9, and states.
        grads: `Params` with B2 and B9 summed over these sequences, as arrays of the caller's own;
            None without a backward pass.
    """

    passed: Passed
    grads: Any = None


def loss(params: Params, batch: Batch, counted: int, parts: Parts) -> Result:
    """The forward pass."""
    parts.fill(params)
    tasks = [
        partial(passes.forward, parts.weights, params, part, tape) for part, tape in parts.of(batch)
    ]
    return Result(side_by_side(threads.run(tasks, parts.pool)))


def loss_and_grads(params: Params, batch: Batch, counted: int, parts: Parts) -> Result:
    """Both passes; `counted` is N of F9, for all the sequences that the loss is a mean over."""
    parts.fill(params)
    weight = params.b_v.dtype.type(1 / counted)
    tasks = [
        partial(passes.forward_and_backward, parts.weights, params, part, weight, tape)
        for part, tape in parts.of(batch)
    ]
    return Result(side_by_side(threads.run(tasks, parts.pool)), _gradients(parts.tapes))


def side_by_side(parts: list[Passed]) -> Passed:
    """Nats added up; the states of all sequences."""
    return Passed(
        sum(p.nats for p in parts),
        _states([p.final_state for p in parts]),
        _states([p.dstate for p in parts if p.dstate]),
    )


def _states(parts: list[State]) -> Any:
    if len(parts) <= 1:
        return parts[0] if parts else None
    return State(*(np.concatenate(both, axis=2) for both in zip(*parts, strict=True)))


def _gradients(tapes: list[Tape]) -> Params:
    """B2 and B9 summed over the parts."""
    first, *others = tapes
    for other in others:
        for mine, its in zip(first.gradients(), other.gradients(), strict=True):
            np.add(mine, its, out=mine)
    layers = tuple(layer.gradients() for layer in first.layers)
    return Params(layers, first.readout.dW_v.copy(), first.readout.db_v.copy())
