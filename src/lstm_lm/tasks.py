"""What there is to learn: aⁿbⁿ, or a text.

A task hands out batches by step, so that a run can be resumed anywhere; all that
is random in one depends on the seed and the step alone. Another task needs no
more than the methods of `Task`.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from lstm_lm.options import Options
from lstm_spec import Batch, InputError
from lstm_spec.corpus import (
    ANBN_LONGEST,
    ANBN_TOKENS,
    Vocabulary,
    anbn,
    padded_batch,
    read_text,
)


class Task(Protocol):
    """What the training loop asks of a task."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Symbols by id."""

    @property
    def total_steps(self) -> int:
        """Updates of the run."""

    @property
    def fingerprint(self) -> str:
        """Changes when the data change."""

    @property
    def separator(self) -> str:
        """What stands between two symbols in print."""

    def batch(self, step: int) -> Batch:
        """Tokens, targets and mask of an update."""

    def carries_state(self, step: int) -> bool:
        """Whether the update goes on from the state that the one before ended in."""

    def held_out(self, part: str) -> list[Batch]:
        """Consecutive windows of "validation" or "test", states carried along; may be empty."""

    def encode(self, text: str) -> np.ndarray:
        """Ids of a text that a sample begins with, `(length,)`."""


@dataclass(frozen=True)
class AnBn:
    """Sequences a…a b…b EOS with n from 1 to 11, equally likely."""

    options: Options
    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary(ANBN_TOKENS))
    fingerprint: str = "anbn"
    separator: str = " "

    @property
    def total_steps(self) -> int:
        """Updates of the run."""
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

    def encode(self, text: str) -> np.ndarray:
        """Ids of `aab`, or `a a b`."""
        return self.vocabulary.encode(re.findall(r"EOS|\S", text))


def all_anbn() -> Batch:
    """Every sequence of the task once, n = 1 … 11."""
    return padded_batch([anbn(n) for n in range(1, ANBN_LONGEST + 1)])


def _full_length(batch: Batch) -> Batch:
    """Pad with masked steps to the longest sequence, so that every batch has one shape."""
    missing = 2 * ANBN_LONGEST - len(batch.tokens)
    tokens, targets, mask = (np.pad(a, ((0, missing), (0, 0))) for a in batch[:3])
    return Batch(tokens, targets, mask)


@dataclass(frozen=True)
class Text:
    """A text as one stream of integers, cut into parallel streams and windows."""

    options: Options
    vocabulary: Vocabulary
    fingerprint: str
    separator: str
    train: np.ndarray
    parts: dict[str, np.ndarray]

    @classmethod
    def read(cls, options: Options) -> "Text":
        """Read the file, split it by fractions, and collect the training part's vocabulary.

        Raises:
            InputError: the file is not readable UTF-8, or too short for one window.
        """
        assert options.data is not None
        text = read_text(options.data)
        stream = split(text, options.tokens)
        end = round(len(stream) * (1 - options.validation - options.test))
        middle = round(len(stream) * (1 - options.test))
        vocabulary = Vocabulary.of(stream[:end], least=options.min_count)
        ids = vocabulary.encode(stream)
        parts = {"validation": ids[end:middle], "test": ids[middle:]}
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        separator = "" if options.tokens == "chars" else " "
        task = cls(options, vocabulary, fingerprint, separator, ids[:end], parts)
        task._require_a_window()
        return task

    def _require_a_window(self) -> None:
        needed = (self.options.batch or 1) * self.options.window + 1
        if len(self.train) < needed:
            raise InputError(
                f"{self.options.data}: {len(self.train)} tokens to train on, expected at least "
                f"{needed}: one window of {self.options.window} steps in each of "
                f"{self.options.batch} streams, and one more; try a smaller --batch or --window"
            )
        for name, ids in self.parts.items():
            if 0 < len(ids) < 2:
                raise InputError(f"--{name}: 1 token of {self.options.data}, expected 2 or more")

    @property
    def windows(self) -> int:
        """Windows, and so updates, in one epoch."""
        return (len(self.train) - 1) // ((self.options.batch or 1) * self.options.window)

    @property
    def total_steps(self) -> int:
        """Updates of the run."""
        return self.options.steps or max(1, round((self.options.epochs or 0) * self.windows))

    def batch(self, step: int) -> Batch:
        """The next window of every stream."""
        size, window = self.options.batch or 1, self.options.window
        length = self.windows * window
        start = (step % self.windows) * window
        rows = start + np.arange(window)[:, None]
        positions = np.arange(size) * length + rows
        return Batch(self.train[positions], self.train[positions + 1])

    def carries_state(self, step: int) -> bool:
        """Within an epoch; at its start every stream begins anew."""
        return step % self.windows > 0

    def held_out(self, part: str) -> list[Batch]:
        """Windows that cover the part once; the last is padded and masked."""
        ids, window = self.parts[part], self.options.window
        if len(ids) < 2:
            return []
        size = max(1, min(self.options.batch or 1, (len(ids) - 1) // window))
        length = (len(ids) - 1) // size
        rows = np.arange(-(-length // window) * window)
        positions = np.minimum(rows, length - 1)[:, None] + np.arange(size) * length
        mask = np.broadcast_to((rows < length)[:, None], positions.shape)
        whole = Batch(ids[positions], ids[positions + 1], mask)
        return [
            Batch(*(array[s : s + window] for array in whole[:3]))
            for s in range(0, len(rows), window)
        ]

    def encode(self, text: str) -> np.ndarray:
        """Ids of the text's tokens."""
        return self.vocabulary.encode(split(text, self.options.tokens))


def split(text: str, tokens: str) -> list[str] | str:
    """A text as characters, or as words, punctuation marks and line ends."""
    return text if tokens == "chars" else re.findall(r"\w+|[^\w\s]|\n", text)


def make_task(options: Options) -> Task:
    """The task that the options name.

    Raises:
        InputError: its data cannot be used.
    """
    return Text.read(options) if options.task == "text" else AnBn(options)


def dropout_factors(options: Options, step: int, time: int) -> np.ndarray | None:
    """Factors on what passes between layers at an update: 0, or 1/(1 − rate)."""
    if options.dropout == 0 or options.layers == 1:
        return None
    rng = np.random.default_rng([options.seed, step, 1])
    shape = ((options.layers or 1) - 1, time, options.hidden or 1, options.batch or 1)
    kept = rng.random(shape, dtype=np.float32) >= options.dropout
    return kept.astype(options.dtype) / np.dtype(options.dtype).type(1 - options.dropout)
