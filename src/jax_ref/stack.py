"""Layers on top of each other: what leaves one enters the next."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_ref import sequence
from jax_ref.checks import validated
from lstm_spec import VJP, Cotangents, LayerAdjoints, LayerParams, State, validate_vjp


def one_hot(tokens: Any, vocab: int, dtype: Any) -> Float[Array, "time vocab batch"]:
    """Tokens `(time, batch)` as columns; int32, since narrow integers wrap in the comparison."""
    return jax.nn.one_hot(tokens.astype(jnp.int32), vocab, axis=1, dtype=dtype)


def forward(
    layers: tuple[LayerParams, ...],
    x: Float[Array, "time inputs batch"],
    state: State,
    dropout: Any,
    taps: tuple[LayerAdjoints | None, ...],
) -> tuple[Float[Array, "layers time hidden batch"], State]:
    """Every layer over all time steps; returns each layer's outputs, and the final state."""
    outputs, last_h, last_C = [], [], []
    for k, layer in enumerate(layers):
        h, h_end, C_end = sequence.forward(layer, state.h[k], state.C[k], x, taps[k])
        outputs.append(h)
        last_h.append(h_end)
        last_C.append(C_end)
        if k + 1 < len(layers):
            x = h if dropout is None else h * dropout[k]
    return jnp.stack(outputs), State(jnp.stack(last_h), jnp.stack(last_C))


def inner_products(cotangents: Cotangents | None, h: Any, final: State) -> Any:
    """Σ of each cotangent times what it belongs to."""
    on_h, on_last_h, on_last_C = cotangents or Cotangents()
    pairs = [(on_h, h), (on_last_h, final.h), (on_last_C, final.C)]
    products = [jnp.vdot(given, output) for given, output in pairs if given is not None]
    return sum(products, start=jnp.zeros((), h.dtype))


def zero_state(layers: tuple[LayerParams, ...], batch: int) -> State:
    """The state before anything was read."""
    zero = jnp.zeros((len(layers), len(layers[0].b_f), batch), layers[0].b_f.dtype)
    return State(zero, zero)


@validated(validate_vjp)
@jax.jit
def vjp(
    layers: tuple[LayerParams, ...],
    inputs: Float[Array, "time inputs batch"],
    initial_state: State | None,
    cotangents: Cotangents,
) -> VJP:
    """The layers without readout or loss: outputs, and the cotangents pulled back.

    Raises:
        InputError: inputs, state or cotangents do not fit the layers.
    """
    state, none = initial_state or zero_state(layers, inputs.shape[2]), (None,) * len(layers)

    def objective(layers: Any, inputs: Any, state: State) -> tuple:
        h, final = forward(layers, inputs, state, None, none)
        return inner_products(cotangents, h, final), (h[-1], final)

    grads, (h, final) = jax.grad(objective, argnums=(0, 1, 2), has_aux=True)(layers, inputs, state)
    return VJP(h, final, *grads)
