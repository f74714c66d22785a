"""Readout and loss for a block of steps at once: F7–F9 and B1–B3, arranged for speed."""

import numpy as np
from jaxtyping import Float

from lstm_spec import Config
from manual.gemm import matmul
from manual.readout import Targets

LIES_BELOW = 48  # size of a vocabulary from which a row of logits is long enough

Outputs = Float[np.ndarray, "n hidden"]


class FusedReadout:
    """Scratch memory for a block, and the gradients as they add up.

    Arrays of a block have a row for each step and sequence, `rows` at most. In memory the logits of
    a small vocabulary lie the other way round, so that loops over them are long ones.
    """

    def __init__(self, config: Config, rows: int) -> None:
        hidden, vocab = config.hidden_size, config.vocab_size

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self._lies = vocab < LIES_BELOW
        self._v = empty(vocab, rows).T if self._lies else empty(rows, vocab)
        self._W_vT, self._rows = empty(hidden, vocab), np.arange(rows)
        self.dW_v, self.db_v = empty(vocab, hidden), empty(vocab)
        self._dW_v = empty(vocab, hidden)

    def begin(self, W_v: np.ndarray) -> None:
        """Set the gradients to zero, and transpose W_v."""
        self._W_vT[...] = W_v.T
        self.dW_v[...] = 0
        self.db_v[...] = 0

    def block_loss(
        self, b_v: np.ndarray, h: Outputs, targets: Targets
    ) -> tuple[np.floating, np.ndarray, np.ndarray]:
        """F7–F9: the block's summed nats; exp(v − max v) in scratch memory, and its sums."""
        v, rows = self._v[: len(h)], self._rows[: len(h)]
        if self._lies:
            np.matmul(self._W_vT.T, h.T, out=v.T)
        else:
            matmul(h, self._W_vT, out=v)
        np.add(v, b_v, out=v)  # F7
        np.subtract(v, v.max(axis=1, keepdims=True), out=v)
        chosen = v[rows, targets.ids.ravel()]
        np.exp(v, out=v)
        sums = v.sum(axis=1)
        nats = np.log(sums) - chosen  # F8, F9
        return nats[targets.mask.ravel()].sum(), v, sums

    def block_backward(
        self,
        W_v: np.ndarray,
        b_v: np.ndarray,
        h: Outputs,
        targets: Targets,
        weight: float,
        dh: Outputs,
    ) -> np.floating:
        """B1–B3: adds to dW_v and db_v, leaves dv W_v in `dh`; the block's summed nats.

        `weight` is 1/N, N the unmasked positions of the whole batch.
        """
        nats, dv, sums = self.block_loss(b_v, h, targets)
        weights = targets.mask.ravel() * dv.dtype.type(weight)
        np.multiply(dv, (weights / sums)[:, None], out=dv)  # F8
        dv[self._rows[: len(h)], targets.ids.ravel()] -= weights  # B1
        np.matmul(dv.T, h, out=self._dW_v)
        np.add(self.dW_v, self._dW_v, out=self.dW_v)  # B2
        np.add(self.db_v, dv.sum(axis=0), out=self.db_v)  # B2
        (np.matmul if self._lies else matmul)(dv, W_v, out=dh)  # B3
        return nats
