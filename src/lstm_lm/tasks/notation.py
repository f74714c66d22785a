"""How the symbols of a task are read and written."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lstm_spec import InputError
from lstm_spec.corpus import UNKNOWN, Vocabulary


class Notation(NamedTuple):
    """Between a text and symbols.

    Attributes:
        split: a text into symbols.
        separator: stands between two symbols in print.
        unit: what losses are also given per: "chars", "words" or "".
        end: the symbol after which a sample stops; "" for none.
    """

    split: Callable[[str], Sequence[str]]
    separator: str = " "
    unit: str = ""
    end: str = ""

    def encode(self, text: str, vocabulary: Vocabulary) -> tuple[np.ndarray, list[str]]:
        """Ids of a text, `(length,)`, and the symbols that became UNK.

        Raises:
            InputError: the text has no symbol, or one that the model has no id for.
        """
        symbols = list(self.split(text))
        if not symbols:
            raise InputError(f"--prime: got {text!r}, expected at least one token to begin with")
        unknown = sorted(set(symbols) - set(vocabulary.symbols))
        if unknown and vocabulary.symbols[0] != UNKNOWN:
            known = ", ".join(vocabulary.symbols)
            raise InputError(f"--prime: got {unknown[0]!r}, expected symbols among {known}")
        return vocabulary.encode(symbols), unknown

    def written(self, symbol: str, before: str = "") -> str:
        """A symbol as it is printed after another, or at the beginning."""
        text = "UNK" if symbol == UNKNOWN else symbol
        return text if before in ("", "\n") or symbol == "\n" else self.separator + text
