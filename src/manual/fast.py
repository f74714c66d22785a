"""Loss and gradients of the whole model, by the arrangement of `fused.py`."""

from collections.abc import Callable

import numpy as np

from lstm_spec import Batch, LossAndGrads, LossOnly, Params
from lstm_spec.tree import tree_map
from manual import cut, fused_batch
from manual.fused_batch import Result
from manual.workspace import Workspace, prepare


def loss(params: Params, batch: Batch, workspace: Workspace | None = None) -> LossOnly:
    """Mean nats per unmasked token, and the final state; complex128 parameters are welcome.

    Raises:
        InputError: parameters or batch are malformed; the message names the leaf or field.
        ChildProcessError: a process of the workspace's ended; the next pass starts another.
    """
    work = prepare(params, batch, workspace)
    counted = _counted(batch)
    passed, _ = _everywhere(fused_batch.loss, params, batch, counted, work)
    return LossOnly(_mean(passed.nats, counted, work), passed.final_state)


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
        ChildProcessError: a process of the workspace's ended; the next pass starts another.
    """
    work = prepare(params, batch, workspace, real=True)
    counted = _counted(batch)
    passed, grads = _everywhere(fused_batch.loss_and_grads, params, batch, counted, work)
    loss = _mean(passed.nats, counted, work)
    return LossAndGrads(loss, grads, passed.dstate, passed.final_state)


def _everywhere(
    function: Callable[..., Result], params: Params, batch: Batch, counted: int, work: Workspace
) -> Result:
    """A pass over the whole batch, in as many processes as the workspace has."""
    team = work.team
    if team is None:
        return function(params, batch, counted, work)
    with team.asked(function, params, batch, counted) as answers:
        mine = function(params, cut.columns(batch, team.columns[0]), counted, work.own)
        return _together([mine, *answers()])


def _together(results: list[Result]) -> Result:
    """Nats and gradients added up, in order; the states of all sequences."""
    passed = fused_batch.side_by_side([result.passed for result in results])
    (_, grads), *others = results
    for _, its in others:
        if grads is not None:
            tree_map(lambda mine, more: np.add(mine, more, out=mine), grads, its)
    return Result(passed, grads)


def _counted(batch: Batch) -> int:
    """N of F9."""
    return batch.tokens.size if batch.mask is None else int(np.count_nonzero(batch.mask))


def _mean(nats: np.floating, counted: int, work: Workspace) -> np.floating:
    return work.config.numpy_dtype.type(nats / counted)  # F9
