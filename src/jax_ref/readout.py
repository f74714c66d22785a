"""The readout and the loss."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer


def forward(
    W_v: Float[Array, "vocab hidden"],
    b_v: Float[Array, " vocab"],
    h: Float[Array, "time hidden batch"],
    tap: Any,
) -> Float[Array, "time vocab batch"]:
    """F7 at every step."""
    return jnp.einsum("vh,thb->tvb", W_v, h) + b_v[:, None] + tap  # F7


def mean_nats(
    v: Float[Array, "time vocab batch"], targets: Integer[Array, "time batch"], mask: Any
) -> Float[Array, ""]:
    """F8–F9: mean of −log softmax(v)[target] over the unmasked positions."""
    log_y = jax.nn.log_softmax(v, axis=1)  # F8
    nats = -jnp.take_along_axis(log_y, targets[:, None, :].astype(jnp.int32), axis=1)[:, 0, :]
    if mask is None:
        return nats.mean()  # F9
    mask = mask.astype(v.dtype)
    return jnp.sum(nats * mask) / jnp.sum(mask)  # F9
