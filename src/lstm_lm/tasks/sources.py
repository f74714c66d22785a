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


class Source(Protocol):
    """Where streams come from."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Of the training part."""

    @property
    def fingerprint(self) -> str:
        """Changes when the text does."""

    @property
    def tokens(self) -> dict[str, int]:
        """How many each part has."""

    def read(self, part: str, shape: Shape, columns: range) -> np.ndarray:
        """Ids of these streams and the token behind them, `(len(columns) · length + 1,)` int64."""


class Whole(NamedTuple):
    """All of a text.

    Attributes:
        vocabulary, fingerprint: as `Source`.
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
        """As `Source`."""
        return {name: len(part) for name, part in self.parts.items()}

    def read(self, part: str, shape: Shape, columns: range) -> np.ndarray:
        """As `Source`."""
        here = self.parts[part][columns.start * shape.length : columns.stop * shape.length + 1]
        return self.vocabulary.encode(self.symbols[here.start : here.stop])


class Index(NamedTuple):
    """What must be known of a text to read some of its streams.

    Attributes:
        vocabulary, fingerprint, tokens: as `Source`.
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


class Indexed(NamedTuple):
    """A text of which no more is read than the streams that are asked for.

    Attributes:
        known: of the text.
        path: where it is.
        notation: its.
    """

    known: Index
    path: Path
    notation: Notation

    @property
    def vocabulary(self) -> Vocabulary:
        """As `Source`."""
        return self.known.vocabulary

    @property
    def fingerprint(self) -> str:
        """As `Source`."""
        return self.known.fingerprint

    @property
    def tokens(self) -> dict[str, int]:
        """As `Source`."""
        return self.known.tokens

    def read(self, part: str, shape: Shape, columns: range) -> np.ndarray:
        """As `Source`.

        Raises:
            InputError: the file is not the one that the leading process has read.
        """
        bounds = self.known.bounds[part]
        (begin, _), (_, end) = bounds[columns.start], bounds[columns.stop]
        symbols = self.notation.split(_text(self.path, begin, end))
        expected = len(columns) * shape.length + 1
        if len(symbols) != expected:
            got = f"{len(symbols)} tokens in bytes {begin} to {end}, expected {expected}"
            raise InputError(f"{self.path}: {got}; not the text that process 0 has read")
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
