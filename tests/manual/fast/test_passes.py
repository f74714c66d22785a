"""The fast pass works in blocks, segments and parts; however cut, it equals the literal one."""

import threading

import numpy as np
import pytest
from drawing import draw_batch, draw_params

import manual
from gradparity import compare
from lstm_spec import Batch, InputError, config_of
from lstm_spec.tree import leaves, tree_map
from manual import model
from manual.fast import blocks, products, threads
from manual.fast.products import ONE_HOT

TIME, BATCH, HIDDEN = 7, 3, 5
STEP = 4 * HIDDEN * BATCH * 8  # bytes that the gates of one step take


def drawn(layers=1, vocab=7, batch=BATCH, dtype="float64", **options):
    params = draw_params(layers=layers, vocab=vocab, hidden=HIDDEN, dtype=dtype)
    sizes = {"layers": layers, "vocab": vocab, "hidden": HIDDEN, "time": TIME, "batch": batch}
    return params, draw_batch(**sizes, dtype=dtype, **options)


def require_equal_to_literal(params, batch, workspace, rtol=1e-9):
    expected = model.loss_and_grads(params, batch)
    for _ in range(2):  # a workspace that was used must not remember
        compare(manual.loss_and_grads(params, batch, workspace), expected, rtol=rtol)
        for found in (manual.loss(params, batch, workspace), model.loss(params, batch)):
            compare(found.loss, expected.loss, rtol=rtol)
            compare(found.final_state, expected.final_state, rtol=rtol)


def workspace_for(params, batch, keep_every=None):
    return manual.Workspace(config_of(params), *batch.tokens.shape, keep_every=keep_every)


@pytest.fixture(autouse=True, params=["columns", "pieces"])
def arrangement(request, monkeypatch):
    """Small models as they are, and as if they were large."""
    if request.param == "pieces":
        monkeypatch.setattr(products, "SMALL", 0)


@pytest.fixture
def parts(monkeypatch):
    """Cut every batch into this many parts, each on a thread of its own."""

    def cut(number):
        monkeypatch.setattr(threads, "blas_threads", lambda: number)
        monkeypatch.setattr(threads, "NARROWEST", 1)
        monkeypatch.setattr(threads, "ENOUGH", 1)

    return cut


@pytest.mark.parametrize("vocab", [7, ONE_HOT, ONE_HOT + 1, 47, 48])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("length", [1, 2, 3, 4, TIME])
def test_blocks_of_any_length(monkeypatch, length, layers, vocab):
    monkeypatch.setattr(blocks, "CACHE", length * STEP)
    params, batch = drawn(layers, vocab)
    workspace = workspace_for(params, batch)
    assert workspace.parts.tapes[0].layers[0].block <= length
    require_equal_to_literal(params, batch, workspace)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("rows", [1, 2 * BATCH, 4 * BATCH])
