"""The same equations, arranged for speed; `cell.py` has them as they are written.

What is different, and why (docs/performance.md has the measurements):

- Gates lie in the order g, f, i, o between C_prev and m: the three sigmoids are one block of
  rows, and so are f and i, C_prev and g, and all that is a multiple of dC or of dh.
- σ(a) = (1 + tanh(a/2))/2: with the rows of o, f and i halved once in W, a single
  tanh serves all four gates.
- A token's column of W is looked up, or, in a small vocabulary, multiplied as one-hot
  rows of z. The bias rides along.
- The local derivatives do not depend on what comes from later steps. They are formed
  for a block of steps at once, which leaves four operations and one product in the
  loop. Adjoints overwrite the gates they belong to.
- The loop's products are cut into a stack of small ones (`gemm.py`).
- dW is one product for each block, while the block is still in the cache; so are the
  readout and its loss.
"""

import numpy as np
from jaxtyping import Float

from lstm_spec import Config, LayerParams
from manual.by_token import add_by_token, transpose
from manual.fused_tape import FusedLayer, looks_up, padded
from manual.gemm import matmul

ORDER = ("g", "f", "i", "o")

Hidden = Float[np.ndarray, "hidden batch"]


class FusedWeights:
    """One layer's weights, in this module's order and scaling.

    Attributes:
        forward: what z is multiplied by, rows of sigmoids halved.
        rows: `(vocab, 4*hidden + padding)` for looking tokens up, bias included; or None.
        backward: Wᵀ of the rows of z that send gradients back, contiguous.
    """

    def __init__(self, config: Config, layer: int) -> None:
        hidden, inputs = config.hidden_size, config.input_size(layer)

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self.hidden, self.rows = hidden, None
        if looks_up(config, layer):
            self.forward, self.rows = empty(4 * hidden, hidden), padded(config, inputs)
        else:
            self.forward = empty(4 * hidden, hidden + inputs + 1)
        self.backward = empty(hidden if layer == 0 else hidden + inputs, 4 * hidden)


def stack(p: LayerParams, out: FusedWeights) -> None:
    """Stack and scale a layer's weights."""
    hidden, sent = out.hidden, len(out.backward)
    for k, gate in enumerate(ORDER):
        place, scale = slice(k * hidden, (k + 1) * hidden), 1 if gate == "g" else 0.5
        W, b = getattr(p, f"W_{gate}"), getattr(p, f"b_{gate}")
        transpose(W[None, :, :sent], out.backward[None, :, place])
        if out.rows is None:
            np.multiply(W, scale, out=out.forward[place, :-1])
            np.multiply(b, scale, out=out.forward[place, -1])
        else:
            np.multiply(W[:, :hidden], scale, out=out.forward[place])
            transpose(W[None, :, hidden:], out.rows[None, :, place])
            out.rows[:, place] += b
            out.rows[:, place] *= scale


def forward(
    p: FusedWeights, h: Hidden, C: Hidden, steps: int, tokens: np.ndarray | None, layer: FusedLayer
) -> None:
    """F1–F6 over the first steps; dense inputs or one-hot rows stand in z already."""
    hidden, product = layer.hidden, layer.forward_product.run
    W = layer.forward_product.of_W(p.forward)
    layer.z[0, :hidden], layer.C[0] = h, C
    products, half = layer.products[0], np.array(0.5, layer.z.dtype)  # quicker than a scalar
    from_C, from_g = products[:hidden], products[hidden:]
    for t in range(steps):
        if tokens is not None and t % layer.block == 0:
            _look_up(p, tokens[t : min(t + layer.block, steps)], layer)
        z, out, a, sigmoids, C_prev_g, f_i, o, m, C_t, h_t = layer.forward_steps[t]
        product(W, z, out=out)  # F2
        if tokens is not None:
            np.add(a, layer.from_x[t % layer.block], out=a)  # F2
        np.tanh(a, out=a)
        np.multiply(sigmoids, half, out=sigmoids)
        np.add(sigmoids, half, out=sigmoids)  # F3
        np.multiply(f_i, C_prev_g, out=products)
        np.add(from_C, from_g, out=C_t)  # F4
        np.tanh(C_t, out=m)  # F5
        np.multiply(o, m, out=h_t)  # F6


def _look_up(p: FusedWeights, tokens: np.ndarray, layer: FusedLayer) -> None:
    """The tokens' part of `a`, for a block of steps, bias included."""
    rows = layer.daT[: tokens.size]
    p.rows.take(tokens.ravel(), 0, out=rows, mode="clip")
    rows = rows.reshape(*tokens.shape, -1)[:, :, : 4 * layer.hidden]
    np.copyto(layer.from_x[: len(tokens)], rows.transpose(0, 2, 1))


def blocks(start: int, end: int, size: int) -> list[tuple[int, int]]:
    """Beginnings and ends of blocks of steps, the last block first."""
    return [(max(start, stop - size), stop) for stop in range(end, start, -size)]


