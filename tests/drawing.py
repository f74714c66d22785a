"""Random models and batches on which every path of the gradient carries signal."""

import numpy as np

from lstm_spec import Batch, Config, Cotangents, LayerParams, Params, State, init_params
from lstm_spec.tree import tree_map


def draw_params(
    *, layers=1, hidden=5, vocab=7, seed=0, gain=1.0, dtype="float64", inputs=None
) -> Params:
    """Weights of the given gain over fan-in, biases up to the gain."""
    rng = np.random.default_rng(seed)
    params = init_params(Config(vocab, hidden, layers, dtype), seed)

    def leaf(old):
        if old.ndim == 1:
            return rng.uniform(-gain, gain, old.shape).astype(dtype)
        return (gain * rng.standard_normal(old.shape) / np.sqrt(old.shape[1])).astype(dtype)

    return tree_map(leaf, params)


def draw_batch(
    *,
    layers=1,
    time=4,
    batch=3,
    hidden=5,
    vocab=7,
    seed=0,
    dtype="float64",
    masked=True,
    dropout=True,
) -> Batch:
    """Repeated tokens, unequal lengths, non-zero states, cotangents on every output."""
    rng = np.random.default_rng([seed, 1])

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    tokens, targets = rng.integers(0, vocab, (2, time, batch))
    lengths = np.full(batch, time)
    lengths[1:] = rng.integers(1, time, batch - 1, endpoint=True)
    mask = np.arange(time)[:, None] < lengths if masked else None
    state = (layers, hidden, batch)
    cotangents = Cotangents(normal(layers, time, hidden, batch), normal(*state), normal(*state))
    factors = rng.binomial(1, 0.8, (layers - 1, time, hidden, batch)).astype(dtype) / 0.8
    return Batch(
        tokens,
        targets,
        mask,
        State(normal(*state), normal(*state)),
        cotangents,
        factors.astype(dtype) if dropout else None,
    )


def draw_layers(*, layers=1, hidden=5, inputs=6, seed=0) -> tuple[LayerParams, ...]:
    """The layers alone, reading dense inputs."""
    return draw_params(layers=layers, hidden=hidden, vocab=inputs, seed=seed).layers
