"""Saturated gates, long sequences, a vocabulary of one and of fifty thousand."""

import numpy as np
import pytest
from drawing import draw_batch, draw_params

from gradparity.check.cases import Case
from gradparity.check.run import check_run
from lstm_spec import load_backend
from lstm_spec.tree import leaves


def failures(params, batch):
    subject, reference = load_backend("numpy"), load_backend("jax")
    return [
        block
        for block in check_run(
            Case("extreme", "text", 1, 1, 1), params, batch, subject, reference.adjoints
        )
        if not block.ok
    ]


def test_five_thousand_steps():
    params = draw_params(hidden=6, vocab=5)
    batch = draw_batch(time=5000, batch=2, hidden=6, vocab=5, masked=False)
    assert [b.judgement.sentence() for b in failures(params, batch)] == []


def test_fifty_thousand_tokens():
    params = draw_params(hidden=5, vocab=50_000)
    batch = draw_batch(time=3, batch=2, hidden=5, vocab=50_000, masked=False)
    assert [b.judgement.sentence() for b in failures(params, batch)] == []


def test_a_vocabulary_of_one_has_gradients_through_cotangents_alone():
    params, batch = draw_params(vocab=1), draw_batch(vocab=1, masked=False)
    failed = failures(params, batch)
    assert {block.symbol for block in failed} == {"v", "W_v", "b_v", "loss"}
    assert all(block.judgement.status == "vacuous" for block in failed)
    assert all(block.judgement.max_abs_error == 0 for block in failed)


@pytest.mark.parametrize("saturated", [1e4, -1e4])
@pytest.mark.parametrize("gate", ["f", "i", "g", "o", "v"])
def test_saturation(gate, saturated):
    """Finite everywhere, the loss exact, and within 1e-9 of an adjoint's maximum over all steps."""
    params, batch = draw_params(), draw_batch()
    if gate == "v":
        b_v = params.b_v.copy()
        b_v[3] = saturated
        params = params._replace(b_v=b_v)
    else:
        bias = {f"b_{gate}": np.full(5, saturated)}
        params = params._replace(layers=(params.layers[0]._replace(**bias),))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        got = load_backend("numpy").adjoints(params, batch)
    expected = load_backend("jax").adjoints(params, batch)
    assert float(got.loss) == pytest.approx(float(expected.loss), rel=1e-14)
    reference = leaves(expected)
    for path, leaf in leaves(got).items():
        other = np.asarray(reference[path])
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf - other).max() <= 1e-9 * np.abs(other).max() + 1e-300, path
