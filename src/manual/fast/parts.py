"""A batch in one process: the passes of `passes.py` over its parts, each on a thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lstm_spec import Batch, Params, State
from manual.fast import cut, passes, threads
from manual.fast import layer as fused
from manual.fast.layer import FusedWeights
from manual.fast.passes import Passed
from manual.fast.tape import FusedTape

if TYPE_CHECKING:
    from manual.fast.workspace import Workspace


class Result(NamedTuple):
    """What a pass over some sequences hands back.

    Attributes:
        passed: nats, not yet divided by N of F9, and states.
        grads: `Params` with B2 and B9 summed over these sequences, as arrays of the caller's own;
            None without a backward pass.
    """

    passed: Passed
    grads: Any = None


def loss(params: Params, batch: Batch, counted: int, work: Workspace) -> Result:
    """The forward pass."""
    weights = _weights(params, work)
    parts = _parts(batch, work)
    tasks = [partial(passes.forward, weights, params, part, tape) for part, tape in parts]
    return Result(side_by_side(threads.run(tasks, work.pool)))


def loss_and_grads(params: Params, batch: Batch, counted: int, work: Workspace) -> Result:
    """Both passes; `counted` is N of F9, for all the sequences that the loss is a mean over."""
    weights, weight = _weights(params, work), params.b_v.dtype.type(1 / counted)
    tasks = [
        partial(passes.forward_and_backward, weights, params, part, weight, tape)
        for part, tape in _parts(batch, work)
    ]
    return Result(side_by_side(threads.run(tasks, work.pool)), _gradients(work))


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


def _weights(params: Params, work: Workspace) -> list[FusedWeights]:
    """Every layer's weights, stacked and scaled into the workspace's arrays."""
    for p, weights in zip(params.layers, work.weights, strict=True):
        weights.fill(p)
    return work.weights


def _parts(batch: Batch, work: Workspace) -> list[tuple[Batch, FusedTape]]:
    """Each thread's share of the batch, and its memory."""
    tapes = work.fused
    if len(tapes) == 1:
        return [(batch, tapes[0])]
    return [(cut.columns(batch, tape.columns), tape) for tape in tapes]


def _gradients(work: Workspace) -> Params:
    """B2 and B9 summed over the parts."""
    first, *others = work.fused
    for other in others:
        for mine, its in zip(first.gradients(), other.gradients(), strict=True):
            np.add(mine, its, out=mine)
    layers = tuple(fused.gradients(layer) for layer in first.layers)
    return Params(layers, first.readout.dW_v.copy(), first.readout.db_v.copy())
