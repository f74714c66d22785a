"""Readout and loss for a block of steps at once: F7–F9 and B1–B3, arranged for speed."""

import numpy as np
from jaxtyping import Float

from lstm_spec import Config
from manual.gemm import matmul
from manual.readout import Targets

Outputs = Float[np.ndarray, "steps hidden batch"]


class FusedReadout:
    """Scratch memory for a block of steps, and the gradients as they add up.

    Logits of a block are `(vocab, n)` with a column for each step and sequence, so that what
    is done to them has long rows.
    """

    def __init__(self, config: Config, block: int, batch: int) -> None:
        hidden, vocab, n = config.hidden_size, config.vocab_size, block * batch

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self._v, self._dh = empty(vocab * n), empty(block, hidden, batch)
        self._n, self._W_vT = np.arange(n), empty(hidden, vocab)
        self.dW_v, self.db_v = empty(vocab, hidden), empty(vocab)
        self._dW_v = empty(vocab, hidden)

    def block_loss(
        self, W_v: np.ndarray, b_v: np.ndarray, h: Outputs, targets: Targets
    ) -> tuple[np.floating, np.ndarray]:
        """F7–F9: the block's summed nats; exp(v − max v), in scratch memory."""
        steps, _, batch = h.shape
        v = self._v[: len(b_v) * steps * batch].reshape(len(b_v), -1)
        matmul(W_v, h, out=_by_step(v, steps))
        np.add(v, b_v[:, None], out=v)  # F7
        np.subtract(v, v.max(axis=0), out=v)
        chosen = v[targets.ids.ravel(), self._n[: steps * batch]]
        np.exp(v, out=v)
        nats = np.log(v.sum(axis=0)) - chosen  # F8, F9
        return nats[targets.mask.ravel()].sum(), v

    def block_backward(
        self,
        W_v: np.ndarray,
        b_v: np.ndarray,
        h: Outputs,
        hT: Float[np.ndarray, "n hidden"],
        targets: Targets,
        weight: float,
    ) -> tuple[np.floating, Outputs]:
        """B1–B3: adds to dW_v and db_v; returns the block's summed nats and W_vᵀ dv.

        `hT` is h with a row for each step and sequence; `weight` is 1/N, N the unmasked
        positions of the whole batch.
        """
        nats, dv = self.block_loss(W_v, b_v, h, targets)
        weights = targets.mask.ravel() * dv.dtype.type(weight)
        np.multiply(dv, weights / dv.sum(axis=0), out=dv)  # F8
        dv[targets.ids.ravel(), self._n[: dv.shape[1]]] -= weights  # B1
        matmul(dv, hT, out=self._dW_v)
        np.add(self.dW_v, self._dW_v, out=self.dW_v)  # B2
        np.add(self.db_v, dv.sum(axis=1), out=self.db_v)  # B2
        dh = self._dh[: len(h)]
        matmul(self._W_vT, _by_step(dv, len(h)), out=dh)  # B3
        return nats, dh

    def begin(self, W_v: np.ndarray) -> None:
        """Set the gradients to zero, and transpose W_v."""
        self._W_vT[...] = W_v.T
        self.dW_v[...] = 0
        self.db_v[...] = 0


def _by_step(v: np.ndarray, steps: int) -> np.ndarray:
    """A view of `(vocab, n)` as `(steps, vocab, batch)`."""
    return v.reshape(len(v), steps, -1).transpose(1, 0, 2)
