"""The language model: the layers and a readout on top; gradients by autodiff."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from jax_ref import readout, stack
from jax_ref.checks import validated
from jax_ref.taps import NOTHING, zeros
from lstm_spec import (
    Adjoints,
    Batch,
    LossAndGrads,
    LossOnly,
    Params,
    State,
    validate_batch,
    validate_params,
)
from lstm_spec.checks import require_array

# Adjoints are computed once or twice a shape, to be looked at: a short compilation (0.3 s
# instead of 0.8 s) is worth more there than a fast run.
_COMPILE_FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def _check(params: Params, batch: Batch, *, values: bool) -> None:
    validate_batch(batch, validate_params(params, values=values, real=True), values=values)


def _check_step(params: Params, tokens: Any, state: State | None = None, *, values: bool) -> None:
    require_array("tokens", tokens)
    _check(params, Batch(tokens[None], tokens[None], initial_state=state), values=values)


def _objective(params: Params, state: State, taps: Adjoints, batch: Batch) -> tuple:
    """What is differentiated, and beside it the loss and the final state."""
    x = stack.one_hot(batch.tokens, len(params.b_v), params.b_v.dtype)
    h, final = stack.forward(params.layers, x, state, batch.dropout, taps.layers)
    v = readout.forward(params.W_v, params.b_v, h[-1], taps.v)
    loss = readout.mean_nats(v, batch.targets, batch.mask)
    return loss + stack.inner_products(batch.cotangents, h, final), LossOnly(loss, final)


def _start(params: Params, batch: Batch) -> tuple[State, Adjoints]:
    """The initial state, and no taps."""
    state = batch.initial_state or stack.zero_state(params.layers, batch.tokens.shape[1])
    none: Any = (None,) * len(params.layers)
    return state, Adjoints(none, NOTHING)


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
@jax.jit
def loss_and_grads(params: Params, batch: Batch) -> LossAndGrads:
    """The loss (nats per token) and its gradient by autodiff.

    Raises:
        InputError: as `loss`.
    """
    differentiate = jax.value_and_grad(_objective, argnums=(0, 1), has_aux=True)
    (_, aux), (grads, dstate) = differentiate(params, *_start(params, batch), batch)
    return LossAndGrads(aux.loss, grads, dstate, aux.final_state)


@validated(_check)
@partial(jax.jit, compiler_options=_COMPILE_FAST)
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


@validated(_check_step)
@jax.jit
def step(
    params: Params, tokens: Integer[Array, " batch"], state: State | None = None
) -> tuple[Float[Array, "vocab batch"], State]:
    """One step for sampling: logits after reading one token a sequence, and the new state.

    Raises:
        InputError: a token or the state does not fit the parameters.
    """
    x = stack.one_hot(tokens[None], len(params.b_v), params.b_v.dtype)
    state = state or stack.zero_state(params.layers, len(tokens))
    none = (None,) * len(params.layers)
    h, final = stack.forward(params.layers, x, state, None, none)
    return readout.forward(params.W_v, params.b_v, h[-1], NOTHING)[0], final
