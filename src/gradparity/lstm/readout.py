"""B1–B3: from the loss through the readout to the hidden state."""

import numpy as np

from gradparity.lstm.equation import Equation
from gradparity.lstm.film import Array, Film
from gradparity.lstm.forms import Form, Slot, late, numbers, received, steps_of, wrapped

_PAIRED_OUTPUT = Slot(
    "h",
    (
        Form("h[t]", lambda c, t: c["h"][t]),
        Form("h[t-1]", lambda c, t: c["h_prev"][t], "h_prev where h belongs", 1),
        Form(
            "h[t-1] (wraps at t = 0)",
            lambda c, t: wrapped(c, "h", t),
            "h one step early, wrapping to the last at t = 0",
            1,
        ),
        Form("h[t+1]", lambda c, t: late(c, "h", t), "h one step late", 1),
        Form("m[t]", lambda c, t: c["m"][t], "m where h belongs", 1),
        Form("C[t]", lambda c, t: c["C"][t], "C where h belongs", 1),
        Form("o[t]", lambda c, t: c["o"][t], "o where h belongs", 1),
    ),
)

_RESIDUAL = Slot(
    "residual",
    (
        Form("y - onehot", lambda c, t: c["y"][t] - c["target"][t]),
        Form("y", lambda c, t: c["y"][t], "1 is not subtracted at the target", 1),
        Form(
            "(y - onehot)*y*(1 - y)",
            lambda c, t: (c["y"][t] - c["target"][t]) * c["y"][t] * (1 - c["y"][t]),
            "a derivative of the activation too much",
            1,
        ),
        Form(
            "y - onehot[t-1]",
            lambda c, t: c["y"][t] - wrapped(c, "target", t),
            "the target of the step before",
            1,
        ),
        Form(
            "y - onehot[t+1]",
            lambda c, t: c["y"][t] - late(c, "target", t),
            "the target of the step after",
            1,
        ),
    ),
)


def _slope(film: Film, t: int) -> Array:
    return film["y"][t] * (1 - film["y"][t])


_READOUT_DV = Slot(
    "dv",
    (
        Form("dv", lambda c, t: c["dv"][t]),
        Form("0", lambda c, t: np.zeros_like(c["dv"][t]), "the readout sends nothing back", 1),
        Form("y", lambda c, t: c["y"][t], "y where dv belongs", 1),
        Form("dv[t+1]", lambda c, t: late(c, "dv", t), "dv one step late", 1),
        Form("dv*y*(1 - y)", lambda c, t: c["dv"][t] * _slope(c, t), "a derivative too much", 1),
    ),
)

_OUTSIDE_DH = Slot(
    "dh_out",
    (
        Form("dh_out[t]", lambda c, t: c["dh_out"][t]),
        Form(
            "dh_out[T-1]",
            lambda c, t: c["dh_out"][t] * (t == c.time - 1),
            "only the last step's gradient enters",
            1,
        ),
        Form("dh_out[t+1]", lambda c, t: late(c, "dh_out", t), "the gradient of the step after", 1),
        Form("dh_out[t-1]", lambda c, t: wrapped(c, "dh_out", t), "that of the step before", 1),
    ),
)

READOUT = (
    Equation(
        "B1",
        "v",
        "logits",
        "dv_t = (ŷ_t − onehot_t) / N",
        "dv",
        (_RESIDUAL, Slot("number", numbers())),
    ),
    Equation(
        "B2",
        "v",
        "readout weights",
        "dW_v = Σ_t dv_t h_tᵀ\ndb_v = Σ_t dv_t",
        "dW_v",
        (
            _PAIRED_OUTPUT,
            steps_of("steps"),
            Slot("number", numbers()),
            steps_of("bias steps"),
            Slot("bias number", (*numbers(), Form("0", lambda c, t: np.zeros(()), "missing", 1))),
        ),
    ),
    Equation(
        "B3",
        "v",
        "hidden state",
        "dh_t = W_vᵀ dv_t + dh_next",
        "dh",
        (_READOUT_DV, Slot("number", numbers())),
        (_OUTSIDE_DH, received("dh_next")),
    ),
)
