"""The NumPy implementation with NumPy alone: complex steps, stored references, extremes."""

from pathlib import Path

import numpy as np
import pytest
from drawing import draw_batch, draw_layers, draw_params

import manual
from gradparity import compare
from lstm_spec import Batch, Cotangents, InputError, State, config_of
from lstm_spec.tree import leaves, tree_map
from manual import model

REFERENCES = Path(__file__).with_name("references.npz")
SIZES = {
    "one layer": {"layers": 1, "time": 4, "batch": 3, "hidden": 5, "vocab": 7},
    "three layers": {"layers": 3, "time": 5, "batch": 2, "hidden": 4, "vocab": 6},
    "all ones": {"layers": 1, "time": 1, "batch": 1, "hidden": 1, "vocab": 2},
}


def drawn(name):
    sizes = SIZES[name]
    model = {key: sizes[key] for key in ("layers", "hidden", "vocab")}
    return draw_params(**model, seed=5), draw_batch(**sizes, seed=5)


def references(name):
    with np.load(REFERENCES) as stored:
        prefix = f"{name}/"
        return {k.removeprefix(prefix): stored[k] for k in stored if k.startswith(prefix)}


@pytest.mark.parametrize("name", SIZES)
def test_stored_references(name):
    """What autodiff gave when the references were made (scripts/make_references.py)."""
    params, batch = drawn(name)
    found = leaves(manual.adjoints(params, batch))
    compare({path: np.asarray(leaf) for path, leaf in found.items()}, references(name))


def drawn_vjp(layers=3):
    """Arguments of `vjp`: dense inputs, a state and cotangents."""
    batch, x = draw_batch(layers=layers), np.random.default_rng(0).standard_normal((4, 6, 3))
    return draw_layers(layers=layers), x, batch.initial_state, batch.cotangents


def test_stored_reference_of_the_layers_alone():
    compare(leaves(manual.vjp(*drawn_vjp())), references("vjp"))


def test_the_layers_alone_refuse_what_does_not_fit():
    layers, x, state, cotangents = drawn_vjp()
    with pytest.raises(InputError, match=r"initial_state\.h: got shape \(2, 5, 3\)"):
        manual.vjp(layers, x, State(state.h[1:], state.C), cotangents)
    with pytest.raises(InputError, match=r"cotangents\.last_C: got shape \(2, 5, 3\)"):
        manual.vjp(layers, x, state, cotangents._replace(last_C=cotangents.last_C[1:]))


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_complex_step(name, seed):
    """Im f(p + iεd) / ε is the derivative along d: no subtraction, so no cancellation."""
    params, batch = drawn(name)
    rng = np.random.default_rng(seed)
    result = manual.loss_and_grads(params, batch)
    grads = leaves(result.grads) | leaves(result.initial_state_grads, "initial_state")
    values = leaves(params) | leaves(batch.initial_state, "initial_state")
    for path, value in values.items():
        direction = rng.standard_normal(value.shape)
        derivative = _along(params, batch, path, direction)
        terms = np.abs(grads[path] * direction).sum()
        assert abs(derivative - (grads[path] * direction).sum()) <= 1e-12 * terms, path


def _along(params, batch, path, direction, step=1e-30):
    complex_params = tree_map(lambda leaf: leaf.astype(complex), params)
    state = tree_map(lambda leaf: leaf.astype(complex), batch.initial_state)
    stepped = leaves(complex_params) | leaves(state, "initial_state")
    stepped[path] += 1j * step * direction  # in place: the trees hold these arrays
    cotangents = tree_map(lambda leaf: leaf.astype(complex), batch.cotangents)
    dropout = None if batch.dropout is None else batch.dropout.astype(complex)
    moved = batch._replace(initial_state=state, cotangents=cotangents, dropout=dropout)
    return manual.objective(complex_params, moved).imag / step


