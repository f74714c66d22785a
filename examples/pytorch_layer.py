"""A layer in PyTorch's layout, gates i, f, g, o stacked; its gradients are right.

gradparity diagnose examples/pytorch_layer.py:run --kind layer --layout pytorch
"""

import numpy as np


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


class LSTM:
    def __init__(self, weight_ih, weight_hh, bias_ih, bias_hh):
        self.weight_ih, self.weight_hh, self.bias = weight_ih, weight_hh, bias_ih + bias_hh

    def forward(self, x, h, c):
        self.x, self.states, self.gates = x, [(h, c)], []
        for x_t in x:
            a = x_t @ self.weight_ih.T + h @ self.weight_hh.T + self.bias
            i, f, g, o = np.split(a, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            c = f * c + i * g
            h = o * np.tanh(c)
            self.states.append((h, c))
            self.gates.append((i, f, g, o))
        return np.stack([h for h, _ in self.states[1:]])

    def backward(self, grad_h):
        d_ih, d_hh = np.zeros_like(self.weight_ih), np.zeros_like(self.weight_hh)
        d_bias, dx = np.zeros_like(self.bias), np.zeros_like(self.x)
        dh = dc = np.zeros_like(grad_h[0])
        for t in reversed(range(len(self.x))):
            (h_prev, c_prev), (_, c) = self.states[t], self.states[t + 1]
            i, f, g, o = self.gates[t]
            dh = dh + grad_h[t]
            m = np.tanh(c)
            dc = dc + dh * o * (1 - m**2)
            di, df, dg, do = dc * g, dc * c_prev, dc * i, dh * m
            da = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])
            d_ih += da.T @ self.x[t]
            d_hh += da.T @ h_prev
            d_bias += da.sum(axis=0)
            dx[t], dh, dc = da @ self.weight_ih, da @ self.weight_hh, dc * f
        return d_ih, d_hh, d_bias, dx, dh, dc


def run(params, x, h0, C0, dh):
    """The glue: parameters by PyTorch's names in, gradients by the same names out."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    lstm = LSTM(*[params[name] for name in names])
    h = lstm.forward(x, h0, C0)
    d_ih, d_hh, d_bias, dx, dh0, dC0 = lstm.backward(dh)
    grads = dict(zip(names, (d_ih, d_hh, d_bias, d_bias)))
    return h, grads | {"dx": dx, "dh0": dh0, "dC0": dC0}
