"""B9–B11: from the gates to their weights, and to the step before."""

import numpy as np

from gradparity.lstm.equation import Equation
from gradparity.lstm.film import Array, Film
from gradparity.lstm.forms import Form, Slot, factor_forms, late, numbers, steps_of, wrapped
from lstm_spec import GATES


def _delta(gate: str, name: str) -> Slot:
    others = [k for k in GATES if k != gate]
    forms = [Form(f"da_{gate}", lambda c, t: c[f"da_{gate}"][t])]
    forms += [_other_delta(other, gate) for other in others]
    forms.append(
        Form(f"d{gate}", lambda c, t: c[f"d{gate}"][t], f"d{gate} before the activation", 1)
    )
    return Slot(name, tuple(forms))


def _other_delta(other: str, gate: str) -> Form:
    return Form(f"da_{other}", lambda c, t: c[f"da_{other}"][t], f"the delta of gate {other}", 1)


def _paired_h() -> Slot:
    return Slot(
        "h",
        (
            Form("h[t-1]", lambda c, t: c["h_prev"][t]),
            Form("h[t]", lambda c, t: c["h"][t], "h of this step where h_prev belongs", 1),
            Form(
                "h[t-2]",
                lambda c, t: c["h_prev"][t - 1] if t else c["h"][-1],
                "h two steps early: a list that begins with the initial state, read at t-1",
                1,
            ),
            Form(
                "h[t-1] (wraps at t = 0)",
                lambda c, t: wrapped(c, "h", t),
                "h[t-1] wraps to the last state at t = 0",
                1,
            ),
            Form("C[t-1]", lambda c, t: c["C_prev"][t], "C_prev where h_prev belongs", 1),
            Form("0", lambda c, t: np.zeros_like(c["h"][t]), "the recurrent part is missing", 1),
        ),
    )


def _paired_x() -> Slot:
    return Slot(
        "x",
        (
            Form("x[t]", lambda c, t: c["x"][t]),
            Form("x[t-1]", lambda c, t: wrapped(c, "x", t), "the input of the step before", 1),
            Form("x[t+1]", lambda c, t: late(c, "x", t), "the input of the step after", 1),
            Form("0", lambda c, t: np.zeros_like(c["x"][t]), "the input part is missing", 1),
        ),
    )


def _accumulation(gate: str) -> Equation:
    return Equation(
        "B9",
        gate,
        f"weight gradient, gate {gate}",
        "dW_k = Σ_t da^k_t z_tᵀ\ndb_k = Σ_t da^k_t",
        f"dW_{gate}",
        (
            _delta(gate, "delta"),
            _paired_h(),
            _paired_x(),
            steps_of("steps"),
            Slot("number", numbers()),
            _delta(gate, "bias delta"),
            steps_of("bias steps"),
            Slot("bias number", (*numbers(), Form("0", lambda c, t: np.zeros(()), "missing", 1))),
        ),
    )


def _back_through(gate: str) -> Equation:
    """One gate's term of B10: a mistake here is in what the gate sends back."""
    others = [k for k in GATES if k != gate]
    weights = [Form(f"W_{gate}", lambda c, t: c.weight(gate))]
    weights += [_other_weight(other, gate) for other in others]
    weights.append(
        Form(f"W_{gate}.T", lambda c, t: _untransposed(c, gate), "the transpose is missing", 1)
    )
    numbers_and_none = (*numbers(), Form("0", lambda c, t: np.zeros(()), "the term is missing", 1))
    return Equation(
        "B10",
        gate,
        f"what gate {gate} sends back",
        "dz_t = Σ_k W_kᵀ da^k_t\n[dh_next; dx_t] = dz_t",
        "dz",
        (Slot("W", tuple(weights)), _delta(gate, "delta"), Slot("number", numbers_and_none)),
    )


def _other_weight(other: str, gate: str) -> Form:
    return Form(f"W_{other}", lambda c, t: c.weight(other), f"the weights of gate {other}", 1)


def _untransposed(film: Film, gate: str) -> Array:
    W, hidden = film.weight(gate), film["h"].shape[1]
    return np.hstack([W[:, :hidden].T, W[:, hidden:]])


_CARRIED_DH = Slot(
    "dh_next",
    (
        Form("dh_next", lambda c, t: np.asarray(1.0)),
        Form("0", lambda c, t: np.asarray(0.0), "dh_next is dropped", 1),
    ),
)

_CARRIED_DC = Slot(
    "dC",
    (
        Form("dC", lambda c, t: c["dC"][t]),
        Form("0", lambda c, t: np.zeros_like(c["dC"][t]), "dC_next is dropped", 1),
        Form("dC_local", lambda c, t: c["dC_local"][t], "only one step back: dC_next left out", 1),
    ),
)

WEIGHTS = (
    *[_accumulation(gate) for gate in GATES],
    *[_back_through(gate) for gate in GATES],
    Equation(
        "B10",
        "",
        "hidden state carried back",
        "dz_t = Σ_k W_kᵀ da^k_t\n[dh_next; dx_t] = dz_t",
        "dh_next",
        (_CARRIED_DH, Slot("number", numbers())),
    ),
    Equation(
        "B11",
        "",
        "cell state carried back",
        "dC_next = dC_t ⊙ f_t",
        "dC_next",
        (_CARRIED_DC, Slot("f", factor_forms("f")), Slot("number", numbers())),
    ),
)
