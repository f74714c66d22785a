"""Sums of rows by token: B9 for the columns of W that belong to looked-up tokens."""

import numpy as np
from jaxtyping import Float, Integer


def add_by_token(
    rows: Float[np.ndarray, "gates n hidden"],
    tokens: Integer[np.ndarray, " n"],
    sums: Float[np.ndarray, "gates vocab hidden"],
) -> None:
    """Add row k of each gate to `sums[:, tokens[k]]`, for every k.

    The first row of each token, then the second of those that have one, and so on: tokens that
    occur more often come first, so that each round adds to the upper rows of one array.
    """
    order = np.argsort(tokens, kind="stable")
    distinct, begins, counts = np.unique(tokens[order], return_index=True, return_counts=True)
    often = np.argsort(-counts, kind="stable")
    begins, counts = begins[often], counts[often]
    found = rows.take(order[begins], axis=1)
    for already in range(1, counts[0]):
        more = int(np.count_nonzero(counts > already))
        found[:, :more] += rows.take(order[begins[:more] + already], axis=1)
    sums[:, distinct[often]] += found
