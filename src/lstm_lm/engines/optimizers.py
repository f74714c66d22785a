"""SGD, momentum, Adam and AdamW by hand, over any tree of NumPy arrays.

Each follows the same order of operations as optax, to which the tests hold it
step for step. The learning rate is an argument of each update: schedules are
computed on the host, in float64.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lstm_lm.config.options import Options
from lstm_spec.tree import iter_leaves, tree_map


class Moments(NamedTuple):
    """What an optimiser remembers; None where it does not.

    Attributes:
        made: updates made so far.
        first: running mean of gradients (momentum's trace), like the parameters.
        second: running mean of squared gradients, like the parameters.
    """

    made: int
    first: Any = None
    second: Any = None


@dataclass(frozen=True)
class Optimizer:
    """An update rule as pure functions; the moments are passed in and handed back."""

    options: Options

    def init(self, params: Any) -> Moments:
        """Moments before the first update."""
        name = self.options.optimizer
        zeros = None if name == "sgd" else tree_map(np.zeros_like, params)
        second = tree_map(np.zeros_like, params) if name.startswith("adam") else None
        return Moments(0, zeros, second)

    def update(self, params: Any, grads: Any, moments: Moments, rate: float) -> tuple[Any, Moments]:
        """New parameters and moments; nothing is changed in place.

        Args:
            params, grads: trees of one structure.
            moments: from `init` or the last update.
            rate: the learning rate of this update.
        """
        step = {"sgd": _sgd, "momentum": _momentum, "adam": _adam, "adamw": _adamw}
        direction, moments = step[self.options.optimizer](self.options, params, grads, moments)
        return tree_map(lambda p, u: _moved(p, u, rate), params, direction), moments


def _moved(param: np.ndarray, direction: np.ndarray, rate: float) -> np.ndarray:
    step = (-rate * direction).astype(param.dtype, copy=False)
    return np.add(param, step, out=step)


def _sgd(options: Options, params: Any, grads: Any, moments: Moments) -> tuple[Any, Moments]:
    return grads, moments._replace(made=moments.made + 1)


def _momentum(options: Options, params: Any, grads: Any, moments: Moments) -> tuple[Any, Moments]:
    trace = tree_map(lambda g, m: g + options.momentum * m, grads, moments.first)
    return trace, Moments(moments.made + 1, trace)


def _adam(options: Options, params: Any, grads: Any, moments: Moments) -> tuple[Any, Moments]:
    """Kingma and Ba 2015, algorithm 1."""
    b1, b2, count = options.beta1, options.beta2, moments.made + 1
    first = tree_map(lambda g, m: _mean(g, m, b1), grads, moments.first)
    second = tree_map(lambda g, v: _mean(g * g, v, b2), grads, moments.second)
    correct1, correct2 = 1 - b1**count, 1 - b2**count

    def direction(m: np.ndarray, v: np.ndarray) -> np.ndarray:
        scale = v / correct2
        np.sqrt(scale, out=scale)
        scale += options.eps
        return np.divide(m / correct1, scale, out=scale)

    return tree_map(direction, first, second), Moments(count, first, second)


def _mean(new: np.ndarray, mean: np.ndarray, decay: float) -> np.ndarray:
    """(1 − decay) · new + decay · mean, in as little memory as stays in the cache."""
    found = (1 - decay) * new
    found += decay * mean
    return found


def _adamw(options: Options, params: Any, grads: Any, moments: Moments) -> tuple[Any, Moments]:
    """Loshchilov and Hutter 2019: decay of the weights beside Adam's direction."""
    direction, moments = _adam(options, params, grads, moments)
    decay = options.weight_decay
    return tree_map(lambda u, p: u + decay * p, direction, params), moments


def global_norm(tree: Any) -> float:
    """√Σ x² over all leaves."""
    return float(np.sqrt(sum(np.sum(leaf * leaf) for _, leaf in iter_leaves(tree))))


def clip(grads: Any, options: Options, norm: float) -> Any:
    """Gradients whose norm (all together, or each leaf's) is at most `options.clip`.

    Args:
        grads: the gradients.
        options: `clip`, 0 for none, and `clip_by`.
        norm: `global_norm(grads)`.
    """
    limit = options.clip
    if limit == 0:
        return grads
    if options.clip_by == "global":
        return grads if norm < limit else tree_map(lambda g: g / norm * limit, grads)
    return tree_map(lambda g: _clip_leaf(g, limit), grads)


def _clip_leaf(grad: np.ndarray, limit: float) -> np.ndarray:
    norm = float(np.sqrt(np.sum(grad * grad)))
    return grad if norm < limit else grad / norm * limit
