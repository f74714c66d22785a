"""The gradients by hand against those by autodiff: every leaf, every adjoint, every step."""

from functools import cache

import numpy as np
import pytest
from drawing import draw_batch, draw_layers, draw_params
from hypothesis import given
from hypothesis import strategies as st

from gradparity import compare
from gradparity.check.cases import CASES, FLOAT32_CASES, Case, Text
from gradparity.check.run import check_case, check_run
from gradparity.check.single import check_single
from lstm_spec import Batch, LayerAdjoints, LayerParams, load_backend
from lstm_spec.corpus import interpreter_text

SYMBOLS = (*LayerAdjoints._fields, "v")
LEAVES = (*LayerParams._fields, "W_v", "b_v", "initial_state.h", "initial_state.C")


@cache
def text() -> Text:
    return Text.of(interpreter_text())


@cache
def blocks_of(case: Case):
    subject, reference = load_backend("numpy"), load_backend("jax")
    return check_case(case, text(), subject, reference.adjoints, seed=100)


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gradient(case, leaf):
    blocks = [b for b in blocks_of(case) if b.kind == "gradient" and b.symbol == leaf]
    in_layers = 1 if leaf in ("W_v", "b_v") else case.layers
    parts = 2 if leaf.startswith("W_") and leaf != "W_v" else 1
    assert len(blocks) == in_layers * parts
    assert [b.judgement.sentence() for b in blocks if not b.ok] == []


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_adjoint_at_every_time_step(case, symbol):
    blocks = [b for b in blocks_of(case) if b.kind == "adjoint" and b.symbol == symbol]
    assert {b.time for b in blocks} == set(range(case.time))
    assert [b.judgement.sentence() for b in blocks if not b.ok] == []


@pytest.mark.parametrize("case", FLOAT32_CASES, ids=lambda case: case.name)
def test_float32_is_as_accurate_as_autodiff_in_float32(case):
    subject, reference = load_backend("numpy"), load_backend("jax")
    found = check_single(case, text(), subject, reference.adjoints, seed=100)
    assert [f for f in found if f.ratio > 1] == []


# A compilation takes a second, so shapes come from a grid; 1 occurs in every dimension.
SHAPES = (
    {"layers": 1, "time": 1, "batch": 2, "hidden": 3, "vocab": 4},
    {"layers": 1, "time": 3, "batch": 1, "hidden": 4, "vocab": 5},
    {"layers": 2, "time": 4, "batch": 3, "hidden": 1, "vocab": 3},
    {"layers": 2, "time": 3, "batch": 2, "hidden": 5, "vocab": 1},
    {"layers": 3, "time": 5, "batch": 2, "hidden": 4, "vocab": 6},
)


@given(
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 2**32 - 1),
    gain=st.sampled_from([0.1, 0.5, 1.0]),
    repeated=st.booleans(),
    masked=st.booleans(),
    cotangents=st.booleans(),
)
def test_drawn_values(shape, seed, gain, repeated, masked, cotangents):
    sizes = {key: shape[key] for key in ("layers", "hidden", "vocab")}
    params = draw_params(**sizes, seed=seed, gain=gain)
    batch = draw_batch(**shape, seed=seed)
    batch = batch._replace(mask=batch.mask if masked else np.ones_like(batch.mask))
    if repeated:
        batch = batch._replace(tokens=np.zeros_like(batch.tokens))
    if not cotangents and shape["vocab"] > 1:
        zero = type(batch.cotangents)(*(np.zeros_like(c) for c in batch.cotangents))
        batch = batch._replace(cotangents=zero)
    subject, reference = load_backend("numpy"), load_backend("jax")
    blocks = check_run(
        Case("drawn", "text", 1, 1, 1), params, batch, subject, reference.adjoints, seed
    )
    failed = [b for b in blocks if not b.ok and not _declared_zero(b, shape, batch, masked)]
    assert [b.judgement.sentence() for b in failed] == []


def _declared_zero(block, shape, batch, masked):
    """Blocks that are zero by the mathematics of the drawn case, and exactly so on both sides."""
    if block.judgement.status != "vacuous" or block.judgement.max_abs_error != 0:
        return False
    if shape["vocab"] == 1:  # the loss is constant: dv = 0, and with it dW_v, db_v
        return block.symbol in ("v", "W_v", "b_v", "loss")
    padding = masked and not batch.mask[block.time or 0].any()
    return padding and block.symbol == "v"


@pytest.mark.parametrize("layers", [1, 2])
def test_vjp_of_the_layers(layers):
    batch = draw_batch(layers=layers)
    x = np.random.default_rng(3).standard_normal((4, 6, 3))
    arguments = (draw_layers(layers=layers), x, batch.initial_state, batch.cotangents)
    compare(load_backend("numpy").vjp(*arguments), load_backend("jax").vjp(*arguments))


