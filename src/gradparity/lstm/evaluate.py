"""What each equation yields from given adjoints, over all time steps at once.

Two questions are answered by the same table. Fed a backend's *own* adjoints, an
equation that yields something else than the backend did is wrong there (an error
is local), and one that agrees has only inherited its error. Fed magnitudes, with
every minus read as a plus, it yields the sum of absolute terms, from which the
rounding to be expected follows.
"""

from typing import Any, NamedTuple

import numpy as np

from gradparity.lstm.film import Film
from gradparity.lstm.gates import GATE_EQUATIONS
from gradparity.lstm.simulate import Plan
from lstm_spec import GATES, Adjoints, Batch, Cotangents, LayerAdjoints, Params
from lstm_spec.tree import tree_map

_RIGHT = Plan()
_ALL_STEPS: Any = slice(None)  # the right forms index by t alone, so a slice serves for all


class Magnitude:
    """An array of absolute values; adding and subtracting both add."""

    __array_ufunc__ = None  # so that NumPy hands its operators over

    def __init__(self, array: Any) -> None:
        self.array: np.ndarray = np.abs(array.array if isinstance(array, Magnitude) else array)

    def __getitem__(self, key: Any) -> "Magnitude":
        return Magnitude(self.array[key])

    def __add__(self, other: Any) -> "Magnitude":
        return Magnitude(self.array + Magnitude(other).array)

    def __mul__(self, other: Any) -> "Magnitude":
        return Magnitude(self.array * Magnitude(other).array)

    def __truediv__(self, other: Any) -> "Magnitude":
        return Magnitude(self.array / Magnitude(other).array)

    def __matmul__(self, other: Any) -> "Magnitude":
        return Magnitude(self.array @ Magnitude(other).array)

    def __rmatmul__(self, other: Any) -> "Magnitude":
        return Magnitude(Magnitude(other).array @ self.array)

    __radd__ = __sub__ = __rsub__ = __add__
    __rmul__ = __mul__

    def swapaxes(self, one: int, other: int) -> "Magnitude":
        """As NumPy's."""
        return Magnitude(self.array.swapaxes(one, other))

    def sum(self, axis: Any) -> "Magnitude":
        """As NumPy's."""
        return Magnitude(self.array.sum(axis=axis))


class Given(NamedTuple):
    """What the equations are fed: films with adjoints, top layer last, and the rest."""

    films: list[Film]
    params: Params
    cotangents: Cotangents
    dropout: Any

    def magnitudes(self) -> "Given":
        """The same in absolute values."""
        return Given(
            [
                Film(
                    tree_map(Magnitude, film.params),
                    {symbol: Magnitude(array) for symbol, array in film.values.items()},  # type: ignore[misc]
                )
                for film in self.films
            ],
            tree_map(Magnitude, self.params),
            tree_map(Magnitude, self.cotangents),
            tree_map(Magnitude, self.dropout),
        )


def given(films: list[Film], params: Params, batch: Batch, adjoints: Adjoints) -> Given:
    """Put a backend's adjoints into the films of the forward pass."""
    for film, found in zip(films, adjoints.layers, strict=True):
        for symbol in LayerAdjoints._fields:
            film[f"d{symbol}"] = getattr(found, symbol)
    films[-1]["dv"] = adjoints.v
    return Given(films, params, batch.cotangents or Cotangents(), batch.dropout)


def adjoint_values(g: Given) -> dict[str, Any]:
    """B1, B3–B8 and B10: every adjoint by path, `(time, rows, batch)`, from its own inputs."""
    top = g.films[-1]
    per_token = top["mask"] * (1 / np.asarray(_plain(top["mask"])).sum())
    values = {"v": _product(("B1", "v"), top) * per_token}
    for k, film in enumerate(g.films):
        for symbol, value in _layer_adjoints(g, k, film).items():
            values[f"layers.{k}.{symbol}"] = value
    return values


def _layer_adjoints(g: Given, k: int, film: Film) -> dict[str, Any]:
    values = {"h": _dh(g, k, film), "m": _product(("B5", ""), film, slice(2))}
    dC_next = _product(("B11", ""), film)
    values["C"] = _earlier(dC_next, _last(g.cotangents.last_C, k, film)) + _product(
        ("B5", ""), film
    )
    for number, gate in GATE_EQUATIONS:
        values[gate] = _product((number, gate), film, slice(2))
        values[f"a_{gate}"] = _product((number, gate), film)
    values["z"] = _back_through(film)
    return values


def gradient_values(g: Given) -> dict[str, Any]:
    """B2, B9, B10 and B11: every gradient by path, from the adjoints they are sums of."""
    values: dict[str, Any] = {}
    for k, film in enumerate(g.films):
        for gate in GATES:
            da = film[f"da_{gate}"]
            values[f"layers.{k}.W_{gate}"] = (da @ film["z"].swapaxes(1, 2)).sum(axis=0)  # B9
            values[f"layers.{k}.b_{gate}"] = da.sum(axis=(0, 2))  # B9
        hidden = _plain(film["h"]).shape[1]
        values[f"initial_state.h.{k}"] = film["dz"][0][:hidden]  # B10
        values[f"initial_state.C.{k}"] = _product(("B11", ""), film)[0]  # B11
    top = g.films[-1]
    values["W_v"] = (top["dv"] @ top["h"].swapaxes(1, 2)).sum(axis=0)  # B2
    values["b_v"] = top["dv"].sum(axis=(0, 2))  # B2
    return values


def _product(key: tuple[str, str], film: Film, slots: slice = _ALL_STEPS) -> Any:
    return _RIGHT.product(key, film, _ALL_STEPS, slots)


def _dh(g: Given, k: int, film: Film) -> Any:
    """B3: from the readout or the layer above, a cotangent, and the step after."""
    hidden = _plain(film["h"]).shape[1]
    if k + 1 < len(g.films):
        dh = g.films[k + 1]["dz"][:, hidden:]
        dh = dh if g.dropout is None else dh * g.dropout[k]
    else:
        dh = _transposed(g.params.W_v) @ film["dv"]
    dh = dh if g.cotangents.h is None else dh + g.cotangents.h[k]
    return dh + _earlier(film["dz"][:, :hidden], _last(g.cotangents.last_h, k, film))


def _back_through(film: Film) -> Any:
    terms = [_transposed(film.weight(gate)) @ film[f"da_{gate}"] for gate in GATES]
    return terms[0] + terms[1] + terms[2] + terms[3]  # B10


def _earlier(array: Any, last: Any) -> Any:
    """What each step receives from the one after it; the last from outside."""
    shifted = np.concatenate([_plain(array)[1:], _plain(last)[None]])
    return Magnitude(shifted) if isinstance(array, Magnitude) else shifted


def _last(cotangent: Any, k: int, film: Film) -> Any:
    return np.zeros_like(_plain(film["h"])[0]) if cotangent is None else cotangent[k]


def _plain(array: Any) -> np.ndarray:
    return array.array if isinstance(array, Magnitude) else array


def _transposed(W: Any) -> Any:
    return W.swapaxes(0, 1)
