"""Loss and gradients of the whole model, by the arrangement of `fused.py`."""

from functools import partial

import numpy as np

from lstm_spec import Batch, LossAndGrads, LossOnly, Params, State
from manual import cut, fused, fused_pass, threads
from manual.fused import FusedWeights
from manual.fused_pass import Passed
from manual.fused_tape import FusedTape
from manual.workspace import Workspace, prepare


def loss(params: Params, batch: Batch, workspace: Workspace | None = None) -> LossOnly:
    """Mean nats per unmasked token, and the final state; complex128 parameters are welcome.

    Raises:
        InputError: parameters or batch are malformed; the message names the leaf or field.
    """
    work = prepare(params, batch, workspace)
    weights = _weights(params, work)
    parts = _parts(batch, work)
    tasks = [partial(fused_pass.forward, weights, params, part, tape) for part, tape in parts]
    passed = threads.run(tasks, work.pool)
    final_state = _side_by_side([p.final_state for p in passed])
    return LossOnly(_mean(passed, _counted(batch), work), final_state)


def loss_and_grads(
    params: Params, batch: Batch, workspace: Workspace | None = None
) -> LossAndGrads:
    """The loss (nats per token) and its gradient by backpropagation through time.

    Args:
        params: float32 or float64; everything is computed in their dtype.
        batch: tokens, targets and what else the step depends on.
        workspace: memory to reuse; must have been made for this shape.

    Raises:
        InputError: parameters, batch or workspace are malformed or do not fit each other.
    """
    work = prepare(params, batch, workspace, real=True)
    weights, counted = _weights(params, work), _counted(batch)
    tasks = [
        partial(fused_pass.forward_and_backward, weights, params, part, 1 / counted, tape)
        for part, tape in _parts(batch, work)
    ]
    passed = threads.run(tasks, work.pool)
    return LossAndGrads(
        _mean(passed, counted, work),
        _gradients(work),
        _side_by_side([p.dstate for p in passed if p.dstate]),
        _side_by_side([p.final_state for p in passed]),
    )


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


def _counted(batch: Batch) -> int:
    """N of F9."""
    return batch.tokens.size if batch.mask is None else int(np.count_nonzero(batch.mask))


def _mean(passed: list[Passed], counted: int, work: Workspace) -> np.floating:
    return work.config.numpy_dtype.type(sum(p.nats for p in passed) / counted)  # F9


def _side_by_side(states: list[State]) -> State:
    if len(states) == 1:
        return states[0]
    return State(*(np.concatenate(parts, axis=2) for parts in zip(*states, strict=True)))


def _gradients(work: Workspace) -> Params:
    """B2 and B9 summed over the parts, as arrays of the caller's own."""
    first, *others = work.fused
    for other in others:
        for mine, its in zip(first.gradients(), other.gradients(), strict=True):
            np.add(mine, its, out=mine)
    layers = tuple(fused.gradients(layer) for layer in first.layers)
    return Params(layers, first.readout.dW_v.copy(), first.readout.db_v.copy())