def test_sums_over_some_steps_at_a_time(monkeypatch, rows, layers):
    """Several products for each gradient by weights, and the loss in as many parts."""
    monkeypatch.setattr(blocks, "CACHE", STEP)
    monkeypatch.setattr(blocks, "WIDE", rows)
    monkeypatch.setattr(blocks, "has_small_kernels", lambda: False)
    params, batch = drawn(layers)
    workspace = workspace_for(params, batch)
    assert workspace.parts.tapes[0].layers[0].wide == max(1, rows // BATCH)
    require_equal_to_literal(params, batch, workspace)


@pytest.mark.parametrize("vocab", [7, 60])
@pytest.mark.parametrize("keep_every", [None, 3])
def test_complex_step(parts, vocab, keep_every):
    """Im f(p + iεd)/ε of this forward pass is what the backward pass says of d."""
    parts(2)
    params, batch = drawn(2, vocab)
    batch = Batch(batch.tokens, batch.targets, batch.mask)
    rng, step = np.random.default_rng(3), 1e-30
    direction = tree_map(lambda leaf: rng.standard_normal(leaf.shape), params)
    moved = tree_map(lambda leaf, d: leaf + 1j * step * d, params, direction)
    found = manual.loss(moved, batch, workspace_for(moved, batch, keep_every)).loss.imag / step
    grads = leaves(manual.loss_and_grads(params, batch).grads)
    expected = sum((grads[path] * d).sum() for path, d in leaves(direction).items())
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("vocab", [7, 60])
def test_logits_of_very_different_sizes(vocab):
    """Rows thousands of nats apart in one block: each has a largest logit of its own."""
    params, batch = drawn(vocab=vocab)
    h = np.linspace(-1, 1, HIDDEN)
    params = params._replace(W_v=params.W_v + 1e4 * h, b_v=params.b_v + np.arange(vocab))
    require_equal_to_literal(params, batch, workspace_for(params, batch))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("keep_every", [1, 2, 3, 4, TIME - 1, TIME, TIME + 1])
def test_states_kept_now_and_then(monkeypatch, keep_every, layers):
    """Segments that divide the sequence and that leave a rest, in blocks of two steps."""
    monkeypatch.setattr(blocks, "CACHE", 2 * STEP)
    params, batch = drawn(layers)
    workspace = workspace_for(params, batch, keep_every)
    assert len(workspace.parts.tapes[0].segments) == -(-TIME // keep_every)
    assert len(workspace.parts.tapes[0].layers[0].h) == min(keep_every, TIME)
    require_equal_to_literal(params, batch, workspace)


@pytest.mark.parametrize("field", ["mask", "initial_state", "cotangents", "dropout"])
@pytest.mark.parametrize("keep_every", [None, 3])
def test_without_one_of_what_is_optional(parts, field, keep_every):
    parts(2)
    params, batch = drawn(2)
    batch = batch._replace(**{field: None})
    require_equal_to_literal(params, batch, workspace_for(params, batch, keep_every))


@pytest.mark.parametrize("field", ["h", "last_h", "last_C"])
def test_one_cotangent_alone_in_parts_and_segments(parts, field):
    parts(2)
    params, batch = drawn(2)
    alone = type(batch.cotangents)(**{field: getattr(batch.cotangents, field)})
    batch = batch._replace(cotangents=alone)
    require_equal_to_literal(params, batch, workspace_for(params, batch, 3))


@pytest.mark.parametrize("vocab", [7, ONE_HOT + 1])
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("keep_every", [None, 3])
def test_parts_on_threads(parts, number, keep_every, vocab):
    """Parts of unequal width; every one of them counts in every gradient."""
    parts(number)
    params, batch = drawn(2, vocab, batch=5)
    workspace = workspace_for(params, batch, keep_every)
    assert [tape.columns.stop for tape in workspace.parts.tapes][-1] == 5
    assert len(workspace.parts.tapes) == number
    require_equal_to_literal(params, batch, workspace)


def test_as_many_parts_as_pay(monkeypatch):
    monkeypatch.setattr(threads, "NARROWEST", 10)
    monkeypatch.setattr(threads, "ENOUGH", 4 * 8 * 8 * 10)
    assert threads.parts(8, 40, 4) == [slice(0, 10), slice(10, 20), slice(20, 30), slice(30, 40)]
    assert threads.parts(8, 39, 4) == [slice(0, 13), slice(13, 26), slice(26, 39)]
    assert threads.parts(6, 40, 4) == [slice(0, 20), slice(20, 40)]
    assert threads.parts(5, 40, 4) == [slice(0, 40)]
    assert threads.parts(20, 39, 4) == [slice(0, 13), slice(13, 26), slice(26, 39)]
    assert threads.parts(8, 9, 4) == [slice(0, 9)]
    assert threads.parts(8, 1, 4) == [slice(0, 1)]
    monkeypatch.setattr(threads, "NARROWEST", 5)
    assert threads.parts(8, 39, 4) == [slice(0, 13), slice(13, 26), slice(26, 39)]
    assert threads.parts(1000, 1000, 1) == [slice(0, 1000)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [1, 2])
def test_the_same_bits_every_time(parts, dtype, number):
    parts(number)
    params = draw_params(hidden=64, vocab=65, dtype=dtype)
    batch = draw_batch(hidden=64, vocab=65, time=9, batch=50, dtype=dtype)
    workspaces = [workspace_for(params, batch) for _ in range(2)]
    first, *others = (
        leaves(manual.loss_and_grads(params, batch, w)) for w in [*workspaces, *workspaces] * 3
    )
    for other in others:
        assert all(np.array_equal(first[path], other[path]) for path in first)


def test_passes_at_the_same_time_leave_blas_as_it_was(parts):
    """Each has a workspace of its own; the number of BLAS threads is the process's."""
    before = [library["num_threads"] for library in threads._blas().info()]
    parts(2)
    params, batch = drawn(1, batch=6)
    expected = model.loss_and_grads(params, batch)
    failed = []

    def many_passes():
        workspace = workspace_for(params, batch)
        for _ in range(20):
            try:
                compare(manual.loss_and_grads(params, batch, workspace), expected)
            except Exception as error:
                failed.append(error)

    running = [threading.Thread(target=many_passes) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failed == []
    assert [library["num_threads"] for library in threads._blas().info()] == before


def test_while_a_pass_runs_blas_has_its_share():
    during = []

    def look():
        during.append([library["num_threads"] for library in threads._blas().info()])
        return threads.blas_threads()

    available = threads.blas_threads()
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        assert threads.run([look, look], pool) == [available, available]
    assert all(number == max(1, available // 2) for numbers in during for number in numbers)


def test_a_task_that_fails_is_heard_of_when_all_are_done(parts):
    from concurrent.futures import ThreadPoolExecutor

    done = []

    def slow():
        threading.Event().wait(0.05)
        done.append(True)

    def broken():
        raise ValueError("broken")

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="broken"):
            threads.run([broken, slow], pool)
        assert done == [True]
        with pytest.raises(ValueError, match="broken"):
            threads.run([slow, broken], pool)


def test_what_numpy_does_on_overflow_holds_in_every_part(parts):
    """As the trainer asks for, so that a run that diverges is reported and not a crash."""
    parts(2)
    params, batch = drawn()
    huge = params._replace(b_v=np.full(7, 1e308), W_v=np.full((7, HIDDEN), 1e308))
    bare = Batch(batch.tokens, batch.targets)
    with np.errstate(all="ignore"):
        manual.loss_and_grads(huge, bare)  # a warning would be an error in these tests


@pytest.mark.parametrize("keep_every", [0, -1])
def test_an_interval_that_is_none(keep_every):
    params, batch = drawn()
    with pytest.raises(InputError, match=f"keep_every: got {keep_every}, expected 1 or more"):
        workspace_for(params, batch, keep_every)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_size_of_a_real_training_step(dtype):
    """Several blocks under the cache limit as it is."""
    params = draw_params(layers=2, hidden=128, vocab=65, dtype=dtype)
    batch = draw_batch(layers=2, hidden=128, vocab=65, time=15, batch=50, dtype=dtype)
    rtol = 1e-9 if dtype == "float64" else 1e-4
    found, expected = (m.loss_and_grads(params, batch) for m in (manual, model))
    compare(found, expected, rtol=rtol)
    assert np.isfinite(found.loss)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_step_for_sampling_equals_the_literal_one(layers, dtype):
    params, batch = drawn(layers, vocab=300)
    tokens = np.array([255, 3, 250]).astype(dtype)
    for state in (None, batch.initial_state):
        compare(manual.step(params, tokens, state), model.step(params, tokens, state))
