"""The sizes of a mesh as people write them. This module knows no JAX."""

import re
from typing import NamedTuple

from lstm_spec import InputError


class Grid(NamedTuple):
    """The sizes of a mesh.

    Attributes:
        data: devices, or rows of devices, each of which has some of the sequences.
        model: devices in a row, each of which keeps some of the weights' rows.
    """

    data: int = 1
    model: int = 1

    @classmethod
    def of(cls, text: str) -> "Grid":
        """From "4" or "4x2".

        Raises:
            InputError: it is neither.
        """
        sizes = re.fullmatch(r"([1-9]\d*)(?:[x×]([1-9]\d*))?", text)
        if sizes is None:
            raise InputError(f"--mesh: got {text!r}, expected a number of devices, or DATAxMODEL")
        return cls(int(sizes[1]), int(sizes[2] or 1))

    @property
    def devices(self) -> int:
        """How many it needs."""
        return self.data * self.model
