"""One LSTM cell at one time step, the equations as they are written.

Dimensions: every array holds one sequence per column.
    z               (hidden + inputs, batch)
    everything else (hidden, batch)

A tap is a zero added to an intermediate. The derivative by the tap is the
adjoint of that intermediate, so autodiff gives every adjoint at every step.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lstm_spec import LayerAdjoints, LayerParams

Hidden = Float[Array, "hidden batch"]


def forward(
    p: LayerParams,
    h_prev: Hidden,
    C_prev: Hidden,
    x: Float[Array, "inputs batch"],
    taps: LayerAdjoints,
) -> tuple[Hidden, Hidden]:
    """F1–F6; returns h and C."""
    z = jnp.concatenate([h_prev, x]) + taps.z  # F1
    a_f = p.W_f @ z + p.b_f[:, None] + taps.a_f  # F2
    a_i = p.W_i @ z + p.b_i[:, None] + taps.a_i  # F2
    a_g = p.W_g @ z + p.b_g[:, None] + taps.a_g  # F2
    a_o = p.W_o @ z + p.b_o[:, None] + taps.a_o  # F2
    f = jax.nn.sigmoid(a_f) + taps.f  # F3
    i = jax.nn.sigmoid(a_i) + taps.i  # F3
    g = jnp.tanh(a_g) + taps.g  # F3
    o = jax.nn.sigmoid(a_o) + taps.o  # F3
    C = f * C_prev + i * g + taps.C  # F4
    m = jnp.tanh(C) + taps.m  # F5
    h = o * m + taps.h  # F6
    return h, C
