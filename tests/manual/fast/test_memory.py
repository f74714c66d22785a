"""The fast pass's memory: as much as is needed, in the parameters' dtype; and blocks of steps."""

import numpy as np
import pytest

from lstm_spec import Config
from manual import Workspace
from manual.fast import blocks
from manual.fast.blocks import block_lengths
from manual.fast.memory import Steps
from manual.fast.products import ONE_HOT


def arrays_of(thing):
    """Every array that an object keeps, itself or as one of its steps, by name."""
    steps = {k: v for k, v in vars(thing).items() if isinstance(v, Steps)}
    views = {f"{k}.{n}": a for k, v in steps.items() for n, a in v._asdict().items()}
    return views | {k: a for k, a in vars(thing).items() if isinstance(a, np.ndarray)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("vocab", [ONE_HOT, 300])
def test_everything_follows_the_parameters_dtype(dtype, vocab):
    work = Workspace(Config(vocab, 6, num_layers=2, dtype=dtype), 5, 3, keep_every=2)
    owners = [
        *work.parts.tapes,
        *work.parts.tapes[0].layers,
        work.parts.tapes[0].readout,
        *work.parts.weights,
    ]
    found = {
        f"{type(owner).__name__}.{name}": array.dtype
        for owner in owners
        for name, array in arrays_of(owner).items()
        if array.dtype.kind == "f"
    }
    assert len(found) > 15 + len(Steps._fields)
    assert {name for name, kind in found.items() if kind != dtype} == set()


@pytest.mark.parametrize("vocab", [ONE_HOT, ONE_HOT + 1])
def test_a_layers_memory(vocab):
    time, batch, hidden = 9, 3, 6
    work = Workspace(Config(vocab, hidden, num_layers=2), time, batch)
    bottom, top = work.parts.tapes[0].layers
    assert bottom.looks_up == (vocab > ONE_HOT)
    assert not top.looks_up
    looked_up = (4 * bottom.block * batch * hidden, vocab) if bottom.looks_up else (0, 0)
    assert (bottom.from_x.size, bottom.by_token.shape[1]) == looked_up
    assert (top.from_x.size, top.by_token.size) == (0, 0)
    for layer in (bottom, top):
        assert len(layer.z) == time + 1
        assert layer.columns_of_da(0, 2).shape == (4, hidden, 2 * batch)
        assert layer.rows_of_z(0, 2).shape == (2 * batch, layer.inner)
        assert layer.h.shape == (time, hidden, batch)


CACHE = blocks.CACHE


@pytest.mark.parametrize(
    ("kernels", "hidden", "inner", "time", "batch", "expected"),
    [
        # 4·128·50·4 bytes a step: 5 steps in the cache, 1024 rows are 20.5 steps.
        (False, 128, 128, 50, 50, (5, 25)),
        (False, 128, 128, 50, 16, (13, 50)),
        (False, 128, 128, 50, 2, (50, 50)),
        (False, 512, 512, 50, 16, (4, 50)),
        (False, 512, 512, 500, 16, (4, 64)),
        # 100³/(64·64) = 244 rows, no fewer than 128: 4 steps of 50.
        (True, 64, 64, 48, 50, (4, 4)),
        (True, 64, 64, 50, 128, (1, 1)),
        # 100³/(100·78) = 128 rows are just worth it, 100³/(100·79) = 126 are not.
        (True, 100, 78, 50, 20, (6, 6)),
        (True, 100, 79, 50, 20, (13, 50)),
        # A step has more rows than a small kernel takes.
        (True, 64, 64, 50, 245, (2, 6)),
    ],
)
def test_lengths_of_blocks(monkeypatch, kernels, hidden, inner, time, batch, expected):
    monkeypatch.setattr(blocks, "has_small_kernels", lambda: kernels)
    assert block_lengths(Config(300, hidden, dtype="float32"), inner, time, batch) == expected
