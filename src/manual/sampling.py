"""One step for sampling, without the copies that a pass over many steps makes once."""

import numpy as np
from jaxtyping import Inexact, Integer

from lstm_spec import (
    GATES,
    Batch,
    LayerParams,
    Params,
    State,
    validate_batch,
    validate_params,
    zero_state,
)
from lstm_spec.checks import require_array
from manual.activations import sigmoid

Hidden = Inexact[np.ndarray, "hidden batch"]


def step(
    params: Params, tokens: Integer[np.ndarray, " batch"], state: State | None = None
) -> tuple[Inexact[np.ndarray, "vocab batch"], State]:
    """One step for sampling: logits after reading one token a sequence, and the new state.

    Raises:
        InputError: a token or the state does not fit the parameters.
    """
    require_array("tokens", tokens)
    config = validate_params(params)
    validate_batch(Batch(tokens[None], tokens[None], initial_state=state), config)
    before = state or zero_state(config, len(tokens))
    found_h, found_C, x = [], [], None
    for layer, h, C in zip(params.layers, *before, strict=True):
        x, C = _cell(layer, h, C, tokens if x is None else x)
        found_h.append(x)
        found_C.append(C)
    v = params.W_v @ found_h[-1] + params.b_v[:, None]  # F7
    return v, State(np.stack(found_h), np.stack(found_C))


def _cell(p: LayerParams, h: Hidden, C: Hidden, x: np.ndarray) -> tuple[Hidden, Hidden]:
    """F2–F6; `x` is dense or tokens, whose columns of W are looked up."""
    hidden = len(h)

    def preactivation(gate: str) -> Hidden:
        W, b = getattr(p, f"W_{gate}"), getattr(p, f"b_{gate}")[:, None]
        from_x = W[:, hidden + x.astype(int)] if x.ndim == 1 else W[:, hidden:] @ x
        return W[:, :hidden] @ h + from_x + b  # F2

    a_f, a_i, a_g, a_o = map(preactivation, GATES)
    C = sigmoid(a_f) * C + sigmoid(a_i) * np.tanh(a_g)  # F3, F4
    return sigmoid(a_o) * np.tanh(C), C  # F5, F6
