"""The task of a text: characters or words of one file, each predicted from those before it."""

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.tasks.notation import Notation
from lstm_spec import Backend, Batch, InputError, Params
from lstm_spec.corpus import Vocabulary, read_text


def notation(options: Options) -> Notation:
    """A text as characters, or as words, punctuation marks and line ends."""
    if options.tokens == "chars":
        return Notation(str, separator="", unit="chars")
    return Notation(re.compile(r"\w+|[^\w\s]|\n").findall, unit="words")


@dataclass(frozen=True)
class Text:
    """As `tasks.table.Task`: one stream of integers, cut into parallel streams and windows."""

    options: Options
    vocabulary: Vocabulary
    fingerprint: str
    train: np.ndarray
    parts: dict[str, np.ndarray]
    floor: float | None = None

    @classmethod
    def read(cls, options: Options) -> "Text":
        """Read the file, split it by fractions, and collect the training part's vocabulary.

        Raises:
            InputError: the file is not readable UTF-8, or too short for one window.
        """
        assert options.data is not None
        text = read_text(options.data)
        stream = notation(options).split(text)
        end = round(len(stream) * (1 - options.validation - options.test))
        middle = round(len(stream) * (1 - options.test))
        vocabulary = Vocabulary.of(stream[:end], least=options.min_count)
        ids = vocabulary.encode(stream)
        parts = {"validation": ids[end:middle], "test": ids[middle:]}
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        task = cls(options, vocabulary, fingerprint, ids[:end], parts)
        task._require_enough()
        return task

    def _require_enough(self) -> None:
        needed = (self.options.batch or 1) * self.options.window + 1
        if len(self.train) < needed:
            plural = "" if len(self.train) == 1 else "s"
            raise InputError(
                f"{self.options.data}: {len(self.train)} token{plural} to train on, expected "
                f"at least {needed}: one window of {self.options.window} steps in each of "
                f"{self.options.batch} streams, and one more; try a smaller --batch or --window"
            )
        if len(self.vocabulary) == 1:
            got = f"got {self.options.min_count}, but no token occurs as often"
            raise InputError(f"--min-count: {got} in the training part")
        for name, ids in self.parts.items():
            if 0 < len(ids) < 2:
                raise InputError(f"--{name}: 1 token of {self.options.data}, expected 2 or more")

    @property
    def title(self) -> str:
        """The file's name."""
        return str(self.options.data)

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

    def findings(self, backend: Backend, params: Params) -> list[str]:
        """Nothing beyond the loss."""
        return []
