"""The fast pass works in blocks of steps; whatever their length, it equals the literal one."""

import numpy as np
import pytest
from drawing import draw_batch, draw_params

import manual
from gradparity import compare
from lstm_spec import config_of
from manual import fused_tape, model

TIME, BATCH, HIDDEN = 7, 3, 5
STEP = 4 * HIDDEN * BATCH * 8  # bytes that the gates of one step take


@pytest.mark.parametrize("vocab", [7, fused_tape.ONE_HOT, fused_tape.ONE_HOT + 1])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("length", [1, 2, 3, 4, TIME])
def test_blocks_of_any_length(monkeypatch, length, layers, vocab):
    monkeypatch.setattr(fused_tape, "CACHE", length * STEP)
    params = draw_params(layers=layers, vocab=vocab, hidden=HIDDEN)
    batch = draw_batch(layers=layers, vocab=vocab, hidden=HIDDEN, time=TIME, batch=BATCH)
    workspace = manual.Workspace(config_of(params), TIME, BATCH)
    assert workspace.fused[0].layers[0].block <= length
    expected = model.loss_and_grads(params, batch)
    for _ in range(2):  # a workspace that was used must not remember
        compare(manual.loss_and_grads(params, batch, workspace), expected)
        compare(manual.loss(params, batch, workspace).loss, expected.loss)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_size_of_a_real_training_step(dtype):
    """Several blocks under the cache limit as it is."""
    params = draw_params(layers=2, hidden=128, vocab=65, dtype=dtype)
    batch = draw_batch(layers=2, hidden=128, vocab=65, time=15, batch=50, dtype=dtype)
    rtol = 1e-9 if dtype == "float64" else 1e-4
    found, expected = (m.loss_and_grads(params, batch) for m in (manual, model))
    compare(found, expected, rtol=rtol)
    assert np.isfinite(found.loss)
