"""Dropout between layers, drawn anew for each update."""

import numpy as np

from lstm_lm.config.options import Options


def dropout_factors(options: Options, step: int, time: int) -> np.ndarray | None:
    """Factors on what passes between layers at an update: 0, or 1/(1 − rate)."""
    if options.dropout == 0 or options.layers == 1:
        return None
    rng = np.random.default_rng([options.seed, step, 1])
    shape = ((options.layers or 1) - 1, time, options.hidden or 1, options.batch or 1)
    kept = rng.random(shape, dtype=np.float32) >= options.dropout
    return kept.astype(options.dtype) / np.dtype(options.dtype).type(1 - options.dropout)
