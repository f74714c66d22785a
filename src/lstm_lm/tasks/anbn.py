"""The task aⁿbⁿ: sequences a…a b…b EOS with n from 1 to 11, equally likely."""

import re
from dataclasses import dataclass, field

import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.tasks.anbn_report import FLOOR, all_anbn, report
from lstm_lm.tasks.notation import Notation
from lstm_spec import Backend, Batch, Params
from lstm_spec.corpus import ANBN_LONGEST, ANBN_TOKENS, Vocabulary, anbn, padded_batch


def notation(options: Options) -> Notation:
    """`aab` and `a a b` are the same three symbols."""
    return Notation(re.compile(r"EOS|UNK|\S").findall, end="EOS")


@dataclass(frozen=True)
class AnBn:
    """As `lstm_lm.tasks.table.Task`."""

    options: Options
    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary(ANBN_TOKENS))
    fingerprint: str = "anbn"
    title: str = f"aⁿbⁿ, n = 1 … {ANBN_LONGEST}"
    # Nats per token: a sequence has 2n targets, 12 on average.
    floor: float | None = FLOOR / (ANBN_LONGEST + 1)

    @property
    def total_steps(self) -> int:
        """As many as asked for."""
        return self.options.steps or 0

    def batch(self, step: int) -> Batch:
        """Sequences drawn at random, padded to the longest there can be."""
        rng = np.random.default_rng([self.options.seed, step])
        lengths = rng.integers(1, ANBN_LONGEST, self.options.batch, endpoint=True)
        return _full_length(padded_batch([anbn(n) for n in lengths]))

    def carries_state(self, step: int) -> bool:
        """Never: each sequence stands alone."""
        return False

    def held_out(self, part: str) -> list[Batch]:
        """All eleven sequences: the loss on them is the exact expectation."""
        return [] if part == "test" else [all_anbn()]

    def findings(self, backend: Backend, params: Params) -> list[str]:
        """Distance from the entropy floor, and which n are continued correctly."""
        return report(backend, params).sentences()


def _full_length(batch: Batch) -> Batch:
    """Pad with masked steps to the longest sequence, so that every batch has one shape."""
    missing = 2 * ANBN_LONGEST - len(batch.tokens)
    tokens, targets, mask = (np.pad(a, ((0, missing), (0, 0))) for a in batch[:3])
    return Batch(tokens, targets, mask)
