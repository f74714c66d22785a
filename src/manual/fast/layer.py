"""One layer over time, arranged for speed; `cell.py` has the equations as they are written.

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
from manual.fast.memory import LayerMemory
from manual.fast.products import Arrangement, products
from manual.fast.weights import Weights


class Layer(LayerMemory):
    """One layer's equations in its memory, and the views that each step computes with.

    Views are made once: each would take as long as half an operation.
    """

    def __init__(
        self, config: Config, layer: int, time: int, batch: int, arrangement: Arrangement
    ) -> None:
        super().__init__(config, layer, time, batch, arrangement)
        self._into_a, self._into_dz = products(config, layer, batch, arrangement)
        self._dz_out = self._into_dz.of_out(self.dz_parts)
        self._forward_views = [self._forward_view(t) for t in range(time)]
        self._backward_views = [self._backward_view(t) for t in range(time)]
        self._local_views = list(zip(self.local.of_dC, self.local.of_dh, strict=True))

    def _forward_view(self, t: int) -> tuple[np.ndarray, ...]:
        s, h = self.steps, self.turn(self.h[t])
        z, a, C_next = self._into_a.of_z(self.z[t]), s.gates[t], s.C_prev[t + 1]
        out = self._into_a.of_out(a)
        return z, out, a, s.sigmoids[t], s.f_i[t], s.C_prev_g[t], C_next, s.m[t], s.o[t], h

    def forward(self, p: Weights, tokens: np.ndarray) -> None:
        """F1–F6 over some steps; the state before them and dense or one-hot inputs are in place."""
        block, batch, looks_up = self.block, self.batch, self.looks_up
        product, W = self._into_a.multiply, p.forward
        half = np.array(0.5, self.z.dtype)  # quicker than a scalar
        both, from_x = self.products[0], self.from_x
        from_C, from_g = both
        for t in range(len(tokens)):
            z, out, a, sigmoids, f_i, C_prev_g, C, m, o, h = self._forward_views[t]
            product(z, W, out=out)  # F2
            if looks_up:
                j = t % block
                if j == 0:
                    from_x = self._look_up(p, tokens[t : t + block])
                np.add(a, from_x[:, j * batch : (j + 1) * batch], a)  # F2
            np.tanh(a, a)
            np.multiply(sigmoids, half, sigmoids)
            np.add(sigmoids, half, sigmoids)  # F3
            np.multiply(f_i, C_prev_g, both)
            np.add(from_C, from_g, C)  # F4
            np.tanh(C, m)  # F5
            np.multiply(o, m, h)  # F6

    def _look_up(self, p: Weights, tokens: np.ndarray) -> np.ndarray:
        """The tokens' part of `a`, `(4, steps*batch, hidden)`, bias included."""
        shape = 4, tokens.size, self.hidden
        out = self.from_x[: 4 * tokens.size * self.hidden].reshape(shape)
        assert p.rows is not None
        return p.rows.take(tokens.ravel(), 1, out=out, mode="clip")

    def _backward_view(self, t: int) -> tuple[np.ndarray, ...]:
        s = self.steps
        dC_next, da = s.C_prev[t + 1], self._into_dz.of_z(s.gates[t])
        return s.of_dh[t], dC_next, s.m[t], s.of_dC[t], da

    def backward_block(
        self,
        p: Weights,
        steps: tuple[int, int],
        dh_out: Float[np.ndarray, "steps _ _"],
        dx: Float[np.ndarray, "steps _ _"] | None,
    ) -> None:
        """B3–B8, B10 and B11 over a block of steps; leaves da where the gates were.

        `dh_out` is what reaches each h from outside the layer. `dx`, if wanted, receives
        the gradient by the inputs. dC_next for the block before is left in C's place.
        """
        start, end = steps
        self._local_derivatives(start, end)
        dC, dh, dz, parts = self.dC, self.dh, self.dz, self.dz_parts
        product, W, out, dh_next = self._into_dz.multiply, p.backward, self._dz_out, self.dz_h
        for j in reversed(range(end - start)):
            of_dh, dC_next, through_m, of_dC, da = self._backward_views[start + j]
            by_dC, by_dh = self._local_views[j]
            np.add(dh_next, dh_out[j], dh)  # B3
            np.multiply(by_dh, dh, of_dh)  # B4
            np.add(dC_next, through_m, dC)  # B5
            np.multiply(by_dC, dC, of_dC)  # B11, B6, B8, B7
            product(da, W, out=out)
            if parts is not dz:
                np.add.reduce(parts, axis=0, out=dz)  # B10
            if dx is not None:
                dx[j] = self.dz_x

    def _local_derivatives(self, start: int, end: int) -> None:
        """What dC and dh are multiplied by, for a block of steps.

        In products that the forward pass knows: m ⊙ o(1−o) = h ⊙ (1−o), and
        o(1−m²) = o − h ⊙ m, i(1−g²) = i − (i ⊙ g) ⊙ g.
        """
        s, by, at, to = self.steps, self.local, slice(start, end), slice(end - start)
        h, both, i_g = self.turn(self.h[at]), self.products[to], self.products[to, 1]
        by_f_i, by_g, by_o, by_m = by.f_i[to], by.g[to], by.o[to], by.m[to]
        np.multiply(s.f_i[at], s.C_prev_g[at], both)
        by.C_prev[to] = s.f[at]  # B11: f
        np.subtract(1, s.sigmoids[at], by.sigmoids[to])
        np.multiply(by_f_i, both, by_f_i)  # B8: C_prev ⊙ f(1−f); B7: g ⊙ i(1−i)
        np.multiply(i_g, s.g[at], by_g)
        np.subtract(s.i[at], by_g, by_g)  # B6: i(1−g²)
        np.multiply(by_o, h, by_o)  # B4: m ⊙ o(1−o)
        np.multiply(h, s.m[at], by_m)
        np.subtract(s.o[at], by_m, by_m)  # B5: o(1−m²)

    def accumulate_block(self, steps: tuple[int, int], tokens: np.ndarray, *, first: bool) -> None:
        """B9 for some steps: one product over them and their sequences, added up in `dW`."""
        da, z = self.columns_of_da(*steps), self.rows_of_z(*steps)
        np.matmul(da, z, out=self.dW if first else self.dW_block)  # B9
        if not first:
            np.add(self.dW, self.dW_block, out=self.dW)
        if self.looks_up:
            if first:
                self.by_token[...] = 0
            add_by_token(da.swapaxes(1, 2), tokens[slice(*steps)].ravel(), self.by_token)  # B9

    def gradients(self) -> LayerParams:
        """The layer's gradients out of `dW`, in the order of the tree, as arrays of their own."""
        if self.looks_up:  # every step reads one token, so their sums add up to db
            W = np.concatenate([self.dW, self.by_token.swapaxes(1, 2)], axis=2)
            b = self.by_token.sum(axis=1)
        else:
            W, b = self.dW[:, :, :-1].copy(), self.dW[:, :, -1].copy()
        (W_g, W_f, W_i, W_o), (b_g, b_f, b_i, b_o) = W, b
        return LayerParams(W_f, W_i, W_g, W_o, b_f, b_i, b_g, b_o)
