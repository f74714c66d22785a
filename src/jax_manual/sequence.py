"""One layer over time, forward and right under it backward.

Dimensions: arrays are batch-major, `(time, batch, rows)`, so that a token's row of weights is
looked up whole and the sums over time and batch are products without a transpose.

A tap is where an adjoint is wanted: given taps, the backward pass hands out the adjoint of every
intermediate as the taps' gradient. Without, nothing of the kind is computed.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lstm_spec import GATES, LayerAdjoints, LayerParams

FEW = 16  # tokens up to which a vocabulary is multiplied before the loop, and not looked up in it
ONE_HOT = 128  # vocabularies up to this size are multiplied in B9, larger ones added up by token
SMALL = 256  # entries of h up to which operations are saved

Rows = Float[Array, "batch hidden"]
Steps = Float[Array, "time batch hidden"]


class Weights(NamedTuple):
    """One layer's parameters, gates stacked in the order f, i, g, o."""

    h: Float[Array, "4*hidden hidden"]
    x: Float[Array, "inputs 4*hidden"]
    b: Float[Array, " 4*hidden"]


class Kept(NamedTuple):
    """What the backward pass needs of the forward pass; m is formed again.

    The gates are four arrays: one array that both loops cut into four is a third slower. Where they
    are small (`_is_small`), it is quicker, since every array costs its own turn.
    """

    gates: tuple[Steps, Steps, Steps, Steps] | Float[Array, "time batch 4*hidden"]
    C_prev: Steps
    h: Steps


def stack_gates(p: LayerParams) -> Weights:
    """Stack a layer's weights, so that one product serves all four gates."""
    W = jnp.concatenate([getattr(p, f"W_{gate}") for gate in GATES])
    b = jnp.concatenate([getattr(p, f"b_{gate}") for gate in GATES])
    hidden = len(p.b_f)
    return Weights(W[:, :hidden], W[:, hidden:].T, b)


@jax.custom_vjp
def run(p: Weights, h: Rows, C: Rows, x: Any, taps: Any) -> tuple[Any, Rows, Rows]:
    """F1–F6 over every step; returns all h_t, the last h and the last C.

    `x` is dense, `(time, batch, inputs)`, or tokens, `(time, batch)`.
    """
    return _forward(p, h, C, x, taps)[0]


def _forward(p: Weights, h: Rows, C: Rows, x: Any, taps: Any) -> tuple[tuple, tuple]:
    scale, shift = _scale_and_shift(h.shape[1], h.dtype)
    W = p.h.T * scale
    rows = (p.x + p.b) * scale if x.ndim == 2 and len(p.x) > FEW else None
    from_x = x if rows is not None else (_dense(p, x) @ p.x + p.b) * scale  # F2, all steps at once

    def one_step(carry: tuple[Rows, Rows], x: Any) -> tuple[tuple, tuple]:
        h, C_prev = carry
        a = h @ W + (x if rows is None else rows[x])  # F1, F2
        gates = jnp.tanh(a) * scale + shift  # F3
        f, i, g, o = four = _four(gates)
        C = f * C_prev + i * g  # F4
        h = o * jnp.tanh(C)  # F5, F6
        return (h, C), (gates if _is_small(h) else four, C_prev, h)

    (h_last, C_last), kept = jax.lax.scan(one_step, (h, C), from_x)
    kept = Kept(*kept)
    return (kept.h, h_last, C_last), (p, h, x, kept, taps)


def _dense(p: Weights, x: Any) -> Float[Array, "time batch inputs"]:
    """x itself, or tokens as one-hot rows."""
    return x if x.ndim == 3 else jax.nn.one_hot(x, len(p.x), dtype=p.x.dtype)


def _scale_and_shift(hidden: int, dtype: Any) -> tuple[Any, Any]:
    """σ(a) = (1 + tanh(a/2))/2: one tanh of scaled `a`, scaled and shifted, makes all gates."""
    gates = [(0.5, 0.5), (0.5, 0.5), (1.0, 0.0), (0.5, 0.5)]
    scale, shift = (jnp.repeat(jnp.array(k, dtype), hidden) for k in zip(*gates, strict=True))
    return scale, shift


