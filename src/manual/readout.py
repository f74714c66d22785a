"""The readout and the loss: logits, log-sum-exp, and their backward."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Inexact, Integer

from lstm_spec import Batch
from manual.activations import log_sum_exp

Outputs = Inexact[np.ndarray, "time hidden batch"]
Logits = Inexact[np.ndarray, "time vocab batch"]


class Targets(NamedTuple):
    """What to predict, and which positions count."""

    ids: Integer[np.ndarray, "time batch"]
    mask: Bool[np.ndarray, "time batch"]


def targets_of(batch: Batch) -> Targets:
    """A batch's targets, every position counted if it has no mask."""
    mask = np.ones(batch.tokens.shape, bool) if batch.mask is None else batch.mask.astype(bool)
    return Targets(batch.targets, mask)


def forward(
    W_v: Inexact[np.ndarray, "vocab hidden"],
    b_v: Inexact[np.ndarray, " vocab"],
    h: Outputs,
    targets: Targets,
    v: Logits,
) -> np.inexact:
    """F7–F9: fill the logits and return the mean nats per unmasked token."""
    total = v.dtype.type(0)
    columns = np.arange(v.shape[2])
    for t in range(len(h)):
        v[t] = W_v @ h[t] + b_v[:, None]  # F7
        nats = log_sum_exp(v[t]) - v[t][targets.ids[t], columns]  # F8, F9
        total += nats[targets.mask[t]].sum()
    return total / targets.mask.sum(dtype=v.dtype)  # F9


def backward(
    W_v: Float[np.ndarray, "vocab hidden"], targets: Targets, v: Logits, dv: Logits, dh: Outputs
) -> None:
    """B1 into `dv`, and the readout's part of B3 into `dh`."""
    columns = np.arange(v.shape[2])
    for t in range(len(v)):
        dv[t] = np.exp(v[t] - log_sum_exp(v[t]))  # F8
        dv[t][targets.ids[t], columns] -= 1  # B1
        dv[t] *= targets.mask[t] / targets.mask.sum()  # B1
        dh[t] = W_v.T @ dv[t]  # B3


def weight_gradients(
    dv: Logits, h: Outputs
) -> tuple[Float[np.ndarray, "vocab hidden"], Float[np.ndarray, " vocab"]]:
    """B2: dW_v = Σ_t dv_t h_tᵀ and db_v = Σ_t dv_t."""
    dW_v = np.tensordot(dv, h, axes=([0, 2], [0, 2]))  # B2
    db_v = dv.sum(axis=(0, 2))  # B2
    return dW_v, db_v
