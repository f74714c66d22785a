"""Marks beyond ASCII, for terminals that cannot show them."""

import codecs
import io
import sys
from collections.abc import Callable

_BOXES = dict.fromkeys("─━╌╍┄┅┈┉═╴╶╸╺╼╾", "-") | dict.fromkeys("│┃╎╏┆┇┊┋║╵╷╹╻╽╿", "|")
_CORNERS = {chr(code): "+" for code in range(0x2500, 0x2580)}
_WORDS = {
    "✓": "+", "✗": "x", "→": "->", "←": "<-", "…": "...", "–": "-", "—": "-", "−": "-",
    "×": "x", "·": ".", "•": "*", "±": "+-", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~",
    "⊙": "*", "Σ": "sum", "σ": "sigma", "∞": "inf", "ŷ": "y^", "ᵀ": "^T", "ⁿ": "^n", "²": "^2",
    "“": '"', "”": '"', "‘": "'", "’": "'", "░": ":", "▒": "%", "▓": "@", "█": "#",
}  # fmt: skip
ASCII = _CORNERS | _BOXES | _WORDS


def plain_where_needed() -> None:
    """Have standard output and standard error write a mark in ASCII where they cannot encode it.

    What is no mark of ours becomes "?" on standard output; on standard error, where it may be part
    of a file's name, its code.
    """
    for stream, otherwise in ((sys.stdout, "replace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=f"marks, else {otherwise}")


def _instead(otherwise: str) -> Callable[[UnicodeError], tuple[str | bytes, int]]:
    """A handler for `codecs`: the first character in ASCII, and where to go on."""

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        end = error.start + 1
        known = ASCII.get(error.object[error.start])
        if known is not None:
            return known, end
        first = UnicodeEncodeError(error.encoding, error.object, error.start, end, error.reason)
        return codecs.lookup_error(otherwise)(first)

    return handle


for _otherwise in ("replace", "backslashreplace"):
    codecs.register_error(f"marks, else {_otherwise}", _instead(_otherwise))