def _is_small(h: Rows) -> bool:
    """Whether the number of operations counts for more than their size."""
    return h.size <= SMALL


def _four(gates: Any) -> Any:
    """f, i, g, o, if they are not four already."""
    return gates if isinstance(gates, tuple) else tuple(jnp.split(gates, 4, axis=-1))


def _backward(residuals: tuple, cotangents: tuple) -> tuple:
    """B3–B11; the loop over time forms no gradient by weights."""
    p, h_first, x, kept, taps = residuals
    dh_out, dh_last, dC_last = cotangents

    def one_step(carry: tuple[Rows, Rows], step: tuple) -> tuple[tuple, tuple]:
        (dh_next, dC_next), (gates, C_prev, dh_out) = carry, step
        f, i, g, o = _four(gates)
        m = jnp.tanh(f * C_prev + i * g)  # F4, F5
        dh = dh_out + dh_next  # B3
        da_o = dh * m * o * (1 - o)  # B4
        dC = dC_next + dh * o * (1 - m * m)  # B5
        da_g = dC * i * (1 - g * g)  # B6
        da_i = dC * g * i * (1 - i)  # B7
        da_f = dC * C_prev * f * (1 - f)  # B8
        da = jnp.concatenate([da_f, da_i, da_g, da_o], axis=1)
        return (da @ p.h, dC * f), (da, None if taps is None else (dC, dh))  # B10, B11

    steps = kept.gates, kept.C_prev, dh_out
    dstate, (da, local) = jax.lax.scan(one_step, (dh_last, dC_last), steps, reverse=True)
    dp, dx = _products(p, h_first, x, kept, da)
    return dp, *dstate, dx, None if taps is None else _adjoints(p, kept, da, *local)


def _products(p: Weights, h_first: Rows, x: Any, kept: Kept, da: Any) -> tuple[Weights, Any]:
    """B9, each weight's gradient one product over all steps; and B10's dx, if there is one."""
    h_prev, da_rows = rows(jnp.concatenate([h_first[None], kept.h[:-1]])), rows(da)
    vocab, hidden = len(p.x), h_prev.shape[1]
    if x.ndim == 2 and vocab <= FEW:
        z = jnp.concatenate([h_prev, rows(_dense(p, x))], axis=1)
        dW_h, dW_x = jnp.split(da_rows.T @ z, [hidden], axis=1)  # B9
        return Weights(dW_h, dW_x.T, dW_x.sum(1)), None  # a token at every step: they sum up to db
    dW_h = da_rows.T @ h_prev  # B9
    if x.ndim == 3:
        return Weights(dW_h, rows(x).T @ da_rows, da_rows.sum(0)), da @ p.x.T  # B9, B10
    if vocab <= ONE_HOT:
        dW_x = rows(_dense(p, x)).T @ da_rows  # B9
    else:
        dW_x = jax.ops.segment_sum(da_rows, x.ravel(), vocab)  # B9
    return Weights(dW_h, dW_x, dW_x.sum(0)), None


def rows(steps: Float[Array, "time batch n"]) -> Float[Array, "time*batch n"]:
    """A row for each step and sequence; XLA takes twice as long to add up over two axes."""
    return steps.reshape(-1, steps.shape[2])


def _adjoints(p: Weights, kept: Kept, da: Any, dC: Any, dh: Any) -> LayerAdjoints:
    """The adjoints that the loop multiplied through, `(time, rows, batch)`."""
    f, i, g, o = _four(kept.gates)
    m = jnp.tanh(f * kept.C_prev + i * g)
    da_f, da_i, da_g, da_o = jnp.split(da, 4, axis=2)
    dz = jnp.concatenate([da @ p.h, da @ p.x.T], axis=2)  # B10
    df, di, dg, do = dC * kept.C_prev, dC * g, dC * i, dh * m  # B8, B7, B6, B4
    found = LayerAdjoints(dz, da_f, da_i, da_g, da_o, df, di, dg, do, dC, dh * o, dh)
    return LayerAdjoints(*(array.swapaxes(1, 2) for array in found))


run.defvjp(_forward, _backward)
