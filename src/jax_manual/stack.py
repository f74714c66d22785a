"""Layers on top of each other: what leaves one enters the next."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_manual import sequence
from jax_ref.checks import validated
from jax_ref.stack import zero_state
from lstm_spec import VJP, Cotangents, LayerParams, State, validate_vjp


def forward(
    layers: tuple[LayerParams, ...], x: Any, state: State, dropout: Any, taps: tuple
) -> tuple[list[Float[Array, "time batch hidden"]], State]:
    """Every layer over all time steps; returns each layer's outputs, and the final state.

    `x` and `dropout (time, layers − 1, batch, hidden)` are batch-major; or `x` is tokens.
    """
    outputs, last_h, last_C = [], [], []
    for k, layer in enumerate(layers):
        p = sequence.stack_gates(layer)
        h, h_end, C_end = sequence.run(p, state.h[k].T, state.C[k].T, x, taps[k])
        outputs.append(h)
        last_h.append(h_end.T)
        last_C.append(C_end.T)
        if k + 1 < len(layers):
            x = h if dropout is None else h * dropout[:, k]
    return outputs, State(jnp.stack(last_h), jnp.stack(last_C))


def on_outputs(cotangents: Any, outputs: list) -> Any:
    """Σ of the cotangents `(time, layers, batch, hidden)` times each layer's h."""
    if cotangents is None:
        return 0
    return sum(jnp.vdot(cotangents[:, k], h) for k, h in enumerate(outputs))


def on_last(cotangents: Cotangents | None, final: State) -> Any:
    """Σ of the cotangents on the final state times it."""
    _, on_h, on_C = cotangents or Cotangents()
    pairs = [(on_h, final.h), (on_C, final.C)]
    return sum(jnp.vdot(given, output) for given, output in pairs if given is not None)


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
    state = initial_state or zero_state(layers, inputs.shape[2])

    def objective(layers: Any, inputs: Any, state: State) -> tuple:
        x, taps = inputs.swapaxes(1, 2), (None,) * len(layers)
        outputs, final = forward(layers, x, state, None, taps)
        on_h = None if cotangents.h is None else cotangents.h.transpose(1, 0, 3, 2)
        value = on_outputs(on_h, outputs) + on_last(cotangents, final)
        return value + jnp.zeros((), inputs.dtype), (outputs[-1].swapaxes(1, 2), final)

    grads, (h, final) = jax.grad(objective, argnums=(0, 1, 2), has_aux=True)(layers, inputs, state)
    return VJP(h, final, *grads)
