"""All layers and the readout over all steps, up and back down, as `layer.py` arranges them.

A tape with several segments keeps the states between them only, and runs each segment again
before it goes back through it.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lstm_spec import Batch, Cotangents, Params, State
from manual.fast import cut
from manual.fast.blocks import blocks
from manual.fast.readout import targets_of
from manual.fast.tape import Tape
from manual.fast.weights import Weights

States = Float[np.ndarray, "2 layers hidden batch"]


class Passed(NamedTuple):
    """What a pass hands back; the gradients by weights stay in the tape.

    Attributes:
        nats: the sum over unmasked positions, a number of the parameters' dtype.
        final_state: as a caller gets it.
        dstate: the `State` of gradients by the initial one; None without a backward pass.
    """

    nats: Any
    final_state: State
    dstate: Any = None


def forward(weights: list[Weights], params: Params, batch: Batch, tape: Tape) -> Passed:
    """Summed nats and the final state."""
    tape.begin(batch)
    tape.readout.begin(params.W_v)
    nats, top = params.b_v.dtype.type(0), tape.layers[-1]
    for start, end in tape.segments:
        segment = _segment(batch, tape, start, end)
        _forward(weights, tape.kept[0], segment, tape)
        for a, b in blocks(0, end - start, top.wide):
            targets = targets_of(segment, a, b)
            nats += tape.readout.block_loss(params.b_v, top.rows_of_h(a, b), targets)[0]
        _keep_state(tape, end - start, 0)
    return Passed(nats, tape.state(end - start))


def forward_and_backward(
    weights: list[Weights], params: Params, batch: Batch, weight: np.floating, tape: Tape
) -> Passed:
    """Summed nats, the final state and the gradient by the initial one.

    `weight` is 1/N, N the unmasked positions of the whole batch.
    """
    tape.begin(batch)
    tape.readout.begin(params.W_v)
    nats, last = params.b_v.dtype.type(0), len(tape.segments) - 1
    for number, (start, end) in enumerate(tape.segments):
        _forward(weights, tape.kept[number], _segment(batch, tape, start, end), tape)
        if number < last:
            _keep_state(tape, end - start, number + 1)
    final = tape.state(end - start)
    _begin_backward(batch, tape)
    for number, (start, end) in reversed(list(enumerate(tape.segments))):
        segment = _segment(batch, tape, start, end)
        if number < last:
            _forward(weights, tape.kept[number], segment, tape)
        nats += _backward(weights, params, segment, weight, tape, first=number == last)
    dh = np.array([layer.turn(layer.dz_h) for layer in tape.layers])
    return Passed(nats, final, State(dh, np.array([layer.turn(layer.dC) for layer in tape.layers])))


def _segment(batch: Batch, tape: Tape, start: int, end: int) -> Batch:
    return batch if len(tape.segments) == 1 else cut.steps(batch, start, end)


def _keep_state(tape: Tape, steps: int, number: int) -> None:
    """Keep h and C after so many steps as the state before segment `number`."""
    for k, layer in enumerate(tape.layers):
        tape.kept[number, 0, k], tape.kept[number, 1, k] = layer.h[steps - 1], layer.C[steps]


def _forward(weights: list[Weights], state: States, batch: Batch, tape: Tape) -> None:
    """Every layer over a segment's steps, from the bottom upwards."""
    steps = len(batch.tokens)
    for k, layer in enumerate(tape.layers):
        if k > 0:
            layer.x[:steps] = tape.layers[k - 1].h[:steps]
            if batch.dropout is not None:
                layer.x[:steps] *= batch.dropout[k - 1]
        elif not layer.looks_up:
            layer.x[:steps] = layer.one_hot.take(batch.tokens, 0).swapaxes(1, 2)
        layer.h_before[...], layer.C[0] = state[0, k], state[1, k]
        layer.forward(weights[k], batch.tokens)


def _begin_backward(batch: Batch, tape: Tape) -> None:
    """What reaches each layer's final h and C; zero without cotangents."""
    given = batch.cotangents or Cotangents()
    for k, layer in enumerate(tape.layers):
        layer.turn(layer.dz_h)[...] = 0 if given.last_h is None else given.last_h[k]
        layer.turn(layer.dC)[...] = 0 if given.last_C is None else given.last_C[k]


def _backward(
    weights: list[Weights],
    params: Params,
    batch: Batch,
    weight: np.floating,
    tape: Tape,
    *,
    first: bool,
) -> np.floating:
    """Every layer over a segment's steps, from the top downwards; the segment's summed nats.

    `first`: no segment was gone back through before this one.
    """
    steps, top, nats = len(batch.tokens), len(tape.layers) - 1, params.b_v.dtype.type(0)
    for k in reversed(range(len(tape.layers))):
        layer = tape.layers[k]
        layer.C[steps] = layer.turn(layer.dC)
        for start, end in blocks(0, steps, layer.wide):
            begins = first and end == steps
            if k == top:
                nats += _through_readout(params, batch, (start, end), weight, tape, first=begins)
            _back_through(weights[k], batch, k, (start, end), tape)
            layer.accumulate_block((start, end), batch.tokens, first=begins)
        layer.turn(layer.dC)[...] = layer.C[0]
    return nats


def _through_readout(
    params: Params,
    batch: Batch,
    steps: tuple[int, int],
    weight: np.floating,
    tape: Tape,
    *,
    first: bool,
) -> np.floating:
    """The readout over some steps; leaves in `tape.dh` what reaches h, and returns summed nats."""
    h, dh = tape.layers[-1].rows_of_h(*steps), tape.rows_of_dh(*steps)
    targets = targets_of(batch, *steps)
    nats = tape.readout.block_backward(*params[1:], h, targets, weight, dh, first=first)
    tape.take_rows_of_dh(*steps)
    return nats


def _back_through(p: Weights, batch: Batch, k: int, steps: tuple[int, int], tape: Tape) -> None:
    """One layer over some steps; in `tape.dh`, what reaches h makes way for what goes down."""
    (start, end), layer = steps, tape.layers[k]
    dh = tape.dh[start:end]
    if batch.cotangents is not None and batch.cotangents.h is not None:
        dh = dh + layer.turn(batch.cotangents.h[k, start:end])  # B3
    dx = tape.dh[start:end] if k > 0 else None
    for a, b in blocks(start, end, layer.block):
        part = slice(a - start, b - start)
        to_x = None if dx is None else dx[part]
        layer.backward_block(p, (a, b), dh[part], to_x)
    if dx is not None and batch.dropout is not None:
        dx *= layer.turn(batch.dropout[k - 1][start:end])  # B10
