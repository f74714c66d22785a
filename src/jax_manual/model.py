"""The language model: the layers and a readout on top, in one piece or segment by segment."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from jax_manual import readout, segments, stack
from jax_manual.readout import Targets
from jax_ref.checks import validated
from jax_ref.stack import zero_state
from jax_ref.taps import zeros
from lstm_spec import (
    Adjoints,
    Batch,
    InputError,
    LossAndGrads,
    LossOnly,
    Params,
    State,
    validate_batch,
    validate_params,
)


def _check(params: Params, batch: Batch, keep_every: int | None = None, *, values: bool) -> None:
    validate_batch(batch, validate_params(params, values=values, real=True), values=values)
    if keep_every is not None and keep_every < 1:
        raise InputError(f"keep_every: got {keep_every}, expected 1 or more")


class Window(NamedTuple):
    """What some steps of a batch depend on; time is the first axis of every array."""

    tokens: Integer[Array, "time batch"]
    targets: Targets
    on_h: Float[Array, "time layers batch hidden"] | None
    dropout: Float[Array, "time layers batch hidden"] | None


def _window(params: Params, batch: Batch) -> Window:
    ids = batch.targets.astype(jnp.int32)
    mask = jnp.ones(ids.shape) if batch.mask is None else batch.mask
    mask = mask.astype(params.b_v.dtype)
    on_h = batch.cotangents and batch.cotangents.h
    targets = Targets(ids, mask / mask.sum())  # N of F9
    tokens = batch.tokens.astype(jnp.int32)
    return Window(tokens, targets, _time_first(on_h), _time_first(batch.dropout))


def _time_first(array: Any) -> Any:
    return None if array is None else array.transpose(1, 0, 3, 2)


def _part(params: Params, taps: Adjoints, state: State, window: Window) -> tuple:
    """The objective and the loss of some steps, and the state after them."""
    outputs, final = stack.forward(params.layers, window.tokens, state, window.dropout, taps.layers)
    loss = readout.mean_nats(params.W_v, params.b_v, outputs[-1], window.targets, taps.v)
    return loss + stack.on_outputs(window.on_h, outputs), loss, final


def _objective(
    params: Params, state: State, taps: Adjoints, batch: Batch, keep_every: int | None = None
) -> tuple:
    """What is differentiated, and beside it the loss and the final state."""
    window, part = _window(params, batch), partial(_part, params, taps)
    if keep_every is None:
        value, loss, final = part(state, window)
    else:
        value, loss, final = segments.run(part, state, window, keep_every)
    return value + stack.on_last(batch.cotangents, final), LossOnly(loss, final)


def _start(params: Params, batch: Batch) -> tuple[State, Adjoints]:
    """The initial state, and no taps."""
    state = batch.initial_state or zero_state(params.layers, batch.tokens.shape[1])
    none: Any = (None,) * len(params.layers)
    return state, Adjoints(none, None)


@validated(_check)
@jax.jit
def loss(params: Params, batch: Batch) -> LossOnly:
    """Mean nats per unmasked token, and the final state.

    Raises:
        InputError: parameters or batch are malformed; the message names the leaf or field.
    """
    return _objective(params, *_start(params, batch), batch)[1]


@validated(_check)
@jax.jit
def objective(params: Params, batch: Batch) -> Float[Array, ""]:
    """The function that `loss_and_grads` differentiates: loss plus cotangents' inner products.

    Raises:
        InputError: as `loss`.
    """
    return _objective(params, *_start(params, batch), batch)[0]


@validated(_check)
@partial(jax.jit, static_argnums=2)
def loss_and_grads(params: Params, batch: Batch, keep_every: int | None = None) -> LossAndGrads:
    """The loss (nats per token) and its gradient by backpropagation through time.

    Args:
        params: float32 or float64.
        batch: tokens, targets and what else the step depends on.
        keep_every: keep the states of every so many steps only, and recompute the others.

    Raises:
        InputError: as `loss`.
    """
    differentiate = jax.value_and_grad(_objective, argnums=(0, 1), has_aux=True)
    (_, aux), (grads, dstate) = differentiate(params, *_start(params, batch), batch, keep_every)
    return LossAndGrads(aux.loss, grads, dstate, aux.final_state)


@validated(_check)
@jax.jit
def adjoints(params: Params, batch: Batch) -> LossAndGrads:
    """`loss_and_grads` together with the adjoint of every intermediate at every time step.

    Raises:
        InputError: as `loss`.
    """
    state, _ = _start(params, batch)
    time, size = batch.tokens.shape
    v = jnp.zeros((time, len(params.b_v), size), params.b_v.dtype)
    taps = Adjoints(zeros(params.layers, time, size), v)
    differentiate = jax.value_and_grad(_objective, argnums=(0, 1, 2), has_aux=True)
    (_, aux), (grads, dstate, dtaps) = differentiate(params, state, taps, batch)
    return LossAndGrads(aux.loss, grads, dstate, aux.final_state, dtaps)
