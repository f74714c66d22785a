"""The task of a text: characters or words of one file, each predicted from those before it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.peers import Peers
from lstm_lm.tasks.notation import Notation
from lstm_lm.tasks.sources import Index, Known, Whole
from lstm_lm.tasks.streams import Shape, Streams
from lstm_spec import Backend, Batch, InputError, Params
from lstm_spec.corpus import Vocabulary


def notation(options: Options) -> Notation:
    """A text as characters, or as words, punctuation marks and line ends."""
    if options.tokens == "chars":
        return Notation(str, separator="", unit="chars")
    return Notation(re.compile(r"\w+|[^\w\s]|\n").findall, unit="words")


@dataclass(frozen=True)
class Text:
    """As `tasks.table.Task`: a stream of integers, cut into parallel streams and windows."""

    options: Options
    vocabulary: Vocabulary
    fingerprint: str
    parts: dict[str, Streams]
    floor: float | None = None

    @classmethod
    def read(cls, options: Options) -> "Text":
        """Read the file.

        Raises:
            InputError: it is not readable UTF-8, or too short for one window.
        """
        whole = Whole.of(options, notation(options))
        return cls._of(whole, whole.read, options, range)

    @classmethod
    def split(cls, options: Options, peers: Peers) -> "Text":
        """Read the streams that this process needs.

        Raises:
            InputError: as `read`, in every process.
        """
        assert options.data is not None
        noted = notation(options)
        index = peers.shared(lambda: Index.of(Whole.of(options, noted), options))
        read = partial(index.read, options.data, noted)
        return cls._of(index, read, options, partial(peers.columns, options.mesh))

    @classmethod
    def _of(
        cls, known: Known, read: Callable[[str, Shape, range], np.ndarray], options: Options,
        needed: Callable[[int], range],
    ) -> "Text":  # fmt: skip
        _require_enough(known, options)
        parts = {}
        for name, tokens in known.tokens.items():
            shape = Shape.of(name, tokens, options)
            columns = needed(shape.size) if shape.length else range(0)
            flat = read(name, shape, columns) if columns else np.zeros(0, np.int64)
            parts[name] = Streams.of(tokens, shape, columns, flat)
        return cls(options, known.vocabulary, known.fingerprint, parts)

    @property
    def title(self) -> str:
        """The file's name."""
        return str(self.options.data)

    @property
    def windows(self) -> int:
        """Windows, and so updates, in one epoch."""
        return self.parts["training"].shape.length // self.options.window

    @property
    def total_steps(self) -> int:
        """Updates of the run."""
        return self.options.steps or max(1, round((self.options.epochs or 0) * self.windows))

    def batch(self, step: int) -> Batch:
        """The next window of every stream."""
        window = self.options.window
        return Batch(*self.parts["training"].window(step % self.windows * window, window))

    def carries_state(self, step: int) -> bool:
        """Within an epoch; at its start every stream begins anew."""
        return step % self.windows > 0

    def held_out(self, part: str) -> list[Batch]:
        """Windows that cover the part once; the last is padded and masked."""
        streams, window = self.parts[part], self.options.window
        size, length = streams.shape
        rows = np.arange(-(-length // window) * window)
        mask = np.broadcast_to((rows < length)[:, None], (len(rows), size))
        return [
            Batch(*streams.window(start, window), mask[start : start + window])
            for start in rows[::window]
        ]

    def findings(self, backend: Backend, params: Params) -> list[str]:
        """Nothing beyond the loss."""
        return []


def _require_enough(known: Known, options: Options) -> None:
    training = known.tokens["training"]
    needed = (options.batch or 1) * options.window + 1
    if training < needed:
        plural = "" if training == 1 else "s"
        raise InputError(
            f"{options.data}: {training} token{plural} to train on, expected "
            f"at least {needed}: one window of {options.window} steps in each of "
            f"{options.batch} streams, and one more; try a smaller --batch or --window"
        )
    if len(known.vocabulary) == 1:
        got = f"got {options.min_count}, but no token occurs as often"
        raise InputError(f"--min-count: {got} in the training part")
    for name, tokens in known.tokens.items():
        if tokens == 1:
            raise InputError(f"--{name}: 1 token of {options.data}, expected 2 or more")
