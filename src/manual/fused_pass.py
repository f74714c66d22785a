"""All layers and the readout over all steps, up and back down, by the arrangement of `fused.py`.

A tape with several segments keeps the states between them only, and runs each segment again
before it goes back through it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lstm_spec import Batch, Params, State
from manual import cut, fused, model
from manual.fused import FusedWeights
from manual.fused_tape import FusedTape
from manual.readout import Targets

Hidden = Float[np.ndarray, "hidden batch"]


class Passed(NamedTuple):
    """What a pass hands back; the gradients by weights stay in the tape."""

    nats: np.floating
    final_state: State
    dstate: State | None = None


def forward(weights: list[FusedWeights], params: Params, batch: Batch, tape: FusedTape) -> Passed:
    """Summed nats and the final state."""
    state, nats = tape.initial_state(batch), params.b_v.dtype.type(0)
    top = tape.layers[-1]
    for start, end in tape.segments:
        segment = _segment(batch, tape, start, end)
        state = _forward(weights, state, segment, tape)
        targets = model.targets_of(segment)
        for a, b in fused.blocks(0, end - start, top.wide):
            h, part = top.h[a:b], Targets(targets.ids[a:b], targets.mask[a:b])
            nats += tape.readout.block_loss(params.W_v, params.b_v, h, part)[0]
    return Passed(nats, state)


def forward_and_backward(
    weights: list[FusedWeights], params: Params, batch: Batch, weight: float, tape: FusedTape
) -> Passed:
    """Summed nats, the final state and the gradient by the initial one.

    `weight` is 1/N, N the unmasked positions of the whole batch.
    """
    state, nats = tape.initial_state(batch), params.b_v.dtype.type(0)
    for number, (start, end) in enumerate(tape.segments):
        tape.kept[number] = state
        final = state = _forward(weights, state, _segment(batch, tape, start, end), tape)
    _begin_backward(params, batch, tape)
    for number, (start, end) in reversed(list(enumerate(tape.segments))):
        segment, last = _segment(batch, tape, start, end), number == len(tape.segments) - 1
        if not last:
            _forward(weights, State(*tape.kept[number]), segment, tape)
        nats += _backward(weights, params, segment, weight, tape, last)
    dh = np.stack([layer.dz[: layer.hidden] for layer in tape.layers])
    return Passed(nats, final, State(dh, np.stack([layer.dC for layer in tape.layers])))


def _segment(batch: Batch, tape: FusedTape, start: int, end: int) -> Batch:
    return batch if len(tape.segments) == 1 else cut.steps(batch, start, end)


def _forward(
    weights: list[FusedWeights], state: State, batch: Batch, tape: FusedTape
) -> State:
    """Every layer over a segment's steps, from the bottom upwards; the state after them."""
    steps, bottom = len(batch.tokens), tape.layers[0]
    if not bottom.looks_up:
        model.one_hot(batch.tokens, bottom.x[:steps])
    for k, layer in enumerate(tape.layers):
        if k > 0:
            below = tape.layers[k - 1].h[:steps]
            np.copyto(layer.x[:steps], below)
            if batch.dropout is not None:
                layer.x[:steps] *= batch.dropout[k - 1]
        tokens = batch.tokens if layer.looks_up else None
        fused.forward(weights[k], state.h[k], state.C[k], steps, tokens, layer)
    return tape.state(steps)


def _begin_backward(params: Params, batch: Batch, tape: FusedTape) -> None:
    """What reaches each layer's final h and C; zero without cotangents."""
    _, on_h, on_C = batch.cotangents or (None, None, None)
    for k, layer in enumerate(tape.layers):
        layer.dz[: layer.hidden] = 0 if on_h is None else on_h[k]
        layer.dC[...] = 0 if on_C is None else on_C[k]
    tape.readout.begin(params.W_v)


def _backward(
    weights: list[FusedWeights],
    params: Params,
    batch: Batch,
    weight: float,
    tape: FusedTape,
    last: bool,
) -> np.floating:
    """Every layer over a segment's steps, from the top downwards; the segment's summed nats."""
    steps, nats = len(batch.tokens), params.b_v.dtype.type(0)
    targets, top = model.targets_of(batch), len(tape.layers) - 1
    on_h = batch.cotangents and batch.cotangents.h
    for k in reversed(range(len(tape.layers))):
        layer = tape.layers[k]
        layer.C[steps] = layer.dC
        for start, end in fused.blocks(0, steps, layer.wide):
            fused.transpose_block((start, end), layer)
            dh = tape.dh[start:end]
            if k == top:
                more, dh = _readout(params, (start, end), targets, weight, tape)
                nats += more
            if on_h is not None:
                dh = dh + on_h[k, start:end]  # B3
            dx = tape.dh[start:end] if k > 0 else None
            for a, b in fused.blocks(start, end, layer.block):
                part = slice(a - start, b - start)
                fused.backward_block(weights[k], (a, b), dh[part], layer, None if dx is None else dx[part])
            if dx is not None and batch.dropout is not None:
                dx *= batch.dropout[k - 1][start:end]  # B10
            tokens = batch.tokens if layer.looks_up else None
            fused.accumulate_block((start, end), tokens, layer, first=last and end == steps)
        layer.dC[...] = layer.C[0]
    return nats


def _readout(
    params: Params, steps: tuple[int, int], targets: Targets, weight: float, tape: FusedTape
) -> tuple[np.floating, np.ndarray]:
    """The readout of a wide block, up and back down; its summed nats, and dh of the top layer."""
    start, end = steps
    layer = tape.layers[-1]
    batch = layer.z.shape[2]
    hT = layer.zT[batch : (end - start + 1) * batch, : layer.hidden]
    part = Targets(targets.ids[start:end], targets.mask[start:end])
    return tape.readout.block_backward(
        params.W_v, params.b_v, layer.h[start:end], hT, part, weight
    )
