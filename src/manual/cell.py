"""One LSTM cell at one time step: forward, and right under it backward.

Dimensions: every array holds one sequence per column.
    z               (hidden + inputs, batch)
    everything else (hidden, batch)

The four gates share one product W z; their rows lie in the order f, i, g, o.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Inexact

from lstm_spec import LayerParams
from manual.activations import sigmoid

Hidden = Inexact[np.ndarray, "hidden batch"]
HiddenInputs = Inexact[np.ndarray, "hidden+inputs batch"]
Gates = Inexact[np.ndarray, "4*hidden batch"]


class Weights(NamedTuple):
    """The four gates' parameters, stacked."""

    W: Inexact[np.ndarray, "4*hidden hidden+inputs"]
    b: Inexact[np.ndarray, "4*hidden 1"]


class Step(NamedTuple):
    """The forward pass of one time step: views into a layer's tape."""

    z: HiddenInputs
    a: Gates
    a_f: Hidden
    a_i: Hidden
    a_g: Hidden
    a_o: Hidden
    f: Hidden
    i: Hidden
    g: Hidden
    o: Hidden
    C_prev: Hidden
    C: Hidden
    m: Hidden
    h: Hidden


class StepAdjoints(NamedTuple):
    """The adjoint of each intermediate of one time step: views into a layer's tape."""

    z: HiddenInputs
    a: Gates
    a_f: Hidden
    a_i: Hidden
    a_g: Hidden
    a_o: Hidden
    f: Hidden
    i: Hidden
    g: Hidden
    o: Hidden
    C: Hidden
    m: Hidden
    h: Hidden


def stack_gates(layer: LayerParams) -> Weights:
    """Stack the gates' weights, so that one product serves all four."""
    W = np.concatenate([layer.W_f, layer.W_i, layer.W_g, layer.W_o])
    b = np.concatenate([layer.b_f, layer.b_i, layer.b_g, layer.b_o])
    return Weights(W, b[:, None])


def forward(p: Weights, s: Step) -> None:
    """F2–F6: from z and C_prev to every other array of the step."""
    np.matmul(p.W, s.z, out=s.a)
    s.a[...] += p.b  # F2
    s.f[...] = sigmoid(s.a_f)  # F3
    s.i[...] = sigmoid(s.a_i)  # F3
    s.g[...] = np.tanh(s.a_g)  # F3
    s.o[...] = sigmoid(s.a_o)  # F3
    s.C[...] = s.f * s.C_prev + s.i * s.g  # F4
    s.m[...] = np.tanh(s.C)  # F5
    s.h[...] = s.o * s.m  # F6


def backward(
    p: Weights, s: Step, dC_next: Float[np.ndarray, "hidden batch"], d: StepAdjoints
) -> Float[np.ndarray, "hidden batch"]:
    """B4–B8, B10, B11: from dh (in `d.h`) and dC_next to every other adjoint of the step.

    Returns dC_next for the step before; dh_next for it is `d.z[:hidden]`.
    """
    d.o[...] = d.h * s.m  # B4
    d.a_o[...] = d.o * s.o * (1 - s.o)  # B4
    d.m[...] = d.h * s.o  # B5
    d.C[...] = dC_next + d.m * (1 - s.m * s.m)  # B5
    d.g[...] = d.C * s.i  # B6
    d.a_g[...] = d.g * (1 - s.g * s.g)  # B6
    d.i[...] = d.C * s.g  # B7
    d.a_i[...] = d.i * s.i * (1 - s.i)  # B7
    d.f[...] = d.C * s.C_prev  # B8
    d.a_f[...] = d.f * s.f * (1 - s.f)  # B8
    np.matmul(p.W.T, d.a, out=d.z)  # B10
    return d.C * s.f  # B11
