"""Taps: what is added to an intermediate so that autodiff gives its adjoint; nothing, or zeros."""

from typing import Any

import jax.numpy as jnp

from lstm_spec import LayerAdjoints, LayerParams


class Nothing:
    """Leaves what it is added to as it is; a zero costs, for XLA keeps the addition."""

    def __radd__(self, other: Any) -> Any:
        return other


NOTHING = Nothing()
NONE = LayerAdjoints(*[NOTHING] * len(LayerAdjoints._fields))


def zeros(layers: tuple[LayerParams, ...], time: int, batch: int) -> tuple[LayerAdjoints, ...]:
    """A zero for every intermediate of every layer, at every step."""

    def of(layer: LayerParams) -> LayerAdjoints:
        hidden, width = layer.W_f.shape
        rows = LayerAdjoints(width, *[hidden] * 11)
        return LayerAdjoints(*[jnp.zeros((time, n, batch), layer.W_f.dtype) for n in rows])

    return tuple(of(layer) for layer in layers)
