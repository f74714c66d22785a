"""What a backend hands back."""

from typing import Any, NamedTuple

from lstm_spec.batch import State
from lstm_spec.params import LayerParams, Params


class LossOnly(NamedTuple):
    """Mean nats per unmasked token, and the state after the last step."""

    loss: Any
    final_state: State


class LayerAdjoints(NamedTuple):
    """The derivative of the objective by every intermediate of one layer, at every step.

    `z (time, hidden + inputs, batch)`, all others `(time, hidden, batch)`. Each is
    total: `h` and `C` include what later steps send back.
    """

    z: Any
    a_f: Any
    a_i: Any
    a_g: Any
    a_o: Any
    f: Any
    i: Any
    g: Any
    o: Any
    C: Any
    m: Any
    h: Any


class Adjoints(NamedTuple):
    """Adjoints of all layers, and of the logits `v (time, vocab, batch)`."""

    layers: tuple[LayerAdjoints, ...]
    v: Any


class LossAndGrads(NamedTuple):
    """Loss (nats per token) with the gradient of the objective.

    The objective is the loss plus the inner products of the batch's cotangents
    with h_t, the last h and the last C. `adjoints` is filled by the backend
    function of that name only.
    """

    loss: Any
    grads: Params
    initial_state_grads: State
    final_state: State
    adjoints: Adjoints | None = None


class VJP(NamedTuple):
    """The layers alone: their outputs, and the product of cotangents with their Jacobian.

    `h (time, hidden, batch)` are the top layer's outputs; `inputs` the gradient
    by x, `(time, inputs, batch)`.
    """

    h: Any
    final_state: State
    layers: tuple[LayerParams, ...]
    inputs: Any
    initial_state: State
