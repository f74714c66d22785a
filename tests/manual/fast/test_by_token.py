"""Sums of rows by token, for tokens as frequent as may be."""

import numpy as np
import pytest

from manual.fast.by_token import add_by_token

DRAWN = np.random.default_rng(0)


@pytest.mark.parametrize(
    "tokens",
    [
        DRAWN.integers(0, 9, 50),
        DRAWN.permutation([0] * 40 + [5] * 20 + [7, 7, 8, 1]),  # two frequent ones
        np.repeat(3, 50),
        np.arange(9),
        np.array([4]),
    ],
    ids=["drawn", "frequent", "one only", "each once", "a single row"],
)
def test_sums(tokens):
    rows = DRAWN.normal(size=(4, len(tokens), 6))
    sums = DRAWN.normal(size=(4, 9, 6))
    expected = sums.copy()
    for k, token in enumerate(tokens):
        expected[:, token] += rows[:, k]
    add_by_token(rows, tokens, sums)
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12)


def test_operations(monkeypatch):
    """No more than the rounds that rare tokens need, and one for each frequent one."""
    taken = []

    class Rows(np.ndarray):
        def take(self, indices, axis):
            taken.append(len(indices))
            return np.asarray(self).take(indices, axis)

    rows = np.ones((4, 64, 6)).view(Rows)
    add_by_token(rows, DRAWN.permutation([0] * 40 + [5] * 20 + [7, 7, 8, 1]), np.zeros((4, 9, 6)))
    assert sorted(taken) == [1, 5, 20, 40]
