"""One layer over time: `lax.scan` over the cell."""

from typing import Any

import jax
from jaxtyping import Array, Float

from jax_ref import cell, taps
from lstm_spec import LayerAdjoints, LayerParams

Hidden = Float[Array, "hidden batch"]


def forward(
    p: LayerParams,
    h: Hidden,
    C: Hidden,
    x: Float[Array, "time inputs batch"],
    tapped: LayerAdjoints | None,
) -> tuple[Any, Hidden, Hidden]:
    """Run the cell over every step; returns all h_t `(time, hidden, batch)`, last h, last C."""

    def one_step(carry: tuple[Hidden, Hidden], step: tuple) -> tuple[tuple, Hidden]:
        x, tap = step
        h, C = cell.forward(p, *carry, x, taps.NONE if tap is None else tap)
        return (h, C), h

    h_all: Any
    (h, C), h_all = jax.lax.scan(one_step, (h, C), (x, tapped))
    return h_all, h, C
