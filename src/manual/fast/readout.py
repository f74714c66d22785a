"""Readout and loss for a block of steps at once: F7–F9 and B1–B3, arranged for speed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from lstm_spec import Batch, Config
from manual.fast.gemm import matmul

LIES_BELOW = 48  # size of a vocabulary from which a row of logits is long enough

Outputs = Float[np.ndarray, "n hidden"]


class Targets(NamedTuple):
    """What a block is to predict, and which positions count; None where all do."""

    ids: Integer[np.ndarray, " n"]
    mask: Bool[np.ndarray, " n"] | None


def targets_of(batch: Batch, start: int, end: int) -> Targets:
    """The targets of some steps."""
    mask = None if batch.mask is None else batch.mask[start:end].ravel().astype(bool)
    return Targets(batch.targets[start:end].ravel(), mask)


class Readout:
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
        self._dW_v, self._db_v = empty(vocab, hidden), empty(vocab)

    def begin(self, W_v: np.ndarray) -> None:
        """Transpose W_v."""
        self._W_vT[...] = W_v.T

    def block_loss(
        self, b_v: np.ndarray, h: Outputs, targets: Targets
    ) -> tuple[np.floating, np.ndarray, np.ndarray]:
        """F7–F9: the block's summed nats; exp(v − max v) in scratch memory, and its sums."""
        v, rows = self._v[: len(h)], self._rows[: len(h)]
        if self._lies:
            np.matmul(self._W_vT.T, h.T, out=v.T)
        else:
            matmul(h, self._W_vT, out=v)
        np.add(v, b_v, v)  # F7
        np.subtract(v, np.maximum.reduce(v, axis=1, keepdims=True), v)
        chosen = v[rows, targets.ids]
        np.exp(v, v)
        sums = np.add.reduce(v, axis=1)
        nats = np.log(sums) - chosen  # F8, F9
        return np.add.reduce(nats if targets.mask is None else nats[targets.mask]), v, sums

    def block_backward(
        self,
        W_v: np.ndarray,
        b_v: np.ndarray,
        h: Outputs,
        targets: Targets,
        weight: np.floating,
        dh: Outputs,
        *,
        first: bool,
    ) -> np.floating:
        """B1–B3: adds up dW_v and db_v, leaves dv W_v in `dh`; the block's summed nats.

        `weight` is 1/N, N the unmasked positions of the whole batch. `first`: nothing was added up
        before this block.
        """
        nats, dv, sums = self.block_loss(b_v, h, targets)
        weights = weight if targets.mask is None else targets.mask * weight
        np.multiply(dv, (weights / sums)[:, None], dv)  # F8
        dv[self._rows[: len(h)], targets.ids] -= weights  # B1
        np.matmul(dv.T, h, out=self.dW_v if first else self._dW_v)  # B2
        np.add.reduce(dv, axis=0, out=self.db_v if first else self._db_v)  # B2
        if not first:
            np.add(self.dW_v, self._dW_v, self.dW_v)
            np.add(self.db_v, self._db_v, self.db_v)
        (np.matmul if self._lies else matmul)(dv, W_v, out=dh)  # B3
        return nats
