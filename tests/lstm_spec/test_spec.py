"""The contract: initial parameters, trees, corpora, files."""

from pathlib import Path

import numpy as np
import pytest

from lstm_spec import Config, InputError, config_of, init_params, validate_params
from lstm_spec.corpus import ANBN_TOKENS, Vocabulary, anbn, interpreter_text, padded_batch
from lstm_spec.files import require_writable, write_whole
from lstm_spec.init import orthogonal
from lstm_spec.params import param_shapes, params_from_leaves
from lstm_spec.tree import leaves, tree_map


def test_orthogonal_matrices_are_orthogonal_and_uniform():
    rng = np.random.default_rng(0)
    q = orthogonal(rng, 30)
    np.testing.assert_allclose(q @ q.T, np.eye(30), atol=1e-14)
    # Without the sign fix QR's diagonal of Q is biased; uniformly, E[trace] = 0 and E[trace²] = 1.
    traces = np.array([np.trace(orthogonal(rng, 4)) for _ in range(4000)])
    assert abs(traces.mean()) < 4 / np.sqrt(4000)
    assert abs((traces**2).mean() - 1) < 0.15


def test_initial_parameters():
    config = Config(vocab_size=40, hidden_size=30, num_layers=2)
    params = init_params(config, 3)
    for k, layer in enumerate(params.layers):
        for gate in "figo":
            W, b = getattr(layer, f"W_{gate}"), getattr(layer, f"b_{gate}")
            np.testing.assert_allclose(W[:, :30] @ W[:, :30].T, np.eye(30), atol=1e-13)
            width = config.input_size(k)
            assert W[:, 30:].std() * np.sqrt(width) == pytest.approx(1, abs=0.1)
            assert (b == (1 if gate == "f" else 0)).all()
    assert validate_params(params) == config == config_of(params)
    assert {path: leaf.shape for path, leaf in leaves(params).items()} == param_shapes(config)


def test_a_seed_fixes_the_parameters_and_options_are_heard():
    config = Config(5, 4)
    one, same, other = (leaves(init_params(config, seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(one[path], same[path]) for path in one)
    assert not np.array_equal(one["W_v"], other["W_v"])
    uniform = init_params(config, 1, scheme="uniform", forget_bias=0.0)
    assert all(0 < np.abs(leaf).max() <= 0.5 for leaf in leaves(uniform).values())
    assert init_params(Config(5, 4, dtype="float32"), 1).W_v.dtype == np.float32


def test_trees_are_taken_apart_and_put_together():
    params = init_params(Config(5, 4, 2), 0)
    assert list(leaves(params))[:2] == ["layers.0.W_f", "layers.0.W_i"]
    again = params_from_leaves(leaves(params), 2)
    assert leaves(again).keys() == leaves(params).keys()
    doubled = tree_map(lambda a, b: a + b, {"p": [params, None]}, {"p": [params, None]})
    assert np.array_equal(doubled["p"][0].layers[1].W_o, 2 * params.layers[1].W_o)
    assert doubled["p"][1] is None


def test_anbn_batches():
    batch = padded_batch([anbn(1), anbn(3)])
    names = [[ANBN_TOKENS[token] for token in column] for column in batch.targets.T]
    assert [n for n, m in zip(names[0], batch.mask[:, 0], strict=True) if m] == ["b", "EOS"]
    assert names[1] == ["a", "a", "b", "b", "b", "EOS"]
    assert batch.mask.sum(axis=0).tolist() == [2, 6]


def test_vocabularies():
    text = interpreter_text()
    vocabulary = Vocabulary.of(text, largest=10)
    assert len(vocabulary) == 10
    assert vocabulary.symbols[1] == " "
    ids = vocabulary.encode(text)
    assert ids.max() == 9
    assert (ids == 0).any()
    words = Vocabulary.of(["a", "b", "b", "c", "c", "c"], least=2)
    assert words.symbols[1:] == ("c", "b")
    assert words.encode(["c", "a", "?"]).tolist() == [1, 0, 0]


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        write_whole(tmp_path / "folder", b"three")
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(link, b"four")
    assert target.read_bytes() == b"four"
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    link.unlink()
    target.unlink()
    write_whole(Path("/dev/null"), b"five")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(InputError, match="is a folder"):
        require_writable(tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
