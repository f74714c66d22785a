"""Sums of rows by token: B9 for the columns of W that belong to looked-up tokens."""

import numpy as np
from jaxtyping import Float, Integer

Rows = Float[np.ndarray, "n width"]


def add_by_token(rows: Rows, tokens: Integer[np.ndarray, " n"], sums: np.ndarray) -> None:
    """Add row k to `sums[tokens[k]]`, for every k.

    The first row of each token, then the second of those that have one, and so on: tokens that
    occur more often come first, so that each round adds to the upper rows of one array.
    """
    order = np.argsort(tokens, kind="stable")
    distinct, begins, counts = np.unique(tokens[order], return_index=True, return_counts=True)
    often = np.argsort(-counts, kind="stable")
    begins, counts = begins[often], counts[often]
    found = rows.take(order[begins], axis=0)
    for already in range(1, counts[0]):
        more = int(np.count_nonzero(counts > already))
        found[:more] += rows.take(order[begins[:more] + already], axis=0)
    sums[distinct[often]] += found


def transpose(source: np.ndarray, out: np.ndarray) -> None:
    """`(n, a, b)` into `(n, b, a)`, few of the middle rows at a time: the cache holds them."""
    for start in range(0, source.shape[1], 64):
        out[:, :, start : min(start + 64, source.shape[1])] = source[:, start : start + 64].transpose(0, 2, 1)
