"""An object that keeps its parameters and gradients: a GRU over time.

gradparity diagnose examples/gru_layer.py:case
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class GRU:
    def __init__(self, inputs, hidden, rng):
        self.Wr, self.Wz, self.Wn = rng.normal(size=(3, inputs + hidden, hidden))
        self.hidden = hidden

    def forward(self, x):
        self.steps = []
        h = np.zeros((x.shape[1], self.hidden))
        for x_t in x:
            joined = np.concatenate([x_t, h], axis=1)
            r, z = sigmoid(joined @ self.Wr), sigmoid(joined @ self.Wz)
            reset = np.concatenate([x_t, r * h], axis=1)
            n = np.tanh(reset @ self.Wn)
            self.steps.append((joined, reset, r, z, n, h))
            h = (1 - z) * n + z * h
        return h

    def backward(self, dh):
        self.dWr, self.dWz, self.dWn = (np.zeros_like(w) for w in (self.Wr, self.Wz, self.Wn))
        dx = []
        for joined, reset, r, z, n, h in reversed(self.steps):
            inputs = joined.shape[1] - self.hidden
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * (h - n) * z * (1 - z)
            dreset = dn @ self.Wn.T
            dr = dreset[:, inputs:] * h * r * (1 - r)
            djoined = dr @ self.Wr.T + dz @ self.Wz.T
            self.dWn += reset.T @ dn
            self.dWz += joined.T @ dz
            self.dWr += joined.T @ dr
            dx.append(dreset[:, :inputs] + djoined[:, :inputs])
            dh = dh * z + djoined[:, inputs:]
        return np.stack(dx[::-1])


def case():
    rng = np.random.default_rng(0)
    return GRU(3, 4, rng), rng.normal(size=(5, 2, 3))
