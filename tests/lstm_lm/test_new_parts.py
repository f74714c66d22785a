"""Another task and another cell train, resume and sample without a change to the loop.

A toy of each: the task is to count in circles, the model a table of bigrams.
CONTRIBUTING.md, "Adding a cell or a task", names the same parts.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
from running import losses, sampled, train

from lstm_lm.config import options
from lstm_lm.config.options import Options
from lstm_lm.engines import cells
from lstm_lm.engines import table as engines
from lstm_lm.engines.cells import Cell
from lstm_lm.engines.numpy_engine import NumpyEngine
from lstm_lm.tasks import table as tasks
from lstm_lm.tasks.notation import Notation
from lstm_lm.tasks.table import Kind
from lstm_spec import Batch, LossAndGrads, LossOnly, backend
from lstm_spec.corpus import Vocabulary

DIGITS = "0123456789"


class Counting:
    """A task: after 7 comes 8, after 9 comes 0."""

    fingerprint, title, floor = "counting", "counting in circles", 0.0

    def __init__(self, options):
        self.options, self.vocabulary = options, Vocabulary(DIGITS)
        self.total_steps = options.steps

    def batch(self, step):
        rng = np.random.default_rng([self.options.seed, step])
        digits = (rng.integers(10, size=self.options.batch) + np.arange(6)[:, None]) % 10
        return Batch(digits[:-1], digits[1:])

    def carries_state(self, step):
        return False

    def held_out(self, part):
        return [] if part == "test" else [self.batch(10**6)]

    def findings(self, backend, params):
        logits, _ = backend.step(params, np.array([7]))
        return [f"after 7 comes {np.argmax(logits)}"]


class Table(NamedTuple):
    """A cell's weights: logits by the token before, `(vocab, vocab)`."""

    table: Any


class Nothing(NamedTuple):
    """A cell's state; of a bigram there is none, `(0, batch)`."""

    nothing: Any


BIGRAMS = Cell(
    init=lambda config, options: Table(np.zeros((config.vocab_size,) * 2, config.dtype)),
    zero_state=lambda config, batch: Nothing(np.zeros((0, batch), config.dtype)),
    state=Nothing,
    from_leaves=lambda by_path, options: Table(by_path["table"]),
)


class Backend:
    """A backend: as `lstm_spec.Backend`, what training and sampling need of it."""

    @staticmethod
    def loss_and_grads(params, batch):
        p = np.exp(params.table[:, batch.tokens])
        p /= p.sum(0)
        right = np.eye(len(p))[:, batch.targets]
        loss, d = -np.mean(np.log((p * right).sum(0))), (p - right) / batch.tokens.size
        grads = np.einsum("vtb,wtb->vw", d, np.eye(len(p))[:, batch.tokens])
        return LossAndGrads(loss, Table(grads), None, batch.initial_state)

    @staticmethod
    def loss(params, batch):
        found = Backend.loss_and_grads(params, batch)
        return LossOnly(found.loss, found.final_state)

    @staticmethod
    def step(params, tokens, state=None):
        return params.table[:, tokens], state


@pytest.fixture
def toys(monkeypatch):
    """What someone who adds them writes into the tables, and one line of `Options`."""
    monkeypatch.setitem(tasks.TASKS, "counting", Kind(Counting, lambda options: Notation(list, "")))
    monkeypatch.setitem(options.DEFAULTS, "counting", options.DEFAULTS["anbn"])
    monkeypatch.setattr(Options, "task", "counting")
    monkeypatch.setitem(cells.CELLS, "bigrams", BIGRAMS)
    monkeypatch.setitem(engines.ENGINES, "bigrams", NumpyEngine)
    monkeypatch.setitem(backend.BACKENDS, "bigrams", "bigrams")
    monkeypatch.setitem(sys.modules, "bigrams", Backend)


def test_a_new_task_and_a_new_cell(toys, tmp_path, capsys):
    common = ["--backend", "bigrams", "--evaluate-every", 20, "--schedule", "constant"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(*common, "--steps", 200, "--out", whole) == 0
    assert "after 7 comes 8" in capsys.readouterr().out
    assert losses(whole)[-1] < 0.5 * losses(whole)[0]
    assert train(*common, "--steps", 100, "--out", parts) == 0
    assert train("--resume", parts, "--steps", 200) == 0
    np.testing.assert_array_equal(losses(parts), losses(whole))
    assert sampled(capsys, whole, "--prime", "78", "--greedy", "--length", 4)[1] == "789012\n"
    assert train("--resume", parts, "--backend", "numpy") == 2
    assert "--backend: got numpy, but the run in" in capsys.readouterr().err


def test_a_new_task_on_the_backends_there_are(toys, tmp_path):
    assert train("--hidden", 8, "--steps", 60, "--out", tmp_path / "run") == 0
    assert losses(tmp_path / "run")[-1] < losses(tmp_path / "run")[0]
