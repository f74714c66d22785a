"""Every quantity of one LSTM layer at every time step, computed literally.

A film maps a symbol to an array `(time, rows, batch)`. The forward half is
filled by F1–F6 here; the backward half by `simulate.py` or by a backend's
adjoints. It is slow and plain on purpose: equations are judged against it.
"""

from dataclasses import dataclass, field

import numpy as np

from lstm_spec import GATES, LayerParams

Array = np.ndarray


def sigmoid(a: Array) -> Array:
    """σ(a), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * a)


@dataclass
class Film:
    """One layer: its parameters, and its quantities by symbol.

    Forward symbols: z, x, h_prev, a_f, a_i, a_g, a_o, f, i, g, o, C_prev, C, m, h.
    Backward symbols: dh_out (from outside the layer), dh, da_f, da_i, da_g, da_o,
    dC, dC_local (without what later steps send back), dz. What stands in `given` is
    taken from there instead of being computed.
    """

    params: LayerParams
    values: dict[str, Array] = field(default_factory=dict)
    given: dict[str, Array] = field(default_factory=dict)

    def settle(self, symbol: str, t: int, value: Array) -> None:
        """Set a quantity at a step: to what is given for it, if anything, else to the value."""
        self.values[symbol][t] = self.given[symbol][t] if symbol in self.given else value

    def __getitem__(self, symbol: str) -> Array:
        return self.values[symbol]

    def __setitem__(self, symbol: str, array: Array) -> None:
        self.values[symbol] = array

    @property
    def time(self) -> int:
        """Number of time steps."""
        return len(self.values["x"])

    def weight(self, gate: str) -> Array:
        """W_k `(hidden, hidden + inputs)`."""
        return getattr(self.params, f"W_{gate}")


def run_layer(params: LayerParams, x: Array, h: Array, C: Array) -> Film:
    """F1–F6 over `x (time, inputs, batch)` from the state `h, C (hidden, batch)`."""
    steps = []
    for x_t in x:
        step = {"x": x_t, "h_prev": h, "C_prev": C, "z": np.concatenate([h, x_t])}  # F1
        for gate in GATES:
            W, b = getattr(params, f"W_{gate}"), getattr(params, f"b_{gate}")
            a = step[f"a_{gate}"] = W @ step["z"] + b[:, None]  # F2
            step[gate] = np.tanh(a) if gate == "g" else sigmoid(a)  # F3
        C = step["C"] = step["f"] * C + step["i"] * step["g"]  # F4
        m = step["m"] = np.tanh(C)  # F5
        h = step["h"] = step["o"] * m  # F6
        steps.append(step)
    return Film(params, {symbol: np.stack([s[symbol] for s in steps]) for symbol in steps[0]})