def test_defaults_are_zeros_and_ones():
    params, full = drawn("three layers")
    bare = Batch(full.tokens, full.targets)
    zero, shape = np.zeros((3, 4, 2)), full.cotangents.h.shape
    explicit = Batch(
        full.tokens,
        full.targets,
        np.ones(full.tokens.shape, bool),
        State(zero, zero),
        Cotangents(np.zeros(shape), zero, zero),
        np.ones((2, *shape[1:])),
    )
    compare(manual.loss_and_grads(params, bare), manual.loss_and_grads(params, explicit))
    assert manual.objective(params, bare) == manual.loss(params, bare).loss


@pytest.mark.parametrize("field", ["h", "last_h", "last_C"])
def test_one_cotangent_alone_into_the_layers(field):
    layers, x, state, full = drawn_vjp()
    alone = Cotangents(**{field: getattr(full, field)})
    explicit = Cotangents(
        *(np.zeros_like(f) if a is None else a for a, f in zip(alone, full, strict=True))
    )
    compare(manual.vjp(layers, x, state, alone), manual.vjp(layers, x, state, explicit))


@pytest.mark.parametrize("field", ["h", "last_h", "last_C"])
def test_one_cotangent_alone(field):
    params, full = drawn("one layer")
    zero = Cotangents(*(np.zeros_like(c) for c in full.cotangents))
    given = getattr(full.cotangents, field)
    alone = full._replace(cotangents=Cotangents(**{field: given}))
    explicit = full._replace(cotangents=zero._replace(**{field: given}))
    compare(manual.loss_and_grads(params, alone), manual.loss_and_grads(params, explicit))
    assert manual.objective(params, alone) == pytest.approx(manual.objective(params, explicit))


def test_masked_positions_reach_neither_loss_nor_gradients():
    params, batch = drawn("one layer")
    batch = batch._replace(cotangents=None)
    changed = batch._replace(
        targets=np.where(batch.mask, batch.targets, (batch.targets + 1) % 7),
        tokens=np.where(batch.mask, batch.tokens, (batch.tokens + 1) % 7),
    )
    assert not np.array_equal(changed.tokens, batch.tokens)
    one, other = manual.loss_and_grads(params, batch), manual.loss_and_grads(params, changed)
    assert one.loss == other.loss
    compare(one.grads, other.grads, atol=1e-18)


