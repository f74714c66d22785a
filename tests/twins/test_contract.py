"""What `lstm_spec.Backend` promises, for every backend alike."""

import inspect

import numpy as np
import pytest
from drawing import draw_batch, draw_layers, draw_params

from gradparity import compare
from lstm_spec import BACKENDS, Batch, Cotangents, InputError, State, config_of, load_backend
from lstm_spec.tree import leaves, tree_map

OTHERS = [name for name in BACKENDS if name != "numpy"]


@pytest.fixture(params=OTHERS)
def pair(request):
    """The NumPy backend and another, which must do the same."""
    return load_backend("numpy"), load_backend(request.param)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint32, np.int64])
def test_tokens_of_any_integer_type(pair, dtype):
    """A vocabulary wider than the type: comparisons must not wrap."""
    params, batch = draw_params(vocab=300), draw_batch(vocab=120)
    typed = batch._replace(tokens=batch.tokens.astype(dtype), targets=batch.targets.astype(dtype))
    expected = load_backend("numpy").loss_and_grads(params, batch)
    for backend in pair:
        compare(backend.loss_and_grads(params, typed), expected)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.float32, np.float64])
def test_masks_of_any_type_leave_the_dtype_alone(pair, dtype):
    params = draw_params(dtype="float32")
    batch = draw_batch(dtype="float32")
    batch = batch._replace(mask=batch.mask.astype(dtype))
    for backend in pair:
        result = backend.loss_and_grads(params, batch)
        assert {leaf.dtype.name for leaf in leaves(result).values()} == {"float32"}


def without(batch, column):
    """A batch with one sequence less."""
    return tree_map(lambda leaf: np.delete(leaf, column, axis=-1), batch)


def with_one_masked(batch, column):
    """A sequence masked at every step, and with no cotangents, which no mask leaves out."""
    masked = batch._replace(mask=batch.mask.copy(), cotangents=tree_map(np.copy, batch.cotangents))
    masked.mask[:, column] = False
    for leaf in masked.cotangents:
        leaf[..., column] = 0
    return masked


def calls_of(backend):
    """`loss_and_grads` in every arrangement that a backend has."""
    yield backend.loss_and_grads
    if hasattr(backend, "Workspace"):
        for keep in (None, 2):
            yield lambda p, b, k=keep: backend.loss_and_grads(p, b, workspace_of(backend, p, b, k))
    if "keep_every" in inspect.signature(backend.loss_and_grads).parameters:
        yield lambda params, batch: backend.loss_and_grads(params, batch, keep_every=2)


def workspace_of(backend, params, batch, keep_every):
    return backend.Workspace(config_of(params), *batch.tokens.shape, keep_every)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize(("vocab", "column", "cotangents"), [(7, 0, True), (60, 2, False)])
def test_a_sequence_that_is_masked_throughout_counts_for_nothing(name, vocab, column, cotangents):
    params, batch = draw_params(layers=2, vocab=vocab), draw_batch(layers=2, vocab=vocab)
    masked, rest = with_one_masked(batch, column), without(batch, column)
    if not cotangents:
        masked, rest = masked._replace(cotangents=None), rest._replace(cotangents=None)
    backend = load_backend(name)
    expected = backend.loss_and_grads(params, rest)
    compare(backend.loss(params, masked).loss, expected.loss)
    for call in calls_of(backend):
        found = call(params, masked)
        compare((found.loss, found.grads), (expected.loss, expected.grads))
        compare(without(found.initial_state_grads, column), expected.initial_state_grads)
        assert not any(np.asarray(leaf)[..., column].any() for leaf in found.initial_state_grads)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_batch_that_counts_nothing_is_refused(name):
    params, batch, backend = draw_params(), draw_batch(), load_backend(name)
    nothing = batch._replace(mask=np.zeros_like(batch.mask))
    for function in (backend.loss, backend.loss_and_grads, backend.adjoints):
        with pytest.raises(InputError, match="every position is masked, expected at least one"):
            function(params, nothing)


def test_no_cotangents_pull_nothing_back(pair):
    layers, x = draw_layers(), np.ones((4, 6, 3))
    for backend in pair:
        result = backend.vjp(layers, x, None, Cotangents())
        assert not any(np.asarray(leaf).any() for leaf in leaves(result.layers).values())
        with pytest.raises(InputError, match="cotangents: got None, expected Cotangents"):
            backend.vjp(layers, x, None, None)


def test_arguments_by_name(pair):
    params, batch = draw_params(), draw_batch()
    for backend in pair:
        compare(backend.loss(params=params, batch=batch).loss, backend.loss(params, batch).loss)
        backend.step(params=params, tokens=batch.tokens[0], state=None)


def test_a_step_without_a_state_starts_from_zero(pair):
    params, batch = draw_params(layers=2), draw_batch(layers=2)
    zero = State(np.zeros((2, 5, 3)), np.zeros((2, 5, 3)))
    for backend in pair:
        compare(backend.step(params, batch.tokens[0]), backend.step(params, batch.tokens[0], zero))


def test_arrays_in_any_memory_order(pair):
    params, batch = draw_params(layers=2), draw_batch(layers=2)
    expected = load_backend("numpy").loss_and_grads(params, batch)
    fortran = tree_map(np.asfortranarray, (params, batch))
    strided = tree_map(lambda leaf: np.repeat(leaf, 2, axis=0)[::2], (params, batch))
    for backend in pair:
        compare(backend.loss_and_grads(*fortran), expected)
        compare(backend.loss_and_grads(*strided), expected)


PARAMS, BATCH = draw_params(), draw_batch()
REFUSED = {
    "params as a dict": (({"W_v": PARAMS.W_v}, BATCH), "params: got dict, expected Params"),
    "list of tokens": (
        (PARAMS, BATCH._replace(tokens=[[0]])),
        "tokens: got list, expected an array",
    ),
    "list as mask": ((PARAMS, BATCH._replace(mask=[[True]])), "mask: got list, expected an array"),
    "complex mask": ((PARAMS, BATCH._replace(mask=BATCH.mask * 1j)), "mask: got complex128"),
    "state as a tuple": (
        (PARAMS, BATCH._replace(initial_state=tuple(BATCH.initial_state))),
        "initial_state: got tuple, expected State",
    ),
    "half a state": (
        (PARAMS, BATCH._replace(initial_state=State(BATCH.initial_state.h, None))),
        "initial_state.C: got NoneType, expected an array",
    ),
    "lists in the state": (
        (PARAMS, BATCH._replace(initial_state=State(*(s.tolist() for s in BATCH.initial_state)))),
        "initial_state.h: got list, expected an array",
    ),
    "cotangents as a tuple": (
        (PARAMS, BATCH._replace(cotangents=tuple(BATCH.cotangents))),
        "cotangents: got tuple, expected Cotangents",
    ),
    "complex parameters": (
        (tree_map(lambda leaf: leaf + 0j, PARAMS), Batch(BATCH.tokens, BATCH.targets)),
        "W_v: got dtype complex128, expected float32 or float64",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_both_refuse_the_same_in_the_same_words(pair, what):
    arguments, message = REFUSED[what]
    for backend in pair:
        with pytest.raises(InputError, match=message):
            backend.loss_and_grads(*arguments)
