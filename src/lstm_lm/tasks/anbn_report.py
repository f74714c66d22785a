"""How well a model has learnt aⁿbⁿ."""

import math
from typing import NamedTuple

import numpy as np

from lstm_spec import Backend, Batch, Params
from lstm_spec.corpus import ANBN_LONGEST, anbn, padded_batch

FLOOR = math.log(ANBN_LONGEST)  # nats per sequence: n itself cannot be foreseen
FARTHEST = 100


class AnBnReport(NamedTuple):
    """What was found.

    Attributes:
        nats: the exact expected loss, nats per sequence.
        correct: which n from 1 to 11 are continued correctly from the first b on.
        reach: the largest n up to which every longer sequence is continued correctly too.
    """

    nats: float
    correct: list[int]
    reach: int

    def sentences(self) -> list[str]:
        """For people."""
        above = 100 * (self.nats / FLOOR - 1)
        further = f"up to n = {self.reach}" + (" or more" if self.reach == FARTHEST else "")
        return [
            f"expected loss {self.nats:.4f} nats/sequence, "
            f"{above:.2f} % above the entropy floor ln {ANBN_LONGEST} = {FLOOR:.4f}",
            f"{len(self.correct)} of {ANBN_LONGEST} continued correctly from the first b on, "
            f"and every n {further}",
        ]


def all_anbn() -> Batch:
    """Every sequence of the task once, n = 1 … 11."""
    return padded_batch([anbn(n) for n in range(1, ANBN_LONGEST + 1)])


def report(backend: Backend, params: Params) -> AnBnReport:
    """Measure a model."""
    batch = all_anbn()
    assert batch.mask is not None
    nats = float(backend.loss(params, batch).loss) * float(batch.mask.sum()) / ANBN_LONGEST
    longest = padded_batch([anbn(n) for n in range(1, FARTHEST + 1)])
    right = _continued_correctly(backend, params, longest)
    wrong = np.flatnonzero(~right)
    reach = FARTHEST if len(wrong) == 0 else int(wrong[0])
    return AnBnReport(nats, [n + 1 for n in range(ANBN_LONGEST) if right[n]], reach)


def _continued_correctly(backend: Backend, params: Params, batch: Batch) -> np.ndarray:
    """For each sequence, whether greedy decoding from its first b on yields the rest, `(batch,)`.

    The right tokens are fed in; up to the first mistake that is what decoding does.
    """
    assert batch.mask is not None
    state = None  # all zero
    right = np.ones(batch.tokens.shape[1], bool)
    for tokens, targets, mask in zip(batch.tokens, batch.targets, batch.mask, strict=True):
        logits, state = backend.step(params, tokens, state)
        guesses = np.argmax(np.asarray(logits), axis=0)
        judged = mask & (tokens == 1)
        right &= ~judged | (guesses == targets)
    return right
