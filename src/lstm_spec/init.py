"""Seeded initial parameters."""

from numbers import Integral

import numpy as np

from lstm_spec.config import Config
from lstm_spec.errors import InputError
from lstm_spec.params import GATES, LayerParams, Params
from lstm_spec.tree import tree_map


def orthogonal(rng: np.random.Generator, size: int) -> np.ndarray:
    """A uniformly distributed orthogonal matrix `(size, size)`.

    QR alone is not uniform: the signs of R's diagonal must be moved into Q
    (Mezzadri 2007, "How to generate random matrices from the classical
    compact groups").
    """
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


def init_params(
    config: Config, seed: int, *, scheme: str = "orthogonal", forget_bias: float = 1.0
) -> Params:
    """Draw initial parameters in the configuration's dtype.

    Args:
        config: sizes and dtype.
        seed: the same seed gives the same numbers on every platform NumPy supports.
        scheme: "orthogonal": recurrent blocks orthogonal, input blocks and the
            readout normal with standard deviation 1/√fan_in; "uniform": all weights
            and biases U(−1/√hidden, 1/√hidden), as PyTorch's `nn.LSTM` draws them.
        forget_bias: added to `b_f` (Jozefowicz et al. 2015 recommend 1).

    Raises:
        InputError: unknown scheme, or a seed or bias that is none.
    """
    if scheme not in _SCHEMES:
        raise InputError(f"init scheme: got {scheme!r}, expected one of {sorted(_SCHEMES)}")
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"seed: got {seed!r}, expected an integer from 0 on")
    if not np.isfinite(forget_bias):
        raise InputError(f"forget_bias: got {forget_bias}, expected a finite number")
    rng = np.random.default_rng(int(seed))
    draw_gate, draw_readout = _SCHEMES[scheme]
    layers = []
    for layer in range(config.num_layers):
        gates = [draw_gate(rng, config.hidden_size, config.input_size(layer)) for _ in GATES]
        weights, biases = zip(*gates, strict=True)
        layers.append(LayerParams._make([*weights, biases[0] + forget_bias, *biases[1:]]))
    readout = draw_readout(rng, config.vocab_size, config.hidden_size)
    return tree_map(lambda leaf: leaf.astype(config.numpy_dtype), Params(tuple(layers), *readout))


def _orthogonal_gate(rng: np.random.Generator, hidden: int, inputs: int) -> tuple:
    # A one-hot input has one non-zero entry, but 1/√fan_in is what a dense one of
    # unit variance would need; the house plan asks for it at every layer.
    block = rng.standard_normal((hidden, inputs)) / np.sqrt(inputs)
    return np.hstack([orthogonal(rng, hidden), block]), np.zeros(hidden)


def _uniform_gate(rng: np.random.Generator, hidden: int, inputs: int) -> tuple:
    bound = 1 / np.sqrt(hidden)
    weights = rng.uniform(-bound, bound, (hidden, hidden + inputs))
    return weights, rng.uniform(-bound, bound, hidden)


def _normal_readout(rng: np.random.Generator, vocab: int, hidden: int) -> tuple:
    return rng.standard_normal((vocab, hidden)) / np.sqrt(hidden), np.zeros(vocab)


def _uniform_readout(rng: np.random.Generator, vocab: int, hidden: int) -> tuple:
    bound = 1 / np.sqrt(hidden)
    return rng.uniform(-bound, bound, (vocab, hidden)), rng.uniform(-bound, bound, vocab)


_SCHEMES = {
    "orthogonal": (_orthogonal_gate, _normal_readout),
    "uniform": (_uniform_gate, _uniform_readout),
}
