"""The language model: the layers, a readout on top, one pass up and one back down.

This module is the backend `numpy-literal`: the equations as they are written, every
intermediate kept. `fast/` computes the same loss and gradients sooner.
"""

import numpy as np
from jaxtyping import Inexact, Integer

from lstm_spec import (
    Adjoints,
    Batch,
    Cotangents,
    LossAndGrads,
    LossOnly,
    Params,
    State,
    zero_state,
)
from lstm_spec.checks import require_array
from manual import cell, readout, stack
from manual.stack import vjp
from manual.tape import Tape
from manual.workspace import LiteralWorkspace, prepare

__all__ = ["adjoints", "loss", "loss_and_grads", "objective", "step", "vjp"]


def loss(params: Params, batch: Batch, workspace: LiteralWorkspace | None = None) -> LossOnly:
    """Mean nats per unmasked token, and the final state; complex128 parameters are welcome.

    Raises:
        InputError: parameters or batch are malformed; the message names the leaf or field.
    """
    work = prepare(LiteralWorkspace, params, batch, workspace).literal
    return LossOnly(_forward(params, batch, work), stack.final_state(work))


def objective(params: Params, batch: Batch) -> np.inexact:
    """The function that `loss_and_grads` differentiates: loss plus cotangents' inner products.

    Raises:
        InputError: as `loss`.
    """
    work = prepare(LiteralWorkspace, params, batch, None).literal
    total = _forward(params, batch, work)
    final = stack.final_state(work)
    on_h, on_last_h, on_last_C = batch.cotangents or Cotangents()
    h = np.stack([tape.forward.h for tape in work.layers])
    for cotangent, output in ((on_h, h), (on_last_h, final.h), (on_last_C, final.C)):
        if cotangent is not None:
            total = total + (cotangent * output).sum()
    return total


def loss_and_grads(
    params: Params, batch: Batch, workspace: LiteralWorkspace | None = None
) -> LossAndGrads:
    """The loss (nats per token) and its gradient by backpropagation through time.

    Args:
        params: float32 or float64; everything is computed in their dtype.
        batch: tokens, targets and what else the step depends on.
        workspace: memory to reuse; must have been made for this shape.

    Raises:
        InputError: parameters, batch or workspace are malformed or do not fit each other.
    """
    work = prepare(LiteralWorkspace, params, batch, workspace, real=True).literal
    value = _forward(params, batch, work)
    grads, initial_state_grads = _backward(params, batch, work)
    return LossAndGrads(value, grads, initial_state_grads, stack.final_state(work))


def adjoints(
    params: Params, batch: Batch, workspace: LiteralWorkspace | None = None
) -> LossAndGrads:
    """`loss_and_grads` together with the adjoint of every intermediate at every time step.

    Raises:
        InputError: as `loss_and_grads`.
    """
    work = prepare(LiteralWorkspace, params, batch, workspace)
    result = loss_and_grads(params, batch, work)
    layers = tuple(tape.adjoints() for tape in work.literal.layers)
    return result._replace(adjoints=Adjoints(layers, work.literal.dv.copy()))


def step(
    params: Params, tokens: Integer[np.ndarray, " batch"], state: State | None = None
) -> tuple[Inexact[np.ndarray, "vocab batch"], State]:
    """One step for sampling: logits after reading one token a sequence, and the new state.

    Raises:
        InputError: a token or the state does not fit the parameters.
    """
    require_array("tokens", tokens)
    batch = Batch(tokens[None], tokens[None], initial_state=state)
    work = prepare(LiteralWorkspace, params, batch, None).literal
    _forward(params, batch, work)
    return work.v[0], stack.final_state(work)


def _forward(params: Params, batch: Batch, work: Tape) -> np.inexact:
    """The whole forward pass, every intermediate left in the workspace."""
    weights = [cell.stack_gates(layer) for layer in params.layers]
    state = batch.initial_state or zero_state(work.config, work.batch)
    one_hot(batch.tokens, work.layers[0].x)
    stack.forward(weights, state, batch.dropout, work)
    return readout.forward(
        params.W_v, params.b_v, work.layers[-1].forward.h, readout.targets_of(batch), work.v
    )


def _backward(params: Params, batch: Batch, work: Tape) -> tuple[Params, State]:
    """The whole backward pass over a workspace that a forward pass has filled."""
    weights = [cell.stack_gates(layer) for layer in params.layers]
    top = work.layers[-1]
    dh = np.empty_like(top.forward.h)
    readout.backward(params.W_v, readout.targets_of(batch), work.v, work.dv, dh)
    cotangents = batch.cotangents or Cotangents()
    layers, dstate = stack.backward(weights, dh, cotangents, batch.dropout, work)
    dW_v, db_v = readout.weight_gradients(work.dv, top.forward.h)
    return Params(layers, dW_v, db_v), dstate


def one_hot(tokens: np.ndarray, x: np.ndarray) -> None:
    """Write tokens `(time, batch)` as columns into x `(time, vocab, batch)`."""
    x[...] = 0
    time, batch = np.indices(tokens.shape)
    x[time, tokens, batch] = 1
