"""Layers on top of each other: what leaves one enters the next."""

from typing import Any

import numpy as np
from jaxtyping import Float

from lstm_spec import VJP, Cotangents, LayerParams, State, validate_vjp, zero_state
from manual import cell, sequence
from manual.tape import Tape

Outputs = Float[np.ndarray, "time hidden batch"]


def forward(weights: list[cell.Weights], state: State, dropout: Any, work: Tape) -> None:
    """Every layer over all time steps, from the bottom, whose inputs are in place, upwards."""
    for k, tape in enumerate(work.layers):
        if k > 0:
            below = work.layers[k - 1].forward.h
            tape.x[...] = below if dropout is None else below * dropout[k - 1]
        sequence.forward(weights[k], state.h[k], state.C[k], tape)


def backward(
    weights: list[cell.Weights], dh: Outputs, cotangents: Cotangents, dropout: Any, work: Tape
) -> tuple[tuple[LayerParams, ...], State]:
    """Every layer downwards from the top, whose outputs have gradient `dh`."""
    hidden = work.config.hidden_size
    dstate = zero_state(work.config, work.batch)
    last_h, last_C = _last_cotangents(cotangents, work)
    grads: list[LayerParams] = []
    for k in reversed(range(len(weights))):
        tape = work.layers[k]
        if cotangents.h is not None:
            dh = dh + cotangents.h[k]  # B3
        dstate.h[k], dstate.C[k] = sequence.backward(weights[k], dh, last_h[k], last_C[k], tape)
        grads.insert(0, sequence.weight_gradients(tape))
        dh = tape.backward.z[:, hidden:]  # B10: dx of this layer is dh of the one below
        if k > 0 and dropout is not None:
            dh = dh * dropout[k - 1]  # B10
    return tuple(grads), dstate


def vjp(
    layers: tuple[LayerParams, ...],
    inputs: Float[np.ndarray, "time inputs batch"],
    initial_state: State | None,
    cotangents: Cotangents,
) -> VJP:
    """The layers without readout or loss: outputs, and the cotangents pulled back.

    Raises:
        InputError: inputs, state or cotangents do not fit the layers.
    """
    config = validate_vjp(layers, inputs, initial_state, cotangents)
    time, _, size = inputs.shape
    work = Tape(config, time, size)
    weights = [cell.stack_gates(layer) for layer in layers]
    work.layers[0].x[...] = inputs
    forward(weights, initial_state or zero_state(config, size), None, work)
    top = work.layers[-1]
    grads, dstate = backward(weights, np.zeros_like(top.forward.h), cotangents, None, work)
    dx = work.layers[0].backward.z[:, config.hidden_size :].copy()
    return VJP(top.forward.h.copy(), final_state(work), grads, dx, dstate)


def final_state(work: Tape) -> State:
    """h and C of every layer after the last step."""
    return State(
        np.stack([tape.forward.h[-1] for tape in work.layers]),
        np.stack([tape.forward.C[-1] for tape in work.layers]),
    )


def _last_cotangents(cotangents: Cotangents, work: Tape) -> State:
    zero = zero_state(work.config, work.batch)
    return State(
        zero.h if cotangents.last_h is None else cotangents.last_h,
        zero.C if cotangents.last_C is None else cotangents.last_C,
    )
