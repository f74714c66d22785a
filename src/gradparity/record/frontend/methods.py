"""The methods of `numpy.ndarray` on recorded arrays: by functions of the same names, or refused."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradparity.record.frontend import computes, creates, moves, session  # noqa: F401  fill the tables
from gradparity.record.frontend.array import (
    FUNCTIONS,
    Recorded,
    plain,
    plain_number,
    provenance_of,
    wrap,
)

BY_FUNCTION = (
    "sum mean std var prod max min argmax argmin cumsum cumprod dot trace clip round repeat take "
    "swapaxes squeeze diagonal argsort nonzero all any searchsorted argpartition ravel put"
).split()
REFUSED = "partition byteswap getfield setfield newbyteorder choose setflags tofile dump".split()


def _by_function(name: str) -> Callable:
    function = getattr(np, name)

    def method(self: Recorded, *arguments: Any, **options: Any) -> Any:
        return FUNCTIONS[function](self, *arguments, **options)

    return method


def _refused(name: str) -> Callable:
    def method(self: Recorded, *_: Any, **__: Any) -> Any:
        raise session.refused(getattr(np.ndarray, name), "a method of arrays")

    return method


def _reshape(self: Recorded, *shape: Any, order: Any = "C", copy: Any = None) -> Recorded:
    wanted = shape[0] if len(shape) == 1 else shape
    wanted = tuple(map(int, wanted)) if isinstance(wanted, tuple | list) else int(wanted)
    values = plain(self).reshape(wanted, order=order)
    return wrap(values, provenance_of(self).reshape(wanted, order=order))


def _transpose(self: Recorded, *axes: Any) -> Recorded:
    return wrap(plain(self).transpose(*axes), provenance_of(self).transpose(*axes))


def _compress(self: Recorded, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return FUNCTIONS[np.compress](condition, self, axis, out)


def _flatten(self: Recorded, order: Any = "C") -> Recorded:
    return wrap(plain(self).flatten(order), provenance_of(self).flatten(order))


def _copy(self: Recorded, order: Any = "C") -> Recorded:
    return wrap(plain(self).copy(order), provenance_of(self).copy(order))


def _astype(self: Recorded, dtype: Any, *_: Any, copy: bool = True, **__: Any) -> Recorded:
    found = moves.converted(self, dtype)
    return found.__copy__() if found is self and copy else found


def _view(self: Recorded, *kind: Any, **_: Any) -> Any:
    if not kind or kind[0] in (np.float64, Recorded):
        return wrap(plain(self).view(), provenance_of(self).view())
    if kind[0] is np.ndarray:
        return np.ndarray.view(self, np.ndarray)
    raise session.refused(np.ndarray.view, f"as {kind[0]}")


def _item(self: Recorded, *index: Any) -> Recorded:
    values, places = plain(self), provenance_of(self)
    return (
        wrap(np.float64(values.item(*index)), places.item(*index))
        if values.dtype.kind == "f"
        else values.item(*index)
    )


def _tolist(self: Recorded) -> Any:
    return [part.tolist() for part in self] if self.ndim else _item(self)


def _fill(self: Recorded, value: Any) -> None:
    self[...] = value


def _sort(self: Recorded, axis: int = -1, **_: Any) -> None:
    self[...] = np.sort(self, axis)


def _resize(self: Recorded, *shape: Any, **_: Any) -> None:
    raise session.refused(np.ndarray.resize, "a method that changes an array's size in place")


def _same(self: Recorded) -> Recorded:
    return self


def _ptp(self: Recorded, *arguments: Any, **options: Any) -> Any:
    return np.ptp(self, *arguments, **options)


def _in_place(name: str, ufunc: np.ufunc) -> Callable:
    """A number is replaced by the result; an array is written into."""
    own = getattr(np.ndarray, name)

    def method(self: Recorded, other: Any) -> Any:
        return ufunc(self, other) if self.scalar else own(self, other)

    return method


IN_PLACE = {
    "__iadd__": np.add,
    "__isub__": np.subtract,
    "__imul__": np.multiply,
    "__itruediv__": np.true_divide,
    "__ipow__": np.power,
    "__ifloordiv__": np.floor_divide,
    "__imod__": np.remainder,
    "__imatmul__": np.matmul,
}
OWN: dict[str, Callable] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "flatten": _flatten,
    "compress": _compress,
    "copy": _copy,
    "astype": _astype,
    "view": _view,
    "item": _item,
    "tolist": _tolist,
    "fill": _fill,
    "sort": _sort,
    "resize": _resize,
    "conj": _same,
    "conjugate": _same,
    "ptp": _ptp,
    "__float__": lambda self: float(plain(self)),
    "__int__": lambda self: int(plain(self)),
    "__index__": lambda self: plain(self).__index__(),
    "__bool__": lambda self: bool(plain(self)),
    "__contains__": lambda self, value: plain_number(value) in plain(self),
    "__format__": lambda self, form: format(
        plain(self)[()] if not self.ndim else plain(self), form
    ),
    "__repr__": lambda self: repr(plain(self)[()] if self.scalar else plain(self)),
    "__str__": lambda self: str(plain(self)[()] if self.scalar else plain(self)),
    "tobytes": lambda self, *rest: plain(self).tobytes(*rest),
}
for _name in BY_FUNCTION:
    setattr(Recorded, _name, _by_function(_name))
for _name in REFUSED:
    if hasattr(np.ndarray, _name):
        setattr(Recorded, _name, _refused(_name))
for _name, _method in OWN.items():
    setattr(Recorded, _name, _method)
for _name, _ufunc in IN_PLACE.items():
    setattr(Recorded, _name, _in_place(_name, _ufunc))
for _name in ("real",):
    setattr(Recorded, _name, property(_same))
