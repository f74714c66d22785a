"""Token sequences: the aⁿbⁿ task, and characters of a text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lstm_spec.batch import Batch
from lstm_spec.errors import InputError

ANBN_TOKENS = ("a", "b", "EOS", "UNK")
ANBN_LONGEST = 11
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def anbn(n: int) -> list[int]:
    """The sequence a…a b…b EOS with n of each, as ids into `ANBN_TOKENS`."""
    return [0] * n + [1] * n + [2]


def padded_batch(sequences: Sequence[Sequence[int]], pad: int = 0) -> Batch:
    """Sequences of unequal length side by side, each predicting its next token.

    The padding is masked, so what it holds reaches neither loss nor gradients.

    Raises:
        InputError: a sequence has fewer than two tokens, so nothing to predict.
    """
    lengths = [len(sequence) - 1 for sequence in sequences]
    if not lengths or min(lengths) < 1:
        raise InputError("sequences: expected at least one, each of two or more tokens")
    tokens = np.full((max(lengths), len(sequences)), pad)
    targets = np.full_like(tokens, pad)
    for column, sequence in enumerate(sequences):
        tokens[: lengths[column], column] = sequence[:-1]
        targets[: lengths[column], column] = sequence[1:]
    return Batch(tokens, targets, np.arange(max(lengths))[:, None] < np.array(lengths))


def read_text(path: Path) -> str:
    """Read a UTF-8 file.

    Raises:
        InputError: it cannot be read, is not UTF-8 (says at which byte), or is empty.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(
            f"{path}: not UTF-8: byte {byte:#04x} at offset {error.start}, expected UTF-8 text"
        ) from error
    if not text:
        raise InputError(f"{path}: empty, expected UTF-8 text")
    return text


def interpreter_text() -> str:
    """465 kB of English that ships with every Python: the help topics of `pydoc`."""
    from pydoc_data.topics import topics

    return "".join(topics[name] for name in sorted(topics))


class Vocabulary:
    """Symbols and their ids, the most frequent first; id 0 stands for all others."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        self._ids = {symbol: index for index, symbol in enumerate(self.symbols)}

    @classmethod
    def of(cls, stream: Iterable[str], largest: int | None = None, least: int = 1) -> "Vocabulary":
        """Collect the symbols that occur at least `least` times, at most `largest` in all."""
        counts = Counter(stream)
        kept = [symbol for symbol in counts if counts[symbol] >= least and symbol != UNKNOWN]
        kept.sort(key=lambda symbol: (-counts[symbol], symbol))
        return cls((UNKNOWN, *kept)[:largest])

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, stream: Iterable[str]) -> np.ndarray:
        """Ids of symbols, `(length,)` int64."""
        return np.array([self._ids.get(symbol, 0) for symbol in stream], dtype=np.int64)
