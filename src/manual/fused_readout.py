"""Readout and loss for a block of steps at once: F7–F9 and B1–B3, arranged for speed."""

import numpy as np
from jaxtyping import Float

from lstm_spec import Config
from manual.readout import Targets

Outputs = Float[np.ndarray, "steps hidden batch"]


class FusedReadout:
    """Scratch memory for a block of steps, and the gradients as they add up.

    Arrays of a block are `(rows, n)` with a column for each step and sequence.
    """

    def __init__(self, config: Config, block: int, batch: int) -> None:
        hidden, vocab, n = config.hidden_size, config.vocab_size, block * batch

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self._h, self._v, self._dh = empty(hidden * n), empty(vocab * n), empty(hidden * n)
        self._n = np.arange(n)
        self.dW_v, self.db_v = empty(vocab, hidden), empty(vocab)
        self._dW_v = empty(vocab, hidden)

    def block_loss(
        self, W_v: np.ndarray, b_v: np.ndarray, h: Outputs, targets: Targets
    ) -> tuple[np.floating, np.ndarray, np.ndarray]:
        """F7–F9: the block's summed nats; h and exp(v − max v) by column, in scratch memory."""
        steps, hidden, batch = h.shape
        n = steps * batch
        columns = self._h[: hidden * n].reshape(hidden, n)
        np.copyto(columns.reshape(hidden, steps, batch), h.transpose(1, 0, 2))
        v = self._v[: len(b_v) * n].reshape(-1, n)
        np.matmul(W_v, columns, out=v)
        np.add(v, b_v[:, None], out=v)  # F7
        np.subtract(v, v.max(axis=0), out=v)
        chosen = v[targets.ids.ravel(), self._n[:n]]
        np.exp(v, out=v)
        nats = np.log(v.sum(axis=0)) - chosen  # F8, F9
        return nats[targets.mask.ravel()].sum(), columns, v

    def block_backward(
        self, W_v: np.ndarray, b_v: np.ndarray, h: Outputs, targets: Targets, weight: float
    ) -> tuple[np.floating, Outputs]:
        """B1–B3: adds to dW_v and db_v; returns the block's summed nats and W_vᵀ dv.

        `weight` is 1/N, N the unmasked positions of the whole batch.
        """
        nats, columns, dv = self.block_loss(W_v, b_v, h, targets)
        weights = targets.mask.ravel() * dv.dtype.type(weight)
        np.multiply(dv, weights / dv.sum(axis=0), out=dv)  # F8
        dv[targets.ids.ravel(), self._n[: dv.shape[1]]] -= weights  # B1
        np.matmul(dv, columns.T, out=self._dW_v)
        np.add(self.dW_v, self._dW_v, out=self.dW_v)  # B2
        np.add(self.db_v, dv.sum(axis=1), out=self.db_v)  # B2
        steps, hidden, batch = h.shape
        dh = self._dh[: hidden * dv.shape[1]].reshape(hidden, -1)
        np.matmul(W_v.T, dv, out=dh)  # B3
        return nats, dh.reshape(hidden, steps, batch).transpose(1, 0, 2)

    def begin(self) -> None:
        """Set the gradients to zero."""
        self.dW_v[...] = 0
        self.db_v[...] = 0
