"""Loss and gradients of the whole model, as `layer.py` arranges it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_spec import Batch, LossAndGrads, LossOnly, Params
from lstm_spec.tree import tree_map
from manual.fast import cut, parts
from manual.fast.parts import Result
from manual.fast.passes import Passed
from manual.fast.shared import arrays
from manual.fast.workspace import Workspace
from manual.workspace import prepare


def loss(params: Params, batch: Batch, workspace: Workspace | None = None) -> LossOnly:
    """Mean nats per unmasked token, and the final state; complex128 parameters are welcome.

    Raises:
        InputError: parameters or batch are malformed; the message names the leaf or field.
        ChildProcessError: a process of the workspace's ended; the next pass starts another.
    """
    passed, _, mean = _everywhere(parts.loss, params, batch, workspace)
    return LossOnly(mean, passed.final_state)


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
    function = parts.loss_and_grads
    passed, grads, mean = _everywhere(function, params, batch, workspace, real=True)
    return LossAndGrads(mean, grads, passed.dstate, passed.final_state)


def _everywhere(
    function: Callable[..., Result],
    params: Params,
    batch: Batch,
    workspace: Workspace | None,
    *,
    real: bool = False,
) -> tuple[Passed, Any, np.floating]:
    """A pass over the whole batch, in as many processes as the workspace has; the mean of nats."""
    team = None if workspace is None else workspace.team
    work = prepare(Workspace, params, batch, workspace, real=real, values=team is None)
    batch = tree_map(np.asarray, batch)  # `a *= b` makes a new array if b is one of JAX
    counted = _counted(batch)
    if team is None:
        result = function(params, batch, counted, work.parts)
    else:
        with team.asked(function, params, batch, counted) as answers:
            prepare(Workspace, params, batch, work, real=real)  # values too, while others compute
            mine = function(params, cut.columns(batch, team.columns[0]), counted, work.parts)
            result = _together([mine, *answers()])
    mean = work.config.numpy_dtype.type(result.passed.nats / counted)  # F9
    return *result, mean


def _together(results: list[Result]) -> Result:
    """Nats and gradients added up, in order; the states of all sequences."""
    passed = parts.side_by_side([result.passed for result in results])
    (_, grads), *others = results
    for _, its in others:
        if grads is not None:
            for mine, more in zip(arrays(grads), arrays(its), strict=True):
                np.add(mine, more, mine)
    return Result(passed, grads)


def _counted(batch: Batch) -> int:
    """N of F9."""
    return batch.tokens.size if batch.mask is None else int(np.count_nonzero(batch.mask))
