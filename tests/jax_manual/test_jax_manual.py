"""The backward pass by hand in JAX, held to autodiff and to the one in NumPy."""

from functools import cache

import jax
import numpy as np
import pytest
from drawing import draw_batch, draw_params

from gradparity import compare
from gradparity.check.cases import CASES, FLOAT32_CASES, Text
from gradparity.check.run import check_case
from gradparity.check.single import check_single
from jax_manual import sequence
from lstm_spec import Batch, InputError, LayerAdjoints, LayerParams, load_backend
from lstm_spec.corpus import interpreter_text
from lstm_spec.tree import leaves

SYMBOLS = {*LayerAdjoints._fields, "v"}
LEAVES = {*LayerParams._fields, "W_v", "b_v", "initial_state.h", "initial_state.C"}
CHECKED = [case for case in CASES if case.name not in ("aⁿbⁿ", "text, training size")]


@cache
def text() -> Text:
    return Text.of(interpreter_text())


@cache
def blocks_of(case, reference):
    subject = load_backend("jax-manual")
    return check_case(case, text(), subject, load_backend(reference).adjoints, seed=100)


@pytest.mark.parametrize("reference", ["jax", "numpy-literal"])
@pytest.mark.parametrize("case", CHECKED, ids=lambda case: case.name)
def test_every_gradient_and_every_adjoint_at_every_step(case, reference):
    blocks = blocks_of(case, reference)
    assert {b.symbol for b in blocks if b.kind == "gradient"} == LEAVES
    adjoints = {(b.symbol, b.time) for b in blocks if b.kind == "adjoint"}
    assert adjoints == {(symbol, t) for symbol in SYMBOLS for t in range(case.time)}
    assert [b.judgement.sentence() for b in blocks if not b.ok] == []


@pytest.mark.parametrize("case", FLOAT32_CASES, ids=lambda case: case.name)
def test_float32_is_as_accurate_as_autodiff_in_float32(case):
    subject, reference = load_backend("jax-manual"), load_backend("jax")
    found = check_single(case, text(), subject, reference.adjoints, seed=100)
    assert [f for f in found if f.ratio > 1] == []


@pytest.mark.parametrize(
    "vocab", [sequence.FEW, sequence.FEW + 1, sequence.ONE_HOT, sequence.ONE_HOT + 1]
)
def test_vocabularies_multiplied_and_added_up_by_token(vocab):
    params, batch = draw_params(vocab=vocab), draw_batch(vocab=vocab, time=6)
    expected = load_backend("jax").loss_and_grads(params, batch)
    compare(load_backend("jax-manual").loss_and_grads(params, batch), expected)


@pytest.mark.parametrize("size", [0, 10**6])
@pytest.mark.parametrize("vocab", [sequence.FEW, sequence.FEW + 1])
def test_gates_in_four_arrays_and_in_one(monkeypatch, vocab, size):
    monkeypatch.setattr(sequence, "SMALL", size)
    jax.clear_caches()
    params, batch = draw_params(layers=2, vocab=vocab), draw_batch(layers=2, vocab=vocab)
    found = load_backend("jax-manual").adjoints(params, batch)
    jax.clear_caches()
    compare(found, load_backend("jax").adjoints(params, batch))


@pytest.mark.parametrize("keep_every", [1, 2, 3, 6, 7, 100])
@pytest.mark.parametrize("layers", [1, 2])
def test_states_kept_now_and_then_give_the_same_gradients(keep_every, layers):
    """Segments that divide the sequence, that leave a rest, and one longer than it."""
    params, batch = draw_params(layers=layers), draw_batch(layers=layers, time=6)
    backend = load_backend("jax-manual")
    found = backend.loss_and_grads(params, batch, keep_every=keep_every)
    compare(found, load_backend("jax").loss_and_grads(params, batch))


def test_states_kept_now_and_then_without_anything_optional():
    params, batch = draw_params(), draw_batch()
    bare, backend = Batch(batch.tokens, batch.targets), load_backend("jax-manual")
    compare(backend.loss_and_grads(params, bare, 3), backend.loss_and_grads(params, bare))


def test_an_interval_that_is_none():
    with pytest.raises(InputError, match="keep_every: got 0, expected 1 or more"):
        load_backend("jax-manual").loss_and_grads(draw_params(), draw_batch(), 0)


def test_autodiff_of_the_objective_runs_through_the_hand_written_rules():
    params, batch = draw_params(layers=2), draw_batch(layers=2)
    backend = load_backend("jax-manual")
    grads = jax.grad(backend.objective)(params, batch)
    compare(grads, load_backend("jax").loss_and_grads(params, batch).grads)


@pytest.mark.parametrize("name", ["run", "mean_nats"])
def test_the_gradients_are_the_hand_written_ones(monkeypatch, name):
    """Without its rule a function would be differentiated by JAX, and these tests would pass."""
    from jax_manual import readout

    module = {"run": sequence, "mean_nats": readout}[name]
    assert getattr(module, name).bwd is module._backward


def test_wrong_rules_are_noticed(monkeypatch):
    def dropped(residuals, cotangents):
        dh, dh_last, dC_last = cotangents
        return sequence._backward(residuals, (dh, dh_last, 0 * dC_last))

    wrong = jax.custom_vjp(sequence.run.fun)
    wrong.defvjp(sequence._forward, dropped)
    monkeypatch.setattr(sequence, "run", wrong)
    params, batch = draw_params(hidden=3), draw_batch(hidden=3)
    jax.clear_caches()
    found = load_backend("jax-manual").loss_and_grads(params, batch)
    jax.clear_caches()
    expected = leaves(load_backend("jax").loss_and_grads(params, batch).grads)
    got = leaves(found.grads)
    assert not np.allclose(got["layers.0.W_f"], expected["layers.0.W_f"])
    compare(got["W_v"], expected["W_v"])
