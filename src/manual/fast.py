"""Loss and gradients of the whole model, by the arrangement of `fused.py`."""

import numpy as np
from jaxtyping import Float

from lstm_spec import (
    Batch,
    Cotangents,
    LayerParams,
    LossAndGrads,
    LossOnly,
    Params,
    State,
    zero_state,
)
from manual import fused, model
from manual.fused import FusedWeights
from manual.readout import Targets
from manual.workspace import Workspace, prepare


def loss(params: Params, batch: Batch, workspace: Workspace | None = None) -> LossOnly:
    """Mean nats per unmasked token, and the final state; complex128 parameters are welcome.

    Raises:
        InputError: parameters or batch are malformed; the message names the leaf or field.
    """
    work = prepare(params, batch, workspace)
    if work.config.dtype == "complex128":
        return model.loss(params, batch, work)
    tape = work.fused
    _forward(params, batch, work)
    targets, top = model.targets_of(batch), tape.layers[-1]
    total = sum(
        tape.readout.block_loss(
            params.W_v, params.b_v, top.h[start:end], _part(targets, start, end)
        )[0]
        for start, end in fused.blocks(work.time, top.block)
    )
    value = work.config.numpy_dtype.type(total / targets.mask.sum())
    return LossOnly(value, tape.final_state())


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
    weights = _forward(params, batch, work)
    final = work.fused.final_state()
    nats, layers, dstate = _backward(weights, params, batch, work)
    value = work.config.numpy_dtype.type(nats / model.targets_of(batch).mask.sum())
    readout = work.fused.readout
    grads = Params(layers, readout.dW_v.copy(), readout.db_v.copy())
    return LossAndGrads(value, grads, dstate, final)


def _forward(params: Params, batch: Batch, work: Workspace) -> list[FusedWeights]:
    """Every layer over all time steps, from the bottom upwards."""
    tape = work.fused
    state = batch.initial_state or zero_state(work.config, work.batch)
    weights = [fused.stack(p, layer) for p, layer in zip(params.layers, tape.layers, strict=True)]
    bottom = tape.layers[0]
    if not bottom.looks_up:
        model.one_hot(batch.tokens, bottom.x)
    for k, layer in enumerate(tape.layers):
        if k > 0:
            below = tape.layers[k - 1].h
            np.copyto(layer.x, below if batch.dropout is None else below * batch.dropout[k - 1])
        tokens = batch.tokens if layer.looks_up else None
        fused.forward(weights[k], state.h[k], state.C[k], tokens, layer)
    return weights


def _backward(
    weights: list[FusedWeights], params: Params, batch: Batch, work: Workspace
) -> tuple[np.floating, tuple[LayerParams, ...], State]:
    """Every layer from the top downwards: nats, the layers' gradients and the initial state's."""
    tape, dstate = work.fused, zero_state(work.config, work.batch)
    targets = model.targets_of(batch)
    weight, nats = 1 / int(targets.mask.sum()), work.config.numpy_dtype.type(0)
    tape.readout.begin()
    grads: list[LayerParams] = []
    for k in reversed(range(len(tape.layers))):
        layer, top = tape.layers[k], k == len(tape.layers) - 1
        fused.begin_backward(layer, *_last_cotangents(batch, work, k))
        for start, end in fused.blocks(work.time, layer.block):
            if top:
                part = _part(targets, start, end)
                h = layer.h[start:end]
                more, dh = tape.readout.block_backward(params.W_v, params.b_v, h, part, weight)
                nats += more
            else:
                dh = tape.dh[start:end]
            dh = _with_cotangent(dh, batch.cotangents, k, start, end)
            dx = tape.dh[start:end] if k > 0 else None
            fused.backward_block(weights[k], (start, end), dh, layer, dx)
            if dx is not None and batch.dropout is not None:
                dx *= batch.dropout[k - 1][start:end]
            tokens = batch.tokens if layer.looks_up else None
            fused.accumulate_block((start, end), tokens, layer, first=end == work.time)
        dstate.h[k], dstate.C[k] = layer.dz[: layer.hidden], layer.dC
        grads.insert(0, fused.gradients(layer))
    return nats, tuple(grads), dstate


def _part(targets: Targets, start: int, end: int) -> Targets:
    return Targets(targets.ids[start:end], targets.mask[start:end])


def _with_cotangent(
    dh: np.ndarray, cotangents: Cotangents | None, layer: int, start: int, end: int
) -> np.ndarray:
    """What reaches each h from outside, with a cotangent on it."""
    if cotangents is None or cotangents.h is None:
        return dh
    return dh + cotangents.h[layer, start:end]  # B3


def _last_cotangents(
    batch: Batch, work: Workspace, layer: int
) -> tuple[Float[np.ndarray, "hidden batch"], Float[np.ndarray, "hidden batch"]]:
    """What reaches the final h and C of a layer; zero without cotangents."""
    zero = np.zeros((work.config.hidden_size, work.batch), work.config.numpy_dtype)
    found = batch.cotangents or Cotangents()
    return (
        zero if found.last_h is None else found.last_h[layer],
        zero if found.last_C is None else found.last_C[layer],
    )
