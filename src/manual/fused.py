"""The same equations, arranged for speed; `cell.py` has them as they are written.

What is different, and why (docs/performance.md has the measurements):

- Gates lie in the order o, f, i, g: the three sigmoids are one block of rows, and so
  are the three gates whose adjoints are multiples of dC.
- σ(a) = (1 + tanh(a/2))/2: with the rows of o, f and i halved once in W, a single
  tanh serves all four gates.
- A token's column of W is looked up, or, in a small vocabulary, multiplied as one-hot
  rows of z. The bias rides along.
- The local derivatives do not depend on what comes from later steps. They are formed
  for a block of steps at once, which leaves six operations and one product in the
  loop. Adjoints overwrite the gates they belong to.
- dW is one product for each block, while the block is still in the cache; so are the
  readout and its loss.

Only gates, C and h are kept: m = tanh(C) is cheaper to form again than to store.
"""

import numpy as np
from jaxtyping import Float

from lstm_spec import Config, LayerParams
from manual.fused_tape import FusedLayer, looks_up

ORDER = ("o", "f", "i", "g")

Hidden = Float[np.ndarray, "hidden batch"]


class FusedWeights:
    """One layer's weights, in this module's order and scaling.

    Attributes:
        forward: what z is multiplied by, rows of sigmoids halved.
        columns: `(4*hidden, vocab)` for looking tokens up, bias included; or None.
        backward: Wᵀ of the rows of z that send gradients back, contiguous.
    """

    def __init__(self, config: Config, layer: int) -> None:
        hidden, inputs = config.hidden_size, config.input_size(layer)

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self.hidden, self.columns = hidden, None
        if looks_up(config, layer):
            self.forward, self.columns = empty(4 * hidden, hidden), empty(4 * hidden, inputs)
        else:
            self.forward = empty(4 * hidden, hidden + inputs + 1)
        self.backward = empty(hidden if layer == 0 else hidden + inputs, 4 * hidden)


def stack(p: LayerParams, out: FusedWeights) -> None:
    """Stack and scale a layer's weights."""
    hidden, sent = out.hidden, len(out.backward)
    for k, gate in enumerate(ORDER):
        rows, scale = slice(k * hidden, (k + 1) * hidden), 1 if gate == "g" else 0.5
        W, b = getattr(p, f"W_{gate}"), getattr(p, f"b_{gate}")[:, None]
        out.backward[:, rows] = W[:, :sent].T
        if out.columns is None:
            np.multiply(W, scale, out=out.forward[rows, :-1])
            np.multiply(b, scale, out=out.forward[rows, -1:])
        else:
            np.multiply(W[:, :hidden], scale, out=out.forward[rows])
            np.add(W[:, hidden:], b, out=out.columns[rows])
            out.columns[rows] *= scale


def forward(
    p: FusedWeights, h: Hidden, C: Hidden, steps: int, tokens: np.ndarray | None, layer: FusedLayer
) -> None:
    """F1–F6 over the first steps; dense inputs or one-hot rows stand in z already."""
    layer.z[0, : layer.hidden], layer.C[0] = h, C
    tmp, column, half = layer.tmp, layer.column, layer.gates.dtype.type(0.5)
    for t, (z, a, sigmoids, o, f, i, g, C_prev, C_t, h_t) in enumerate(layer.forward_steps[:steps]):
        np.matmul(p.forward, z, out=a)  # F2
        if p.columns is not None and tokens is not None:
            p.columns.take(tokens[t], 1, out=column, mode="clip")
            np.add(a, column, out=a)  # F2
        np.tanh(a, out=a)
        np.multiply(sigmoids, half, out=sigmoids)
        np.add(sigmoids, half, out=sigmoids)  # F3
        np.multiply(f, C_prev, out=C_t)
        np.multiply(i, g, out=tmp)
        np.add(C_t, tmp, out=C_t)  # F4
        np.tanh(C_t, out=tmp)  # F5
        np.multiply(o, tmp, out=h_t)  # F6


def blocks(time: int, size: int) -> list[tuple[int, int]]:
    """Beginnings and ends of blocks of steps, the last block first."""
    return [(max(0, end - size), end) for end in range(time, 0, -size)]