def test_a_workspace_is_reused_without_a_trace():
    params, batch = drawn("three layers")
    work = manual.Workspace(config_of(params), 5, 2)
    for function in (manual.model.loss, manual.model.loss_and_grads, manual.adjoints):
        work.literal.v[...] = 0
        function(params, batch, work)
        assert work.literal.v.all()
    for function in (manual.loss, manual.loss_and_grads):
        work.parts.tapes[0].layers[2].steps.gates[:-1][...] = 0
        function(params, batch, work)
        assert work.parts.tapes[0].layers[2].steps.gates[:-1].all()
    first = manual.loss_and_grads(params, batch, work)
    kept = tree_map(np.copy, first)
    other = manual.loss_and_grads(draw_params(layers=3, hidden=4, vocab=6, seed=9), batch, work)
    again = manual.loss_and_grads(params, batch, work)
    for found in (again, first):  # results are the caller's own: the next pass left them alone
        pairs = zip(leaves(kept).values(), leaves(found).values(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
    assert float(other.loss) != float(first.loss)


def test_a_workspace_for_another_shape_is_refused():
    params, batch = drawn("three layers")
    work = manual.Workspace(config_of(params), 4, 2)
    with pytest.raises(InputError, match=r"workspace: made for .* 4, 2\), expected .* 5, 2\)"):
        manual.loss_and_grads(params, batch, work)


def test_arguments_are_left_alone():
    params, batch = drawn("three layers")
    before = tree_map(np.copy, (params, batch))
    manual.adjoints(params, batch)
    manual.objective(params, batch)
    after = zip(leaves(before).items(), leaves((params, batch)).values(), strict=True)
    assert all(np.array_equal(old, new) for (_, old), new in after)


def test_complex_parameters_have_a_loss_but_no_gradients():
    params, batch = drawn("one layer")
    params, batch = tree_map(
        lambda leaf: leaf.astype(complex) if leaf.dtype == float else leaf, (params, batch)
    )
    params = params._replace(b_v=params.b_v + 1e-3j * np.arange(len(params.b_v)))
    assert manual.loss(params, batch).loss.imag != 0
    compare(manual.loss(params, batch), model.loss(params, batch))
    for function in (manual.loss_and_grads, manual.adjoints):
        with pytest.raises(InputError, match="W_v: got dtype complex128, expected float32 or"):
            function(params, batch)


def test_a_step_wants_an_array():
    params, _ = drawn("one layer")
    for step in (manual.step, model.step):
        with pytest.raises(InputError, match=r"^tokens: got list, expected an array"):
            step(params, [1, 2])


def test_a_step_wants_a_state_that_fits():
    params, batch = drawn("one layer")
    state = batch.initial_state._replace(C=batch.initial_state.C[:, :-1])
    for step in (manual.step, model.step):
        with pytest.raises(InputError, match=r"initial_state\.C: got shape \(1, 4, 3\), expected"):
            step(params, batch.tokens[0], state)


def test_steps_one_by_one_are_the_sequence():
    params, batch = drawn("three layers")
    bare = Batch(batch.tokens, batch.targets, None, batch.initial_state)
    state, logits = batch.initial_state, []
    for tokens in batch.tokens:
        v, state = manual.step(params, tokens, state)
        logits.append(v)
    logits = np.stack(logits)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    nats = -np.take_along_axis(log_y, batch.targets[:, None], axis=1).mean()
    result = manual.loss(params, bare)
    assert result.loss == pytest.approx(nats, rel=1e-14)
    compare(result.final_state, state)


def test_vjp_without_a_state_starts_from_zero():
    layers, x, _, cotangents = drawn_vjp()
    zero = State(np.zeros((3, 5, 3)), np.zeros((3, 5, 3)))
    compare(manual.vjp(layers, x, None, cotangents), manual.vjp(layers, x, zero, cotangents))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_follows_the_parameters(dtype):
    params, batch = draw_params(layers=2, dtype=dtype), draw_batch(layers=2, dtype=dtype)
    result = manual.adjoints(params, batch)
    assert {leaf.dtype.name for leaf in leaves(result).values()} == {dtype}


@pytest.mark.parametrize("value", [1e4, -1e4, 0.0, 700.0, -700.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_neither_overflows_nor_warns(value, dtype):
    from manual.activations import sigmoid

    with np.errstate(all="raise"):
        result = sigmoid(np.array([value], dtype))
    exact = 0.5 if value == 0 else float(value > 0)
    assert result.dtype == dtype
    assert result[0] == pytest.approx(exact, abs=1e-15)


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_loss_is_exact_at_huge_logits(shift):
    """Logits (s, 0, 0): the loss of the first is log(1 + 2 exp(−s)), of the second s more."""
    params = tree_map(np.zeros_like, draw_params(vocab=3))
    params = params._replace(b_v=np.array([shift, 0.0, 0.0]))
    for target, exact in ((0, max(0.0, -shift + np.log(2))), (1, max(np.log(2), shift))):
        batch = Batch(np.zeros((2, 1), int), np.full((2, 1), target))
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            result = manual.loss_and_grads(params, batch)
        assert result.loss == pytest.approx(exact, rel=1e-15)
        assert all(np.isfinite(leaf).all() for leaf in leaves(result.grads).values())


def test_sequences_of_very_different_logits_do_not_touch_each_other():
    from manual.activations import log_sum_exp

    v = np.array([[1e4, -1e4], [1e4, -1e4]])
    assert log_sum_exp(v) == pytest.approx([1e4 + np.log(2), -1e4 + np.log(2)], rel=1e-15)
