"""Checkpoints: complete, provably whole, and nothing in them is executed."""

import json
import math
import pickle
import random

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from lstm_lm.config.options import Options
from lstm_lm.engines.engine import Training
from lstm_lm.engines.schedule import Course
from lstm_lm.keep import checkpoint
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.loop import beginning
from lstm_lm.tasks.table import AnBn
from lstm_spec import InputError
from lstm_spec.tree import leaves, tree_map


def made(**options) -> Checkpoint:
    settings = {"hidden": 3, "layers": 2, "batch": 2, "out": None} | options
    resolved = Options(**settings).resolved()
    start = beginning(resolved, AnBn(resolved))
    rng = np.random.default_rng(0)
    training = tree_map(
        lambda leaf: rng.standard_normal(leaf.shape).astype(leaf.dtype) if np.ndim(leaf) else 7,
        start.training,
    )
    moments = training.moments._replace(second=tree_map(np.abs, training.moments.second))
    training = training._replace(moments=moments)
    return start._replace(step=7, training=training, course=Course(0.3, 5, 2, 1))


def same(one: Checkpoint, other: Checkpoint) -> bool:
    a, b = leaves(one.training), leaves(other.training)
    return (
        one.options == other.options
        and one.vocabulary.symbols == other.vocabulary.symbols
        and (one.step, one.course, one.fingerprint) == (other.step, other.course, other.fingerprint)
        and a.keys() == b.keys()
        and all(
            np.array_equal(a[p], b[p]) and np.asarray(a[p]).dtype == np.asarray(b[p]).dtype
            for p in a
        )
    )


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_comes_back(tmp_path, optimizer, dtype):
    found = made(optimizer=optimizer, dtype=dtype)
    checkpoint.save(tmp_path / "c", found)
    assert same(checkpoint.load(tmp_path / "c"), found)


def test_before_the_first_validation(tmp_path):
    found = made()._replace(course=Course())
    checkpoint.save(tmp_path / "c", found)
    assert checkpoint.load(tmp_path / "c").course.best == math.inf


def test_weights_stand_under_the_trees_paths(tmp_path):
    checkpoint.save(tmp_path / "c", made())
    names = safetensors.numpy.load_file(tmp_path / "c").keys()
    assert {"layers.0.W_f", "layers.1.b_o", "W_v", "carry.h", "optimizer.second.W_v"} <= set(names)
    with safetensors.safe_open(tmp_path / "c", framework="numpy") as file:
        assert list(file.metadata()) == ["gradparity"]


def test_strided_views_are_written_as_they_read(tmp_path):
    """safetensors writes the bytes of a transposed view in the wrong order without a word."""
    found = made()
    params = found.training.params
    strided = params._replace(W_v=np.asfortranarray(params.W_v))
    assert not strided.W_v.flags.c_contiguous
    training = Training(strided, *found.training[1:])
    checkpoint.save(tmp_path / "c", found._replace(training=training))
    assert same(checkpoint.load(tmp_path / "c"), found)


def judged(path, original):
    """A changed file must be refused clearly, or load exactly what was saved."""
    loaded, message = None, ""
    try:
        loaded = checkpoint.load(path)
    except InputError as error:
        message = str(error)
    if loaded is None:
        assert str(path) in message
        assert len(message.splitlines()) == 1
        return "refused"
    assert same(loaded, original)
    return "identical"


def test_a_file_cut_at_any_length_is_refused(tmp_path):
    original, path = made(hidden=1, layers=1), tmp_path / "c"
    checkpoint.save(path, original)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert judged(path, original) == "refused"


def test_a_file_with_one_byte_changed_is_refused_or_loads_the_same(tmp_path):
    original, path = made(hidden=1, layers=1), tmp_path / "c"
    checkpoint.save(path, original)
    whole, rng = path.read_bytes(), random.Random(0)
    outcomes = set()
    for position in range(len(whole)):
        for change in {1, 0x20, 0x80, rng.randrange(1, 256)}:
            changed = bytearray(whole)
            changed[position] ^= change
            path.write_bytes(changed)
            outcomes.add(judged(path, original))
    assert "refused" in outcomes


def test_foreign_files(tmp_path):
    for name, content in {
        "empty": b"",
        "text": b"hello, this is no checkpoint",
        "pickle": pickle.dumps(print),
        "safetensors": safetensors.numpy.save({"a": np.ones(3)}),
        "wrong metadata": safetensors.numpy.save({"a": np.ones(3)}, {"gradparity": "[1]"}),
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: not a checkpoint, or cut off or changed"):
            checkpoint.load(path)
    with pytest.raises(InputError, match="no such file, expected a checkpoint"):
        checkpoint.load(tmp_path / "missing")


def test_a_consistent_file_of_another_format_is_refused(tmp_path):
    checkpoint.save(tmp_path / "c", made())
    content, _, file = checkpoint._opened(tmp_path / "c")
    tensors = file.tensors()
    content["format"] = 99
    content["sha256"] = checkpoint.digest(content, tensors)
    (tmp_path / "d").write_bytes(
        safetensors.numpy.save(tensors, {"gradparity": json.dumps(content)})
    )
    with pytest.raises(InputError, match="format 99, expected 1: written by another version"):
        checkpoint.load(tmp_path / "d")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path, old = tmp_path / "c", made()
    checkpoint.save(path, old)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        checkpoint.save(path, made(hidden=4))
    assert same(checkpoint.load(path), old)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
