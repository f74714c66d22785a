"""One layer's weights as the fast pass multiplies by them: stacked, scaled, in their places."""

import numpy as np

from lstm_spec import Config, LayerParams
from manual.fast.products import Arrangement, looks_up, products

SIGMOIDS = slice(1, None)  # f, i and o, of the gates in the order g, f, i, o


class Weights:
    """One layer's weights, gates in the order g, f, i, o, those of f, i and o halved.

    Attributes:
        forward, backward: what z and da are multiplied by, as their `Product` takes them.
        rows: `(4, vocab, hidden)` for looking tokens up, bias included; or None.
    """

    def __init__(self, config: Config, layer: int, batch: int, arrangement: Arrangement) -> None:
        dtype = config.numpy_dtype
        hidden, inputs = config.hidden_size, config.input_size(layer)
        into_a, into_dz = products(config, layer, batch, arrangement)
        self.forward, self.backward = into_a.new_weights(dtype), into_dz.new_weights(dtype)
        self.rows = np.empty((4, inputs, hidden), dtype) if looks_up(config, layer) else None
        self._W = np.empty((4 * hidden, hidden + inputs), dtype)
        self._b = np.empty(4 * hidden, dtype)
        self._half = np.array(0.5, dtype)
        a, dz = into_a.by_gate(self.forward), into_dz.by_gate(self.backward)
        self._places = self._all_places(a, dz)
        taken = [a] if self.rows is None else [a, self.rows]
        self._halved = [gates[SIGMOIDS] for gates in taken]

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
