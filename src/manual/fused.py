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

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lstm_spec import Config, LayerParams, State
from manual.fused_readout import FusedReadout

ORDER = ("o", "f", "i", "g")
CACHE = 2**20  # bytes that the gates of a block of steps may take
ONE_HOT = 32  # vocabularies up to this size are multiplied, larger ones looked up

Hidden = Float[np.ndarray, "hidden batch"]


class FusedWeights(NamedTuple):
    """One layer's weights, in this module's order and scaling.

    Attributes:
        forward: what z is multiplied by, rows of sigmoids halved.
        columns: `(4*hidden, vocab)` for looking tokens up, bias included; or None.
        backward: Wᵀ of the rows of z that send gradients back, contiguous.
    """

    forward: Float[np.ndarray, "4*hidden rows"]
    columns: Float[np.ndarray, "4*hidden vocab"] | None
    backward: Float[np.ndarray, "sent 4*hidden"]


def block_length(config: Config, time: int, batch: int) -> int:
    """How many steps are worked on together: as many as the cache holds, evenly divided."""
    step = 4 * config.hidden_size * batch * config.numpy_dtype.itemsize
    number = -(-time // max(1, CACHE // step))
    return -(-time // number)


class FusedLayer:
    """What one layer keeps of a forward pass, and the scratch memory of its passes.

    The rows of z are h, then x (dense inputs or one-hot tokens) and a row of ones for
    the bias. Where tokens are looked up, z is h alone.
    """

    def __init__(self, config: Config, layer: int, time: int, batch: int) -> None:
        self.hidden, self.inputs = config.hidden_size, config.input_size(layer)
        self.reads_tokens = layer == 0
        self.looks_up = self.reads_tokens and self.inputs > ONE_HOT
        hidden, block = self.hidden, block_length(config, time, batch)
        self.block = block
        self.rows = hidden + self.inputs + 1

        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, config.numpy_dtype)

        self.z = empty(time + 1, hidden if self.looks_up else self.rows, batch)
        self.z[:, hidden:] = 1
        self.gates, self.C = empty(time, 4 * hidden, batch), empty(time + 1, hidden, batch)
        self.column = empty(4 * hidden, batch)
        self.local, self.through_m = empty(block, 4 * hidden, batch), empty(block, hidden, batch)
        self.scratch = empty(2, block, hidden, batch)
        self.tmp, self.dh = empty(hidden, batch), empty(hidden, batch)
        self.dC, self.dC_spare = empty(hidden, batch), empty(hidden, batch)
        self.dz = empty(hidden if self.reads_tokens else hidden + self.inputs, batch)
        self.da_block = empty(4 * hidden * block * batch)
        self.z_block = empty(self.rows * block * batch)
        self.dW, self.dW_block = empty(4 * hidden, self.rows), empty(4 * hidden, self.rows)

        self.forward_steps = [self._forward_step(t) for t in range(time)]
        self.gate_steps = [_gate_step(gates, hidden) for gates in self.gates]
        self.local_steps = [self._local_step(j) for j in range(block)]

    def _forward_step(self, t: int) -> tuple[np.ndarray, ...]:
        """Views of step t: z, a, its sigmoids, o, f, i, g, C_prev, C, h."""
        a, hidden = self.gates[t], self.hidden
        gates = (a[k * hidden : (k + 1) * hidden] for k in range(4))
        C = self.C[t : t + 2]
        return (self.z[t], a, a[: 3 * hidden], *gates, *C, self.z[t + 1, :hidden])

    def _local_step(self, j: int) -> tuple[np.ndarray, ...]:
        """Views of step j of a block: o(1−m²), and what dh and dC are multiplied by."""
        local, shape = self.local[j], (3, self.hidden, self.local.shape[2])
        return self.through_m[j], local[: self.hidden], local[self.hidden :].reshape(shape)

    @property
    def h(self) -> Float[np.ndarray, "time hidden batch"]:
        """h_0 … h_{T−1}."""
        return self.z[1:, : self.hidden]

    @property
    def x(self) -> Float[np.ndarray, "time inputs batch"]:
        """Where a layer's dense inputs belong."""
        return self.z[:-1, self.hidden : -1]


def _gate_step(gates: np.ndarray, hidden: int) -> tuple[np.ndarray, ...]:
    """Views of one step's gates: all, f, and where da_o and da_f, da_i, da_g go."""
    rest = gates[hidden:].reshape(3, hidden, gates.shape[1])
    return gates, gates[hidden : 2 * hidden], gates[:hidden], rest


class FusedTape:
    """The layers' memory, and the gradients that pass between them."""

    def __init__(self, config: Config, time: int, batch: int) -> None:
        self.layers = [FusedLayer(config, k, time, batch) for k in range(config.num_layers)]
        shape = (time, config.hidden_size, batch)
        self.dh = np.empty(shape, config.numpy_dtype)
        self.readout = FusedReadout(config, self.layers[-1].block, batch)

    def final_state(self) -> State:
        """h and C of every layer after the last step."""
        return State(
            np.stack([layer.h[-1] for layer in self.layers]),
            np.stack([layer.C[-1] for layer in self.layers]),
        )


def stack(p: LayerParams, layer: FusedLayer) -> FusedWeights:
    """Stack and scale a layer's weights."""
    W = np.concatenate([getattr(p, f"W_{gate}") for gate in ORDER])
    b = np.concatenate([getattr(p, f"b_{gate}") for gate in ORDER])
    hidden = layer.hidden
    backward = np.ascontiguousarray(W[:, : len(layer.dz)].T)
    W = np.hstack([W, b[:, None]])
    W[: 3 * hidden] *= 0.5
    if not layer.looks_up:
        return FusedWeights(W, None, backward)
    return FusedWeights(np.ascontiguousarray(W[:, :hidden]), W[:, hidden:-1] + W[:, -1:], backward)


def forward(
    p: FusedWeights, h: Hidden, C: Hidden, tokens: np.ndarray | None, layer: FusedLayer
) -> None:
    """F1–F6 over every step; dense inputs or one-hot rows stand in z already."""
    layer.z[0, : layer.hidden], layer.C[0] = h, C
    tmp, column, half = layer.tmp, layer.column, layer.gates.dtype.type(0.5)
    for t, (z, a, sigmoids, o, f, i, g, C_prev, C_t, h_t) in enumerate(layer.forward_steps):
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


def begin_backward(layer: FusedLayer, dh_last: Hidden, dC_last: Hidden) -> None:
    """Set what reaches the last step from the final state."""
    layer.dz[: layer.hidden] = dh_last
    layer.dC[...] = dC_last


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
