"""The array that records: NumPy's, with the provenance of every entry beside its value."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradparity.record.frontend import session
from gradparity.record.graph.nodes import Array, Provenance

FUNCTIONS: dict[Callable, Callable] = {}  # of NumPy, to what does the same on recorded arrays;
# `np.ufunc` to what applies any of them


class Recorded(np.ndarray):
    """An array of float64 or bool whose entries are known by their provenance.

    Attributes:
        provenance: where in the graph's pool each entry stands; of the array's shape and memory
            layout, so that views of both are views of the same entries. None where NumPy made the
            array past the recorder: then it counts as a constant.
        scalar: whether NumPy would have given a number (which cannot be written into) here.
    """

    provenance: Any
    scalar: bool

    def __array_finalize__(self, source: object) -> None:
        self.provenance = None
        self.scalar = False

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        return FUNCTIONS[np.ufunc](ufunc, method, inputs, out, options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        handler = FUNCTIONS.get(function)
        if handler is None:
            raise session.refused(function)
        return handler(*arguments, **options)

    def __getitem__(self, index: Any) -> Any:
        index = plain_index(index)
        return wrap(plain(self)[index], provenance_of(self)[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        index = plain_index(index)
        plain(self)[index] = plain(value)
        provenance_of(self)[index] = provenance_of(value)
        session.written(self)

    def __iter__(self) -> Iterator:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(len(self)))

    def __hash__(self) -> int:  # type: ignore[override]
        if self.ndim:
            raise TypeError(f"unhashable type: {type(self).__name__!r}")
        return hash(self.item())

    def __reduce__(self) -> Any:
        return plain(self).__reduce__()

    def __copy__(self) -> "Recorded":
        return wrap(plain(self).copy(order="K"), provenance_of(self).copy(order="K"))

    def __deepcopy__(self, memo: Any = None) -> "Recorded":
        return self.__copy__()

    @property
    def T(self) -> "Recorded":
        """Transposed, as a view."""
        return wrap(plain(self).T, provenance_of(self).T)

    @property
    def mT(self) -> "Recorded":
        """The last two axes exchanged, as a view."""
        return wrap(plain(self).mT, provenance_of(self).mT)

    @property
    def flat(self) -> Any:
        """Its entries in the order of a C array."""
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        Flat(self)[:] = value


class Flat:
    """`ndarray.flat`, recorded."""

    def __init__(self, array: Recorded) -> None:
        self.array = array

    def __getitem__(self, index: Any) -> Any:
        index = plain_index(index)
        found = plain(self.array).flat[index]
        return wrap(found, provenance_of(self.array).flat[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        index = plain_index(index)
        plain(self.array).flat[index] = plain(value)
        provenance_of(self.array).flat[index] = provenance_of(value)
        session.written(self.array)

    def __iter__(self) -> Iterator:
        return (self[k] for k in range(len(self)))

    def __len__(self) -> int:
        return self.array.size


def wrap(values: Any, provenance: Any) -> Recorded:
    """Values and their provenance as one array."""
    found = np.asarray(values).view(Recorded)
    found.provenance = np.asarray(provenance)
    found.scalar = isinstance(values, np.generic)
    return found


def plain(value: Any) -> Any:
    """The values alone, sharing memory; lists and tuples of arrays likewise."""
    if isinstance(value, Recorded):
        return value.view(np.ndarray)
    if isinstance(value, list | tuple) and any(
        isinstance(v, Recorded | list | tuple) for v in value
    ):
        return [plain(v) for v in value]
    return value


def plain_index(index: Any) -> Any:
    """What stands in brackets, without provenance."""
    if isinstance(index, tuple):
        return tuple(plain_index(part) for part in index)
    if isinstance(index, slice):
        return slice(*(plain_number(n) for n in (index.start, index.stop, index.step)))
    if isinstance(index, Recorded) and not index.ndim:
        return plain(index)[()]
    return plain(index)


def plain_number(value: Any) -> Any:
    """A recorded number as NumPy's own."""
    return plain(value)[()] if isinstance(value, Recorded) else value


def provenance_of(value: Any) -> Provenance:
    """Where the entries of anything like an array stand; what was not recorded is a constant."""
    if isinstance(value, Recorded):
        if value.provenance is None:
            value.provenance = constant(plain(value))
        return value.provenance
    if isinstance(value, list | tuple | range):
        return np.asarray([provenance_of(part) for part in value])
    if isinstance(value, np.ndarray):
        return constant(value)
    return session.graph().scalar(float(value))


def constant(values: Array) -> Provenance:
    """Take an array that was not computed into the graph; zeros have one place for all."""
    graph = session.graph()
    like = np.empty_like(values, dtype=np.int64, subok=False)
    if values.dtype.kind not in "fbiu":
        raise session.refused_kind(values)
    if not values.any():
        like[...] = graph.zero
    else:
        like[...] = graph.leaf(np.asarray(values, dtype=np.float64))
    return like


def recorded(value: Any) -> Recorded:
    """Anything like an array as a recorded one; a plain array's memory stays its own."""
    if isinstance(value, Recorded):
        return value
    if isinstance(value, list | tuple):
        return stacked(value)
    array = np.asarray(value)
    if array.dtype.kind == "f" and array.dtype != np.float64:
        array = array.astype(np.float64)
    return wrap(array if array.ndim else array[()], provenance_of(array))


def stacked(parts: Sequence) -> Recorded:
    """A list of arrays and numbers, nested or not, as `np.array` makes it."""
    values = np.array(plain(list(parts)))
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
    return wrap(values, provenance_of(list(parts)).reshape(values.shape))


def holds_recorded(value: Any) -> bool:
    """Whether a recorded array is in it, lists and tuples looked into."""
    if isinstance(value, list | tuple):
        return any(holds_recorded(part) for part in value)
    return isinstance(value, Recorded)
