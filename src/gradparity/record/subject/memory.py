"""Copies of arrays that share memory where the originals do."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradparity.record.frontend.array import provenance_of, recorded, wrap
from gradparity.record.graph.nodes import Array
from gradparity.record.subject.trees import Path

Fill = Callable[[Path, Array], Array]


class Copies:
    """Makes the arrays that a run is given, from those of the caller.

    Args:
        fill: the values of an array of the caller's in this run, of its shape.
        record: whether they are recorded.
    """

    def __init__(self, fill: Fill, record: bool) -> None:
        self._fill, self._record = fill, record
        self._bases: dict[int, tuple[Any, Any]] = {}

    def __call__(self, path: Path, value: Any) -> Any:
        """The copy of an array or number; views of one memory become views of one memory."""
        if isinstance(value, float | np.floating):
            found = self._fill(path, np.asarray(value, dtype=np.float64))[()]
            return recorded(found) if self._record else type(value)(found)
        if value.dtype.kind != "f":
            return value.copy(order="K")
        base = _base(value)
        if id(base) not in self._bases:
            filled = np.array(self._fill(path, base), dtype=np.float64, order="K")
            self._bases[id(base)] = (recorded(filled) if self._record else filled, base)
        whole = self._bases[id(base)][0]
        return whole if base is value else self._view(whole, value, base)

    def _view(self, whole: Any, value: Array, base: Array) -> Any:
        offset = (_address(value) - _address(base)) // base.itemsize
        strides = [step // base.itemsize * 8 for step in value.strides]

        def view(array: Array) -> Array:
            flat = np.lib.stride_tricks.as_strided(array, (base.size,), (8,))
            return np.lib.stride_tricks.as_strided(flat[offset:], value.shape, strides)

        if self._record:
            return wrap(view(whole.view(np.ndarray)), view(provenance_of(whole)))
        return view(whole)


def _base(value: Array) -> Array:
    """The array whose memory it looks into, if that lies in one piece."""
    found = value
    while isinstance(found.base, np.ndarray) and found.base.dtype == value.dtype:
        found = found.base
    whole = found.flags.c_contiguous or found.flags.f_contiguous
    return found if whole and type(found) is np.ndarray else value


def _address(array: Array) -> int:
    return array.__array_interface__["data"][0]
