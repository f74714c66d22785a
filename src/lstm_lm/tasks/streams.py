"""Parts of a text as parallel streams, each of which goes on where the one before it ends."""

from typing import NamedTuple

import numpy as np

from lstm_lm.config.options import Options


class Shape(NamedTuple):
    """How a part is cut: stream k begins at token k · length and has `length` steps.

    Attributes:
        size: how many streams.
        length: of each, in steps; its last target is the first token of the next.
    """

    size: int
    length: int

    @classmethod
    def of(cls, part: str, tokens: int, options: Options) -> "Shape":
        """Of "training": whole windows for every stream. Of other parts: as much as there is."""
        size, window = options.batch or 1, options.window
        if part == "training":
            return cls(size, (tokens - 1) // (size * window) * window)
        size = max(1, min(size, (tokens - 1) // window))
        return cls(size, max(0, tokens - 1) // size)


class Streams(NamedTuple):
    """The streams of a part, or those of them that this process needs.

    Attributes:
        tokens: how many the part has.
        shape: how it is cut.
        columns: the streams that are here.
        ids: theirs, `(length + 1, len(columns))`.
    """

    tokens: int
    shape: Shape
    columns: range
    ids: np.ndarray

    @classmethod
    def of(cls, tokens: int, shape: Shape, columns: range, flat: np.ndarray) -> "Streams":
        """From their tokens, one stream behind the other, `(len(columns) · length + 1,)`."""
        if not columns:
            return cls(tokens, shape, columns, np.zeros((shape.length + 1, 0), np.int64))
        every = np.lib.stride_tricks.sliding_window_view(flat, shape.length + 1)
        return cls(tokens, shape, columns, every[:: shape.length].T)

    def window(self, start: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and targets of so many steps, `(steps, size)`.

        Behind its end a stream repeats its last step. A stream that is not here is all zero.
        """
        rows = np.minimum(np.arange(start, start + steps), self.shape.length - 1)
        return self._of_all(self.ids[rows]), self._of_all(self.ids[rows + 1])

    def _of_all(self, own: np.ndarray) -> np.ndarray:
        if len(self.columns) == self.shape.size:
            return own
        whole = np.zeros((len(own), self.shape.size), own.dtype)
        whole[:, self.columns.start : self.columns.stop] = own
        return whole