def backward_block(
    p: FusedWeights,
    steps: tuple[int, int],
    dh_out: Float[np.ndarray, "steps hidden batch"],
    layer: FusedLayer,
    dx: Float[np.ndarray, "steps inputs batch"] | None,
) -> None:
    """B3–B8, B10 and B11 over a block of steps; leaves da where the gates were.

    `dh_out` is what reaches each h from outside the layer. `dx`, if wanted, receives
    the gradient by the inputs. dC_next for the block before is left in `layer.dC`.
    """
    hidden, (start, end) = layer.hidden, steps
    _local_derivatives(steps, layer)
    dC, spare, dh = layer.dC, layer.dC_spare, layer.dh
    dz, dh_next = layer.dz, layer.dz[:hidden]
    for j in reversed(range(end - start)):
        gates, f, da_o, da_rest = layer.gate_steps[start + j]
        through_m, by_dh, by_dC = layer.local_steps[j]
        np.add(dh_next, dh_out[j], out=dh)  # B3
        np.multiply(dh, through_m, out=spare)
        np.add(dC, spare, out=dC)  # B5
        np.multiply(dC, f, out=spare)  # B11, before da overwrites f
        np.multiply(dh, by_dh, out=da_o)  # B4
        np.multiply(by_dC, dC, out=da_rest)  # B8, B7, B6
        dC, spare = spare, dC
        np.matmul(p.backward, gates, out=dz)  # B10
        if dx is not None:
            dx[j] = dz[hidden:]
    layer.dC, layer.dC_spare = dC, spare


def _local_derivatives(steps: tuple[int, int], layer: FusedLayer) -> None:
    """What dh and dC are multiplied by, for a block of steps.

    In products that the forward pass knows: m ⊙ o(1−o) = h ⊙ (1−o), and
    o(1−m²) = o − h ⊙ m, i(1−g²) = i − (i ⊙ g) ⊙ g.
    """
    hidden, (start, end) = layer.hidden, steps
    gates, local = layer.gates[start:end], layer.local[: end - start]
    through_m, (m, product) = layer.through_m[: end - start], layer.scratch[:, : end - start]
    h, C_prev, C = layer.h[start:end], layer.C[start:end], layer.C[start + 1 : end + 1]
    o, f, i, g = (gates[:, k * hidden : (k + 1) * hidden] for k in range(4))
    by_o, by_f, by_i, by_g = (local[:, k * hidden : (k + 1) * hidden] for k in range(4))
    np.tanh(C, out=m)  # F5
    np.multiply(h, m, out=through_m)
    np.subtract(o, through_m, out=through_m)  # B5: o(1−m²)
    np.subtract(1, gates[:, : 3 * hidden], out=local[:, : 3 * hidden])
    np.multiply(by_o, h, out=by_o)  # B4: m ⊙ o(1−o)
    np.multiply(f, C_prev, out=product)
    np.multiply(by_f, product, out=by_f)  # B8: C_prev ⊙ f(1−f)
    np.multiply(i, g, out=product)
    np.multiply(by_i, product, out=by_i)  # B7: g ⊙ i(1−i)
    np.multiply(product, g, out=product)
    np.subtract(i, product, out=by_g)  # B6: i(1−g²)


def accumulate_block(
    steps: tuple[int, int], tokens: np.ndarray | None, layer: FusedLayer, first: bool
) -> None:
    """B9 for a block of steps: one product over its steps and sequences, added up in `dW`."""
    start, end = steps
    gates, z = layer.gates[start:end], layer.z[start:end]
    columns = gates.shape[2] * (end - start)
    da = layer.da_block[: gates.shape[1] * columns].reshape(gates.shape[1], columns)
    z_block = layer.z_block[: layer.rows * columns].reshape(layer.rows, columns)
    _copy_by_column(gates, da)
    _copy_by_column(z, z_block[: z.shape[1]])
    if layer.looks_up and tokens is not None:
        z_block[layer.hidden :] = 0
        z_block[-1] = 1
        z_block[layer.hidden + tokens[start:end].ravel(), np.arange(columns)] = 1
    np.matmul(da, z_block.T, out=layer.dW if first else layer.dW_block)  # B9
    if not first:
        np.add(layer.dW, layer.dW_block, out=layer.dW)


def _copy_by_column(array: np.ndarray, out: np.ndarray) -> None:
    """`(steps, rows, batch)` into `(rows, steps * batch)`."""
    steps, rows, batch = array.shape
    np.copyto(out.reshape(rows, steps, batch), array.transpose(1, 0, 2))


def gradients(layer: FusedLayer) -> LayerParams:
    """The layer's gradients out of `dW`, in the order of the tree, as arrays of their own."""
    parts = dict(zip(ORDER, np.split(layer.dW, 4), strict=True))
    weights = {f"W_{gate}": part[:, :-1].copy() for gate, part in parts.items()}
    biases = {f"b_{gate}": part[:, -1].copy() for gate, part in parts.items()}
    return LayerParams(**weights, **biases)
