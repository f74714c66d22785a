"""Threads of a pass: how many, with which share of BLAS's, and what happens to their results."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from drawing import draw_batch, draw_params

import manual
from lstm_spec import Config, config_of
from manual.fast import threads
from manual.fast.layer import Layer


@pytest.fixture
def libraries(monkeypatch):
    """Pretend that these BLAS libraries are loaded."""

    def loaded(*found):
        monkeypatch.setattr(threads, "_blas", lambda: SimpleNamespace(info=lambda: list(found)))

    return loaded


def test_threads_of_blas(libraries):
    libraries({"num_threads": 3}, {"num_threads": 2})
    assert threads.blas_threads() == 2
    libraries()
    assert threads.blas_threads() == 1


def test_architecture_of_blas(libraries):
    libraries({"num_threads": 3}, {"architecture": "Haswell"}, {"architecture": "Zen"})
    assert threads.blas_architecture() == "Haswell"
    libraries({"num_threads": 3})
    assert threads.blas_architecture() == ""


def blas_now():
    return [library["num_threads"] for library in threads._blas().info()]


def test_a_share_while_any_pass_runs():
    share, before = threads._Share(), blas_now()
    assert share.available == 0
    with share.among(2):
        assert share.available == min(before, default=1)
        halved = blas_now()
        with share.among(2):
            assert blas_now() == halved
        assert blas_now() == halved
    assert share.available == 0
    assert blas_now() == before
    assert halved == [max(1, min(before) // 2)] * len(before)


def test_without_a_pool_tasks_run_one_after_the_other():
    assert threads.run([lambda: 1, lambda: 2], None) == [1, 2]


def test_a_task_keeps_numpys_settings():
    def overflow():
        return np.float64(1e308) * np.array([10.0])

    with ThreadPoolExecutor(1) as pool:
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            threads.run([lambda: None, overflow], pool)
        with np.errstate(over="ignore"):
            assert np.isinf(threads.run([lambda: None, overflow], pool)[1])


@pytest.mark.parametrize("function", [manual.loss, manual.loss_and_grads])
def test_parts_run_in_threads_of_their_own(monkeypatch, function):
    import threading

    seen, forward = set(), Layer.forward

    def watched(*arguments):
        seen.add(threading.get_ident())
        return forward(*arguments)

    monkeypatch.setattr(Layer, "forward", watched)
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    monkeypatch.setattr(threads, "NARROWEST", 1)
    monkeypatch.setattr(threads, "ENOUGH", 1)
    params, batch = draw_params(hidden=5, vocab=7), draw_batch(hidden=5, vocab=7, batch=4, time=3)
    workspace = manual.Workspace(config_of(params), 3, 4)
    assert len(workspace.parts.tapes) == 2
    function(params, batch, workspace)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("time", "layers", "hidden", "batch", "most", "expected"),
    [
        (2, 1, 512, 8, 4, 4), (2, 1, 512, 8, 2, 2), (2, 1, 512, 8, 1, 1),  # as many as cores
        (1, 1, 512, 7, 4, 3), (1, 2, 512, 7, 4, 4),  # each has enough to do
        (100, 1, 512, 9, 4, 4), (100, 1, 512, 3, 4, 3), (100, 1, 512, 1, 4, 1),  # and a column
        (100, 1, 512, 100, 100, 8),
    ],
)  # fmt: skip
def test_as_many_processes_as_pay(monkeypatch, time, layers, hidden, batch, most, expected):
    monkeypatch.setattr(threads, "NARROW", 1)
    found = threads.parts_of_processes(Config(5, hidden, layers), time, batch, most)
    assert len(found) == expected
    assert (found[0].start, found[-1].stop) == (0, batch)
