"""One layer over time: the loop, and the products that wait until after it."""

import numpy as np
from jaxtyping import Float, Inexact

from lstm_spec import LayerParams
from manual import cell
from manual.tape import LayerTape

Hidden = Inexact[np.ndarray, "hidden batch"]


def forward(p: cell.Weights, h: Hidden, C: Hidden, tape: LayerTape) -> None:
    """Run the cell over every step; `tape.x` holds the inputs, h and C the state before."""
    hidden = len(h)
    tape.forward.z[0, :hidden], tape.forward.C_prev[0] = h, C
    for t in range(len(tape.x)):
        cell.forward(p, tape.step(t))  # its h is the upper part of z_{t+1}: F1


def backward(
    p: cell.Weights,
    dh_out: Float[np.ndarray, "time hidden batch"],
    dh_last: Hidden,
    dC_last: Hidden,
    tape: LayerTape,
) -> tuple[Hidden, Hidden]:
    """Backpropagation through time; returns the gradient by the state before the first step.

    `dh_out` is what reaches each h_t from outside the layer, by the readout, the
    layer above or a cotangent; `dh_last` and `dC_last` what reaches the final state.
    """
    dh_next, dC_next = dh_last, dC_last
    for t in reversed(range(len(tape.x))):
        d = tape.adjoints_at(t)
        d.h[...] = dh_out[t] + dh_next  # B3
        dC_next = cell.backward(p, tape.step(t), dC_next, d)
        dh_next = d.z[: len(dh_next)]  # B10
    return dh_next.copy(), dC_next


def weight_gradients(tape: LayerTape) -> LayerParams:
    """B9: dW_k = Σ_t da^k_t z_tᵀ and db_k = Σ_t da^k_t, over time and batch at once."""
    da, z = tape.backward.a, tape.forward.z
    dW = np.tensordot(da, z, axes=([0, 2], [0, 2]))  # B9
    db = da.sum(axis=(0, 2))  # B9
    return LayerParams(*np.split(dW, 4), *np.split(db, 4))
