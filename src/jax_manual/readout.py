"""The readout and the loss, forward and right under it backward; batch-major as `sequence.py`."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from jax_manual.sequence import rows


class Targets(NamedTuple):
    """What to predict, and what each position counts: its mask over N."""

    ids: Integer[Array, "time batch"]
    weights: Float[Array, "time batch"]


def logits(
    W_v: Float[Array, "vocab hidden"], b_v: Float[Array, " vocab"], h: Float[Array, "... hidden"]
) -> Float[Array, "... vocab"]:
    """F7 wherever there is an h."""
    return h @ W_v.T + b_v  # F7


@jax.custom_vjp
def mean_nats(W_v: Any, b_v: Any, h: Any, targets: Targets, tap: Any) -> Float[Array, ""]:
    """F7–F9: mean of −log softmax(v)[target] over the positions that count."""
    return _forward(W_v, b_v, h, targets, tap)[0]


def _forward(W_v: Any, b_v: Any, h: Any, targets: Targets, tap: Any) -> tuple[Any, tuple]:
    v = logits(W_v, b_v, h)
    shift = v.max(2)
    log_sum = shift + jnp.log(jnp.exp(v - shift[:, :, None]).sum(2))  # F8
    chosen = jnp.take_along_axis(v, targets.ids[:, :, None], axis=2)[:, :, 0]
    loss = jnp.sum((log_sum - chosen) * targets.weights)  # F9
    return loss, (W_v, h, targets, v, log_sum, tap)


def _backward(residuals: tuple, by_loss: Any) -> tuple:
    """B1, B2, and the readout's part of B3."""
    W_v, h, targets, v, log_sum, tap = residuals
    y = jnp.exp(v - log_sum[:, :, None])  # F8
    is_target = targets.ids[:, :, None] == jnp.arange(len(W_v))
    dv = (y - is_target) * (by_loss * targets.weights)[:, :, None]  # B1
    dW_v = rows(dv).T @ rows(h)  # B2
    db_v = dv.sum((0, 1))  # B2
    return dW_v, db_v, dv @ W_v, None, None if tap is None else dv.swapaxes(1, 2)  # B3


mean_nats.defvjp(_forward, _backward)
