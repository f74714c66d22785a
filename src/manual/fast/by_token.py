"""Sums of rows by token: B9 for the columns of W that belong to looked-up tokens."""

import numpy as np
from jaxtyping import Float, Integer


def add_by_token(
    rows: Float[np.ndarray, "gates n hidden"],
    tokens: Integer[np.ndarray, " n"],
    sums: Float[np.ndarray, "gates vocab hidden"],
) -> None:
    """Add row k of each gate to `sums[:, tokens[k]]`, for every k.

    A frequent token's rows are summed at once. Of the others, the first row of each, then the
    second of those that have one, and so on: tokens that occur more often come first, so that each
    round adds to the upper rows of one array. In text a few tokens make most of the rows; drawn at
    random, none is frequent. Whichever way takes fewer operations is taken.
    """
    order = np.argsort(tokens, kind="stable")
    distinct, begins, counts = np.unique(tokens[order], return_index=True, return_counts=True)
    often = np.argsort(-counts, kind="stable")
    begins, counts = begins[often], counts[often]
    frequent = int(np.argmin(np.arange(len(counts)) + counts))  # an operation each, then rounds
    found = rows.take(order[begins], axis=1)
    for k in range(frequent):
        mine = order[begins[k] : begins[k] + counts[k]]
        np.add.reduce(rows.take(mine, axis=1), axis=1, out=found[:, k])
    for already in range(1, counts[frequent]):
        more = int(np.count_nonzero(counts > already))
        found[:, frequent:more] += rows.take(order[begins[frequent:more] + already], axis=1)
    sums[:, distinct[often]] += found
