"""What a caller gets wrong is said in one clear sentence."""

import subprocess
import sys

import numpy as np
import pytest
from drawing import draw_batch, draw_layers, draw_params

from lstm_spec import (
    Batch,
    Config,
    InputError,
    LayerParams,
    Params,
    State,
    init_params,
    load_backend,
)
from lstm_spec.corpus import padded_batch, read_text

PARAMS, BATCH = draw_params(layers=2), draw_batch(layers=2)
BACKENDS = ("numpy", "jax", "jax-manual")


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


def layer(**leaves):
    return PARAMS._replace(layers=(PARAMS.layers[0], PARAMS.layers[1]._replace(**leaves)))


BAD_PARAMS = {
    "leaf shape": (
        layer(W_i=np.zeros((5, 9))),
        r"layers\.1\.W_i: got shape \(5, 9\), expected \(5, 10\)",
    ),
    "leaf dtype": (
        layer(b_g=np.zeros(5, np.float32)),
        r"layers\.1\.b_g: got dtype float32, expected float64",
    ),
    "not an array": (layer(b_g=[0] * 5), r"layers\.1\.b_g: got list, expected an array"),
    "missing": (layer(b_g=None), r"layers\.1\.b_g: got NoneType, expected an array"),
    "nan": (
        layer(W_o=changed(PARAMS.layers[1].W_o, (2, 3), np.nan)),
        r"layers\.1\.W_o: got nan at \(2, 3\), expected finite numbers",
    ),
    "infinity in the readout": (
        PARAMS._replace(b_v=changed(PARAMS.b_v, 4, np.inf)),
        r"b_v: got inf at \(4,\)",
    ),
    "integers": (
        PARAMS._replace(W_v=np.ones((7, 5), int)),
        r"W_v: got dtype int64, expected float32 or float64",
    ),
    "readout shape": (PARAMS._replace(W_v=np.ones(7)), r"W_v: got shape \(7,\), expected"),
    "no layers": (PARAMS._replace(layers=()), "layers: got none, expected at least one"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", BAD_PARAMS)
def test_parameters(what, backend):
    params, message = BAD_PARAMS[what]
    with pytest.raises(InputError, match=message):
        load_backend(backend).loss_and_grads(params, BATCH)


STATE = BATCH.initial_state
BAD_BATCHES = {
    "token too large": (
        BATCH._replace(tokens=changed(BATCH.tokens, (2, 1), 7)),
        "tokens: got token 7 at time 2, sequence 1, expected 0 to 6",
    ),
    "negative target": (
        BATCH._replace(targets=changed(BATCH.targets, (0, 2), -1)),
        "targets: got token -1 at time 0, sequence 2, expected 0 to 6",
    ),
    "float tokens": (
        BATCH._replace(tokens=BATCH.tokens * 1.0),
        "tokens: got float64, expected an integer array",
    ),
    "one dimension": (
        BATCH._replace(tokens=BATCH.tokens[0]),
        r"tokens: got shape \(3,\), expected \(time, batch\)",
    ),
    "empty": (
        Batch(np.zeros((0, 3), int), np.zeros((0, 3), int)),
        r"tokens: got shape \(0, 3\), expected at least one step and one sequence",
    ),
    "targets' shape": (
        BATCH._replace(targets=BATCH.targets[1:]),
        r"targets: got shape \(3, 3\), expected \(4, 3\) as in tokens",
    ),
    "all masked": (
        BATCH._replace(mask=np.zeros_like(BATCH.mask)),
        "mask: every position is masked, expected at least one that counts",
    ),
    "mask's shape": (
        BATCH._replace(mask=BATCH.mask[:, :2]),
        r"mask: got shape \(4, 2\), expected \(4, 3\)",
    ),
    "mask's values": (BATCH._replace(mask=BATCH.mask * 0.5), "mask: got values other than 0 and 1"),
    "state's shape": (
        BATCH._replace(initial_state=State(STATE.h[:1], STATE.C)),
        r"initial_state\.h: got shape \(1, 5, 3\), expected \(2, 5, 3\)",
    ),
    "state's dtype": (
        BATCH._replace(initial_state=State(STATE.h, STATE.C.astype(np.float32))),
        r"initial_state\.C: got dtype float32, expected float64",
    ),
    "cotangent": (
        BATCH._replace(
            cotangents=BATCH.cotangents._replace(
                h=changed(BATCH.cotangents.h, (1, 2, 3, 0), np.nan)
            )
        ),
        r"cotangents\.h: got nan at \(1, 2, 3, 0\)",
    ),
    "dropout": (
        BATCH._replace(dropout=np.ones((2, 4, 5, 3))),
        r"dropout: got shape \(2, 4, 5, 3\), expected \(1, 4, 5, 3\)",
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", BAD_BATCHES)
def test_batches(what, backend):
    batch, message = BAD_BATCHES[what]
    with pytest.raises(InputError, match=message):
        load_backend(backend).loss_and_grads(PARAMS, batch)


LAYERS, X = draw_layers(layers=2), np.ones((4, 6, 3))
BAD_VJPS = {
    "no layers": (((), X), "layers: got none"),
    "x's shape": ((LAYERS, X[0]), r"inputs: got shape \(6, 3\), expected"),
    "x's width": ((LAYERS, X[:, :4]), r"layers\.0\.W_f: got shape \(5, 11\), expected \(5, 9\)"),
    "x's values": ((LAYERS, X * np.inf), "inputs: got inf"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", BAD_VJPS)
def test_vjps(what, backend):
    arguments, message = BAD_VJPS[what]
    with pytest.raises(InputError, match=message):
        load_backend(backend).vjp(*arguments, None, BATCH.cotangents)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_batch(backend):
    with pytest.raises(InputError, match=r"batch: got tuple, expected Batch\(tokens, targets"):
        load_backend(backend).loss(PARAMS, tuple(BATCH))


def test_a_masked_array_that_hides_a_nan():
    hidden = np.ma.masked_array(changed(PARAMS.b_v, 0, np.nan), mask=True)
    with pytest.raises(InputError, match=r"b_v: got .* at \(0,\), expected finite numbers"):
        load_backend("numpy").loss(PARAMS._replace(b_v=hidden), BATCH)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step(backend):
    with pytest.raises(InputError, match="tokens: got token 9 at time 0, sequence 0"):
        load_backend(backend).step(PARAMS, np.array([9, 0, 0]), STATE)


def test_configurations():
    with pytest.raises(InputError, match=r"Config\.hidden_size: got 0, expected a positive"):
        Config(4, 0)
    with pytest.raises(InputError, match=r"Config\.dtype: got 'float16', expected 'float32'"):
        Config(4, 4, dtype="float16")
    with pytest.raises(InputError, match="init scheme: got 'xavier', expected one of"):
        init_params(Config(4, 4), 0, scheme="xavier")


def test_an_unknown_backend_and_one_that_is_not_installed(monkeypatch):
    with pytest.raises(
        InputError,
        match="backend: got 'torch', expected one of numpy, numpy-literal, jax, jax-manual",
    ):
        load_backend("torch")
    monkeypatch.setitem(sys.modules, "manual", None)
    with pytest.raises(InputError, match="backend 'numpy' needs the package 'manual'"):
        load_backend("numpy")


def test_jax_without_x64_is_refused_not_rounded():
    code = (
        "import numpy as np, lstm_spec as s\n"
        "p = s.init_params(s.Config(4, 3), 0)\n"
        "b = s.Batch(np.zeros((2, 1), int), np.ones((2, 1), int))\n"
        "s.load_backend('jax').loss(p, b)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"JAX_ENABLE_X64": "0"}
    )
    assert "float64 arrays, but JAX would compute in float32" in result.stderr


def test_the_check_refuses_a_reference_that_is_not_float64():
    from gradparity.check.run import require_float64

    with pytest.raises(
        InputError, match="computed in float32, expected float64: set JAX_ENABLE_X64"
    ):
        require_float64(
            Params((LayerParams(*[np.ones(2)] * 8),), np.ones(2, np.float32), np.ones(2))
        )


def test_files(tmp_path):
    path = tmp_path / "text"
    with pytest.raises(InputError, match="text: cannot be read: No such file"):
        read_text(path)
    path.write_bytes(b"abc\xff")
    with pytest.raises(InputError, match="text: not UTF-8: byte 0xff at offset 3"):
        read_text(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="text: empty, expected UTF-8 text"):
        read_text(path)


def test_sequences_with_nothing_to_predict():
    with pytest.raises(InputError, match="sequences: expected at least one, each of two"):
        padded_batch([[1, 2], [3]])
    with pytest.raises(InputError, match="sequences: expected at least one"):
        padded_batch([])
