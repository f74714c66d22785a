"""How a step's products are cut into pieces: by rule, or as was measured to be quicker somewhere.

Written, a measured piece reads `1024x1024:64x256`: a product with a matrix of 1024 × 1024 in pieces
of 256 columns and 64 rows, or as many fewer as divide a batch. Another cut is another order of
summation: results differ by rounding; the same pieces on the same machine give the same bits.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lstm_spec import InputError
from manual.fast import gemm

RULE, MEASURED = "rule", "measured"
WRITTEN = re.compile(r"(\d+)x(\d+):(\d+)x(\d+)")


class Factor(NamedTuple):
    """The shape of what a product multiplies by, for one gate."""

    inner: int
    columns: int


class Piece(NamedTuple):
    """What of the result one call of a kernel computes."""

    rows: int
    columns: int


Pieces = Mapping[Factor, Piece]
BY_RULE: Pieces = {}


def piece(rows: int, factor: Factor, measured: Pieces) -> Piece:
    """How a product of `(rows, inner)` and the factor is cut."""
    found = measured.get(factor)
    if found is None:
        return by_rule(rows, factor)
    return Piece(gemm.fewer(rows, found.rows), found.columns)


def by_rule(rows: int, factor: Factor) -> Piece:
    """What the sizes say, on a machine with small kernels."""
    columns = gemm.piece_width(factor.columns)
    return Piece(gemm.piece_height(rows, factor.inner, columns), columns)


def written(pieces: Pieces) -> str:
    """As an option has it; `rule` where nothing was measured to be quicker."""
    return " ".join(f"{times(factor)}:{times(piece)}" for factor, piece in pieces.items()) or RULE


def times(numbers: Iterable[int]) -> str:
    """64x256."""
    return "x".join(map(str, numbers))


def read(text: str) -> Pieces:
    """The pieces of such a text; factors that it does not name are cut by rule.

    Raises:
        InputError: it is no such text, or a piece does not divide its factor.
    """
    return BY_RULE if text == RULE else dict(_read(word) for word in text.split())


def _read(word: str) -> tuple[Factor, Piece]:
    found = WRITTEN.fullmatch(word)
    if found is None:
        expected = f"{MEASURED}, {RULE} or the like of 1024x1024:64x256"
        raise InputError(f"pieces: got {word!r}, expected {expected}")
    numbers = [int(number) for number in found.groups()]
    factor, piece = Factor(*numbers[:2]), Piece(*numbers[2:])
    if 0 in numbers or factor.columns % piece.columns:
        raise InputError(f"pieces: got {word}, expected columns that divide {factor.columns}")
    return factor, piece
