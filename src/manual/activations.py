"""Activations that neither overflow nor warn, in float32, float64 and complex128."""

import numpy as np
from jaxtyping import Inexact

Array = Inexact[np.ndarray, "..."]


def sigmoid(a: Array) -> Array:
    """σ(a) = (1 + tanh(a/2)) / 2, which saturates where 1/(1 + exp(−a)) overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def log_sum_exp(v: Inexact[np.ndarray, "vocab batch"]) -> Inexact[np.ndarray, " batch"]:
    """log Σ exp(v) by column, shifted by the largest logit so that exp cannot overflow.

    The shift is real: NumPy orders complex numbers by their real part, and only an
    analytic function may carry a complex step.
    """
    shift = v.real.max(axis=0)
    return shift + np.log(np.exp(v - shift).sum(axis=0))