@pytest.mark.parametrize("layers", [1, 2])
def test_vjp_is_what_the_model_does_below_its_readout(layers):
    """One-hot inputs and the readout's gradient as a cotangent give the model's gradients."""
    numpy = load_backend("numpy")
    params, batch = draw_params(layers=layers), draw_batch(layers=layers, dropout=False)
    whole = numpy.adjoints(params, batch)
    x = np.eye(7)[batch.tokens].transpose(0, 2, 1)
    on_h = batch.cotangents.h.copy()
    on_h[-1] += np.einsum("vh,tvb->thb", params.W_v, whole.adjoints.v)
    cotangents = batch.cotangents._replace(h=on_h)
    alone = numpy.vjp(params.layers, x, batch.initial_state, cotangents)
    compare(alone.layers, whole.grads.layers)
    compare(alone.initial_state, whole.initial_state_grads)
    compare(alone.final_state, whole.final_state)
    compare(alone.inputs, whole.adjoints.layers[0].z[:, 5:])


def test_loss_step_and_objective_agree():
    numpy, jax = load_backend("numpy"), load_backend("jax")
    params, batch = draw_params(layers=2), draw_batch(layers=2)
    compare(numpy.loss(params, batch), jax.loss(params, batch))
    compare(np.asarray(numpy.objective(params, batch)), jax.objective(params, batch))
    arguments = params, batch.tokens[0], batch.initial_state
    compare(numpy.step(*arguments), jax.step(*arguments))
    without = batch._replace(dropout=None)
    compare(numpy.loss(params, without), jax.loss(params, without))


@pytest.mark.parametrize("name", ["numpy", "jax", "jax-manual"])
def test_chained_windows_equal_one_long_one(name):
    """The final state carries on, and its gradient flows back through the window before."""
    backend = load_backend(name)
    params, whole = draw_params(layers=2), draw_batch(layers=2, time=6, masked=False, dropout=False)
    first, second = (_window(whole, s) for s in (slice(0, 3), slice(3, 6)))
    forward = backend.loss(params, first)
    b = backend.loss_and_grads(params, second._replace(initial_state=forward.final_state))
    # Each window's loss is a mean over its own tokens, half of the whole's.
    back = [2 * g for g in whole.cotangents[1:]]
    b = backend.loss_and_grads(
        params, _scaled(second._replace(initial_state=forward.final_state), *back)
    )
    a = backend.loss_and_grads(params, _scaled(first, *map(np.asarray, b.initial_state_grads)))
    together = backend.loss_and_grads(params, whole)
    halves = [(x + y) / 2 for x, y in zip(_flat(a.grads), _flat(b.grads), strict=True)]
    compare(halves, _flat(together.grads))
    compare(a.initial_state_grads.h / 2, np.asarray(together.initial_state_grads.h))
    compare(b.final_state, together.final_state)


def _window(batch: Batch, steps: slice) -> Batch:
    cotangents = batch.cotangents._replace(h=batch.cotangents.h[:, steps])
    return batch._replace(
        tokens=batch.tokens[steps], targets=batch.targets[steps], cotangents=cotangents
    )


def _scaled(batch: Batch, last_h, last_C) -> Batch:
    cotangents = type(batch.cotangents)(2 * batch.cotangents.h, last_h, last_C)
    return batch._replace(cotangents=cotangents)


def _flat(params):
    return [np.asarray(leaf) for layer in params.layers for leaf in layer] + [
        np.asarray(params.W_v),
        np.asarray(params.b_v),
    ]


def test_ten_optimiser_steps_follow_one_trajectory():
    numpy, jax = load_backend("numpy"), load_backend("jax")
    params = {name: draw_params(layers=2, hidden=8) for name in ("numpy", "jax")}
    losses = {"numpy": [], "jax": []}
    for step in range(10):
        batch = draw_batch(layers=2, hidden=8, seed=step)._replace(cotangents=None)
        for name, backend in (("numpy", numpy), ("jax", jax)):
            result = backend.loss_and_grads(params[name], batch)
            losses[name].append(float(result.loss))
            params[name] = _descend(params[name], result.grads)
    compare(np.array(losses["numpy"]), np.array(losses["jax"]))
    compare(params["numpy"], params["jax"])
    assert losses["numpy"][-1] != losses["numpy"][0]


def _descend(params, grads, rate=0.5):
    from lstm_spec.tree import tree_map

    return tree_map(lambda p, g: np.asarray(p - rate * g), params, grads)


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("module", ["manual", "manual.model"])
def test_numpy_takes_jax_arrays(monkeypatch, module, processes):
    """Operations in place on a NumPy array give way to a JAX array beside it."""
    import importlib

    import jax

    import manual
    from lstm_spec import config_of
    from manual.fast import threads

    for name, value in (("NARROW", 1), ("ENOUGH_PASS", 1), ("blas_threads", lambda: 2)):
        monkeypatch.setattr(threads, name, value)
    params, batch = draw_params(layers=2), draw_batch(layers=2)
    assert not any(part is None for part in batch)
    expected = load_backend("jax").loss_and_grads(params, batch)
    workspace = manual.Workspace(config_of(params), *batch.tokens.shape, processes=processes)
    subject = importlib.import_module(module)
    arrays = jax.tree.map(jax.numpy.asarray, (params, batch))
    compare(subject.loss_and_grads(*arrays, workspace), expected)
