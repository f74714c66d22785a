"""A text, read whole; or by several processes, none of which but the leading one reads all of it.

That one tells the others what the text's symbols are and where in the file each stream begins.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.tasks.notation import Notation
from lstm_lm.tasks.streams import Shape
from lstm_spec import InputError
from lstm_spec.corpus import Vocabulary, read_text

PARTS = ("training", "validation", "test")


class Known(Protocol):
    """What every process knows of a text."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Of the training part."""

    @property
    def fingerprint(self) -> str:
        """Changes when the text does."""

    @property
    def tokens(self) -> dict[str, int]:
        """How many each part has."""


class Whole(NamedTuple):
    """All of a text.

    Attributes:
        vocabulary, fingerprint: as `Known`.
        text: what is in the file.
        symbols: into which it is split.
        parts: where each part begins and ends among them.
    """

    vocabulary: Vocabulary
    fingerprint: str
    text: str
    symbols: Sequence[str]
    parts: dict[str, range]

    @classmethod
    def of(cls, options: Options, notation: Notation) -> "Whole":
        """Read the file, split it by fractions, and collect the training part's vocabulary.

        Raises:
            InputError: the file is not readable UTF-8.
        """
        assert options.data is not None
        text = read_text(options.data)
        symbols = notation.split(text)
        end = round(len(symbols) * (1 - options.validation - options.test))
        middle = round(len(symbols) * (1 - options.test))
        parts = (range(end), range(end, middle), range(middle, len(symbols)))
        vocabulary = Vocabulary.of(symbols[:end], least=options.min_count)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return cls(vocabulary, fingerprint, text, symbols, dict(zip(PARTS, parts, strict=True)))

    @property
    def tokens(self) -> dict[str, int]:
        """As `Known`."""
        return {name: len(part) for name, part in self.parts.items()}

    def read(self, part: str, shape: Shape, columns: range) -> np.ndarray:
        """Ids of these streams and the token behind them, `(len(columns) · length + 1,)` int64."""
        here = self.parts[part][columns.start * shape.length : columns.stop * shape.length + 1]
        return self.vocabulary.encode(self.symbols[here.start : here.stop])


class Index(NamedTuple):
    """What must be known of a text to read some of its streams.

    Attributes:
        vocabulary, fingerprint, tokens: as `Known`.
        bounds: of each part, the bytes at which every `length`-th token begins and ends.
    """

    vocabulary: Vocabulary
    fingerprint: str
    tokens: dict[str, int]
    bounds: dict[str, list[tuple[int, int]]]

    @classmethod
    def of(cls, whole: Whole, options: Options) -> "Index":
        """Of a text that this process has read."""
        wanted = {name: _wanted(name, part, options) for name, part in whole.parts.items()}
        found = _bytes(whole.text, whole.symbols, {i for part in wanted.values() for i in part})
        bounds = {name: [found[i] for i in part] for name, part in wanted.items()}
        return cls(whole.vocabulary, whole.fingerprint, whole.tokens, bounds)

    def read(
        self, path: Path, notation: Notation, part: str, shape: Shape, columns: range
    ) -> np.ndarray:
        """As `Whole.read`, and nothing else of the file.

        Raises:
            InputError: the file is not the one that the leading process has read.
        """
        (begin, _), (_, end) = self.bounds[part][columns.start], self.bounds[part][columns.stop]
        symbols = notation.split(_text(path, begin, end))
        expected = len(columns) * shape.length + 1
        if len(symbols) != expected:
            got = f"{len(symbols)} tokens in bytes {begin} to {end}, expected {expected}"
            raise InputError(f"{path}: {got}; not the text that process 0 has read")
        return self.vocabulary.encode(symbols)


def _wanted(name: str, part: range, options: Options) -> range:
    """The tokens at which streams begin, and the one that ends the last of them."""
    shape = Shape.of(name, len(part), options)
    if not shape.length:
        return range(0)
    return range(part.start, part.start + shape.size * shape.length + 1, shape.length)


def _bytes(text: str, symbols: Sequence[str], wanted: set[int]) -> dict[int, tuple[int, int]]:
    """Where symbols of these numbers begin and end in UTF-8."""
    found, done, passed = {}, 0, 0
    for number, begin, end in _places(text, symbols, wanted):
        passed += len(text[done:begin].encode())
        done = begin
        found[number] = (passed, passed + len(text[begin:end].encode()))
    return found


def _places(
    text: str, symbols: Sequence[str], wanted: set[int]
) -> Iterator[tuple[int, int, int]]:  # fmt: skip
    """Symbols in their order, and which characters they are."""
    if symbols == text:  # each is a character
        yield from ((number, number, number + 1) for number in sorted(wanted))
        return
    end = 0
    for number, symbol in enumerate(symbols):
        begin = text.index(symbol, end)
        end = begin + len(symbol)
        if number in wanted:
            yield number, begin, end


def _text(path: Path, begin: int, end: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(end - begin).decode("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not the text that process 0 has read") from error