def backward_block(
    p: FusedWeights,
    steps: tuple[int, int],
    dh_out: Float[np.ndarray, "steps hidden batch"],
    layer: FusedLayer,
    dx: Float[np.ndarray, "steps inputs batch"] | None,
) -> None:
    """B3–B8, B10 and B11 over a block of steps; leaves da where the gates were.

    `dh_out` is what reaches each h from outside the layer. `dx`, if wanted, receives
    the gradient by the inputs. dC_next for the block before is left in C's place.
    """
    hidden, (start, end) = layer.hidden, steps
    _local_derivatives(steps, layer)
    dC, dh, dz_out, dh_next = layer.dC, layer.dh, layer.dz_out, layer.dz[:hidden]
    product, W = layer.backward_product.run, layer.backward_product.of_W(p.backward)
    for j in reversed(range(end - start)):
        da, through_m, dC_next, multiples_of_dC, multiples_of_dh = layer.backward_steps[start + j]
        by_dC, by_dh = layer.local_steps[j]
        np.add(dh_next, dh_out[j], out=dh)  # B3
        np.multiply(by_dh, dh, out=multiples_of_dh)  # B4
        np.add(dC_next, through_m, out=dC)  # B5
        np.multiply(by_dC, dC, out=multiples_of_dC)  # B11, B6, B8, B7
        product(W, da, out=dz_out)  # B10
        if dx is not None:
            dx[j] = layer.dz[hidden:]


def _local_derivatives(steps: tuple[int, int], layer: FusedLayer) -> None:
    """What dC and dh are multiplied by, for a block of steps.

    In products that the forward pass knows: m ⊙ o(1−o) = h ⊙ (1−o), and
    o(1−m²) = o − h ⊙ m, i(1−g²) = i − (i ⊙ g) ⊙ g.
    """
    hidden, (start, end) = layer.hidden, steps
    rows, local, h = layer.steps[start:end], layer.local[: end - start], layer.h[start:end]
    products = layer.products[: end - start]
    from_f, from_g, by_f_i, by_o, through_m = _places(local, hidden)
    np.multiply(rows[:, 2 * hidden : 4 * hidden], rows[:, : 2 * hidden], out=products)
    np.copyto(from_f, rows[:, 2 * hidden : 3 * hidden])  # B11
    np.subtract(1, rows[:, 2 * hidden : 5 * hidden], out=local[:, 2 * hidden : 5 * hidden])
    np.multiply(by_f_i, products, out=by_f_i)  # B8: C_prev ⊙ f(1−f); B7: g ⊙ i(1−i)
    np.multiply(products[:, hidden:], rows[:, hidden : 2 * hidden], out=from_g)
    np.subtract(rows[:, 3 * hidden : 4 * hidden], from_g, out=from_g)  # B6: i(1−g²)
    np.multiply(by_o, h, out=by_o)  # B4: m ⊙ o(1−o)
    np.multiply(h, rows[:, 5 * hidden :], out=through_m)
    np.subtract(rows[:, 4 * hidden : 5 * hidden], through_m, out=through_m)  # B5: o(1−m²)


def _places(local: np.ndarray, hidden: int) -> tuple[np.ndarray, ...]:
    """Views of a block's local derivatives: f, g's, f's and i's, o's, and o(1−m²)."""
    ends = (0, 1, 2, 4, 5, 6)
    return tuple(local[:, a * hidden : b * hidden] for a, b in zip(ends, ends[1:], strict=False))


def transpose_block(steps: tuple[int, int], layer: FusedLayer) -> None:
    """z of a wide block's steps, and h after them, transposed: a row for each step and sequence."""
    start, end = steps
    zT = layer.zT[: (end - start + 1) * layer.z.shape[2]]
    transpose(layer.z[start : end + 1], zT.reshape(end - start + 1, -1, zT.shape[1]))


def accumulate_block(
    steps: tuple[int, int], tokens: np.ndarray | None, layer: FusedLayer, first: bool
) -> None:
    """B9 for a wide block: one product over its steps and sequences, added up in `dW`."""
    start, end = steps
    gates = layer.gates[start:end]
    number, rows, batch = gates.shape
    n, into = number * batch, layer.dW if first else layer.dW_block
    if tokens is None:
        da = layer.da[: rows * n].reshape(rows, n)
        np.copyto(da.reshape(rows, number, batch), gates.transpose(1, 0, 2))
        matmul(da, layer.zT[:n], out=into)  # B9
    else:
        daT = layer.daT[:n]
        transpose(gates, daT.reshape(number, batch, -1))
        np.matmul(daT[:, :rows].T, layer.zT[:n], out=into)  # B9
        if first:
            layer.dW_xT[...] = 0
        add_by_token(daT, tokens[start:end].ravel(), layer.dW_xT)  # B9
    if not first:
        np.add(layer.dW, layer.dW_block, out=layer.dW)


def gradients(layer: FusedLayer) -> LayerParams:
    """The layer's gradients out of `dW`, in the order of the tree, as arrays of their own."""
    hidden, found = layer.hidden, {}
    for k, gate in enumerate(ORDER):
        rows = slice(k * hidden, (k + 1) * hidden)
        if layer.looks_up:  # every step reads one token, so their sums add up to db
            by_token = layer.dW_xT[:, rows]
            found[f"W_{gate}"] = np.concatenate([layer.dW[rows], by_token.T], axis=1)
            found[f"b_{gate}"] = by_token.sum(axis=0)
        else:
            found[f"W_{gate}"] = layer.dW[rows, :-1].copy()
            found[f"b_{gate}"] = layer.dW[rows, -1].copy()
    return LayerParams(**found)
