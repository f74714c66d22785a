"""The same equations, arranged for speed; `cell.py` has them as they are written.

What is different, and why (docs/performance.md has the measurements):

- Gates lie in the order g, f, i, o between C_prev and m: the three sigmoids are neighbours, and
  so are f and i, C_prev and g, and all that is a multiple of dC or of dh.
- σ(a) = (1 + tanh(a/2))/2: with the weights of f, i and o halved once, a single tanh serves all
  four gates.
- A token's row of weights is looked up, or, in a small vocabulary, multiplied as a one-hot part
  of z. The bias rides along. Its gradient is a sum by token.
- The local derivatives do not depend on what comes from later steps. They are formed for a
  block of steps at once, which leaves four operations and one product in the loop, whose parts
  may have to be added up. Adjoints overwrite the gates they belong to.
- dW is one product for some blocks, while they are still in the cache; so are the readout and
  its loss.
- Arrays are batch-major and the loop's products are cut into small pieces, or, for small models,
  neither (`products.py`).
"""

import numpy as np
from jaxtyping import Float

from lstm_spec import Config, LayerParams
from manual.fast.by_token import add_by_token
from manual.fast.memory import FusedLayer
from manual.fast.products import Product, looks_up, products


class FusedWeights:
    """One layer's weights, in this module's order and scaling.

    Attributes:
        forward, backward: what z and da are multiplied by, as their `Product` takes them.
        rows: `(4, vocab, hidden)` for looking tokens up, bias included; or None.
    """

    def __init__(self, config: Config, layer: int, batch: int, kind: type[Product]) -> None:
        dtype = config.numpy_dtype
        hidden, inputs = config.hidden_size, config.input_size(layer)
        into_a, into_dz = products(config, layer, batch, kind)
        self.forward, self.backward = into_a.new_weights(dtype), into_dz.new_weights(dtype)
        self.rows = np.empty((4, inputs, hidden), dtype) if looks_up(config, layer) else None
        self._W = np.empty((4 * hidden, hidden + inputs), dtype)
        self._b = np.empty(4 * hidden, dtype)
        self._half = np.array(0.5, dtype)
        a, dz = into_a.by_gate(self.forward), into_dz.by_gate(self.backward)
        self._places = self._all_places(a, dz)
        self._halved = [a[1:]] if self.rows is None else [a[1:], self.rows[1:]]

    def _all_places(self, a: np.ndarray, dz: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Places in `forward`, `backward` and `rows`, each with what belongs there."""
        hidden, sent = dz.shape[1], dz.shape[2] * dz.shape[3]
        W, b = self._W.reshape(4, hidden, -1), self._b.reshape(4, hidden)
        places = [(dz, W[:, :, :sent].reshape(dz.shape))]
        W = W.swapaxes(1, 2)
        if self.rows is not None:
            h, x = W[:, :hidden], W[:, hidden:]
            return [*places, (a, h.reshape(a.shape)), (self.rows, x)]
        W, b = W.reshape(4, -1, *a.shape[2:]), b.reshape(4, *a.shape[2:])
        return [*places, (a[:, :-1], W), (a[:, -1], b)]

    def fill(self, p: LayerParams) -> None:
        """Stack a layer's weights, gate by gate, and take them where they belong."""
        np.concatenate([p.W_g, p.W_f, p.W_i, p.W_o], out=self._W)
        np.concatenate([p.b_g, p.b_f, p.b_i, p.b_o], out=self._b)
        for place, values in self._places:
            place[...] = values
        if self.rows is not None:
            np.add(self.rows, self._b.reshape(4, 1, -1), self.rows)
        for scaled in self._halved:
            np.multiply(scaled, self._half, scaled)


def forward(p: FusedWeights, steps: int, tokens: np.ndarray | None, layer: FusedLayer) -> None:
    """F1–F6 over some steps; the state before them and dense or one-hot inputs stand in place."""
    block, batch = layer.block, layer.batch
    product, W = layer.forward_product.multiply, p.forward
    half = np.array(0.5, layer.z.dtype)  # quicker than a scalar
    both, from_x = layer.products[0], layer.from_x
    from_C, from_g = both
    for t in range(steps):
        z, out, a, sigmoids, C_prev_g, f_i, o, m, C, h = layer.forward_steps[t]
        product(z, W, out=out)  # F2
        if tokens is not None:
            j = t % block
            if j == 0:
                from_x = _look_up(p, tokens[t : t + block], layer)
            np.add(a, from_x[:, j * batch : (j + 1) * batch], a)  # F2
        np.tanh(a, a)
        np.multiply(sigmoids, half, sigmoids)
        np.add(sigmoids, half, sigmoids)  # F3
        np.multiply(f_i, C_prev_g, both)
        np.add(from_C, from_g, C)  # F4
        np.tanh(C, m)  # F5
        np.multiply(o, m, h)  # F6


def _look_up(p: FusedWeights, tokens: np.ndarray, layer: FusedLayer) -> np.ndarray:
    """The tokens' part of `a`, `(4, steps*batch, hidden)`, bias included."""
    shape = 4, tokens.size, layer.hidden
    out = layer.from_x[: 4 * tokens.size * layer.hidden].reshape(shape)
    assert p.rows is not None
    return p.rows.take(tokens.ravel(), 1, out=out, mode="clip")


def blocks(start: int, end: int, size: int) -> list[tuple[int, int]]:
    """Beginnings and ends of blocks of steps, the last block first."""
    return [(max(start, stop - size), stop) for stop in range(end, start, -size)]


def backward_block(
    p: FusedWeights,
    steps: tuple[int, int],
    dh_out: Float[np.ndarray, "steps _ _"],
    layer: FusedLayer,
    dx: Float[np.ndarray, "steps _ _"] | None,
) -> None:
    """B3–B8, B10 and B11 over a block of steps; leaves da where the gates were.

    `dh_out` is what reaches each h from outside the layer. `dx`, if wanted, receives
    the gradient by the inputs. dC_next for the block before is left in C's place.
    """
    start, end = steps
    _local_derivatives(steps, layer)
    dC, dh, dz, parts = layer.dC, layer.dh, layer.dz, layer.dz_parts
    product, W, out, dh_next = layer.backward_product.multiply, p.backward, layer.dz_out, layer.dz_h
    for j in reversed(range(end - start)):
        da, through_m, dC_next, multiples_of_dC, multiples_of_dh = layer.backward_steps[start + j]
        by_dC, by_dh = layer.local_steps[j]
        np.add(dh_next, dh_out[j], dh)  # B3
        np.multiply(by_dh, dh, multiples_of_dh)  # B4
        np.add(dC_next, through_m, dC)  # B5
        np.multiply(by_dC, dC, multiples_of_dC)  # B11, B6, B8, B7
        product(da, W, out=out)
        if parts is not dz:
            np.add.reduce(parts, axis=0, out=dz)  # B10
        if dx is not None:
            dx[j] = layer.dz_x


def _local_derivatives(steps: tuple[int, int], layer: FusedLayer) -> None:
    """What dC and dh are multiplied by, for a block of steps.

    In products that the forward pass knows: m ⊙ o(1−o) = h ⊙ (1−o), and
    o(1−m²) = o − h ⊙ m, i(1−g²) = i − (i ⊙ g) ⊙ g.
    """
    start, end = steps
    given, local = layer.steps[start:end], layer.local[: end - start]
    h = layer.turn(layer.h[start:end])
    both = layer.products[: end - start]
    np.multiply(given[:, 2:4], given[:, :2], both)
    local[:, 0] = given[:, 2]  # B11: f
    np.subtract(1, given[:, 2:5], local[:, 2:5])
    np.multiply(local[:, 2:4], both, local[:, 2:4])  # B8: C_prev ⊙ f(1−f); B7: g ⊙ i(1−i)
    np.multiply(both[:, 1], given[:, 1], local[:, 1])
    np.subtract(given[:, 3], local[:, 1], local[:, 1])  # B6: i(1−g²)
    np.multiply(local[:, 4], h, local[:, 4])  # B4: m ⊙ o(1−o)
    np.multiply(h, given[:, 5], local[:, 5])
    np.subtract(given[:, 4], local[:, 5], local[:, 5])  # B5: o(1−m²)


def accumulate_block(
    steps: tuple[int, int], tokens: np.ndarray | None, layer: FusedLayer, first: bool
) -> None:
    """B9 for some steps: one product over them and their sequences, added up in `dW`."""
    da, z = layer.columns_of_da(*steps), layer.rows_of_z(*steps)
    np.matmul(da, z, out=layer.dW if first else layer.dW_block)  # B9
    if not first:
        np.add(layer.dW, layer.dW_block, out=layer.dW)
    if tokens is not None:
        if first:
            layer.by_token[...] = 0
        add_by_token(da.swapaxes(1, 2), tokens[slice(*steps)].ravel(), layer.by_token)  # B9


def gradients(layer: FusedLayer) -> LayerParams:
    """The layer's gradients out of `dW`, in the order of the tree, as arrays of their own."""
    if layer.looks_up:  # every step reads one token, so their sums add up to db
        W = np.concatenate([layer.dW, layer.by_token.swapaxes(1, 2)], axis=2)
        b = layer.by_token.sum(axis=1)
    else:
        W, b = layer.dW[:, :, :-1].copy(), layer.dW[:, :, -1].copy()
    (W_g, W_f, W_i, W_o), (b_g, b_f, b_i, b_o) = W, b
    return LayerParams(W_f, W_i, W_g, W_o, b_f, b_i, b_g, b_o)
