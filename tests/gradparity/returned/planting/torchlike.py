"""A NumPy port of PyTorch's layout: a class, fused weights, two biases, batches of token ids."""

from returned.planting.template import Template, shared_names

SOURCE = """
import numpy as np


class Net:
    def __init__(self, params):
        self.W_ih, self.W_hh = params["weight_ih_l0"], params["weight_hh_l0"]
        self.bias = params["bias_ih_l0"] + params["bias_hh_l0"]
        self.W_v, self.b_v = params["weight"], params["bias"]
        self.H = self.W_hh.shape[1]

    @staticmethod
    def sigmoid(x):
        return 0.5 * (1 + np.tanh(0.5 * x))

    def forward(self, tokens, targets):
        self.T, self.B = tokens.shape
        self.V = self.W_v.shape[0]
        self.x = np.eye(self.W_ih.shape[1])[tokens]
        self.target = np.eye(self.V)[targets]
        self.h = np.zeros((self.T + 1, self.B, self.H))
        self.c = np.zeros((self.T + 1, self.B, self.H))
        self.a = np.zeros((self.T, self.B, 4 * self.H))
        self.gates = np.zeros((self.T, 4, self.B, self.H))
        self.m = np.zeros((self.T, self.B, self.H))
        self.y = np.zeros((self.T, self.B, self.V))
        for t in range(self.T):
            a = self.x[t] @ self.W_ih.T + self.h[t] @ self.W_hh.T + self.bias
            self.a[t] = a
            i, f, g, o = np.split(a, 4, axis=1)
            i, f, g, o = self.sigmoid(i), self.sigmoid(f), np.tanh(g), self.sigmoid(o)
            self.gates[t] = i, f, g, o
            self.c[t + 1] = f * self.c[t] + i * g
            self.m[t] = np.tanh(self.c[t + 1])
            self.h[t + 1] = o * self.m[t]
            v = self.h[t + 1] @ self.W_v.T + self.b_v
            e = np.exp(v - v.max(axis=1, keepdims=True))
            self.y[t] = e / e.sum(axis=1, keepdims=True)
        return -np.mean(np.log((self.y * self.target).sum(axis=2)))

    def backward(self):
        T, B, H, sigmoid = self.T, self.B, self.H, self.sigmoid
        y, target, i_, f_, g_, o_ = self.y, self.target, *self.gates.transpose(1, 0, 2, 3)
        a_i_, a_f_, a_g_, a_o_ = np.split(self.a, 4, axis=2)
        dW_ih, dW_hh, db = np.zeros_like(self.W_ih), np.zeros_like(self.W_hh), np.zeros(4 * H)
        dW_v, db_v = np.zeros_like(self.W_v), np.zeros_like(self.b_v)
        dh_next, dC_next = np.zeros((B, H)), np.zeros((B, H))
        dv_ = np.zeros_like(y)
        for t in range(T):
            dv_[t] = <B1.number><B1.residual> / (T * B)
        for t in range(T - 1, -1, -1):
            h_prev, C_prev = self.h[t], self.c[t]
            dv = dv_[t]
            <B2.steps>{dW_v} <B2.number>dv.T @ <B2.h>
            <B2.bias_steps>{db_v} <B2.bias_number>dv.sum(axis=0)
            dh = <B3.number><B3.dv> @ self.W_v + <B3.dh_next>dh_next
            da_o = <B4.number><B4.dh> * <B4.m> * <B4.derivative>
            dC = <B5.number><B5.dh> * <B5.o> * <B5.derivative> + <B5.dC_next>dC_next
            da_i = <B7.number><B7.dC> * <B7.g> * <B7.derivative>
            da_f = <B8.number><B8.dC> * <B8.C_prev> * <B8.derivative>
            da_g = <B6.number><B6.dC> * <B6.i> * <B6.derivative>
            da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
            <B9.steps>{dW_ih} <B9.number>da.T @ <B9.x>
            <B9.steps>{dW_hh} <B9.number>da.T @ <B9.h>
            <B9.bias_steps>{db} <B9.bias_number>da.sum(axis=0)
            dh_next = <B10.dh_next><B10.number>da @ self.W_hh
            dC_next = <B11.number><B11.dC> * <B11.f>
        return {
            "weight_ih_l0": dW_ih, "weight_hh_l0": dW_hh, "bias_ih_l0": db, "bias_hh_l0": db.copy(),
            "weight": dW_v, "bias": db_v,
        }


def subject(params, inputs, targets):
    net = Net(params)
    return net.forward(inputs, targets), net.backward()
"""

NAMES = {
    **{f"{q}[t]": f"{q}_[t]" for q in "figo"},
    **{f"{q}[t-1]": f"{q}_[t - 1]" for q in "figo"},
    **{f"{q}[t-1] (wraps at t = 0)": f"{q}_[t - 1]" for q in "figo"},
    **{f"{q}[t+1]": f"{q}_[min(t + 1, T - 1)]" for q in "figo"},
    **{f"{q}[T-1]": f"{q}_[-1]" for q in "figo"},
    **{f"a_{k}[t]": f"a_{k}_[t]" for k in "figo"},
    "m[t]": "self.m[t]", "m[t-1]": "np.tanh(C_prev)", "m[t+1]": "self.m[min(t + 1, T - 1)]",
    "m[T-1]": "self.m[-1]", "m[t-1] (wraps at t = 0)": "self.m[t - 1]",
    "C[t]": "self.c[t + 1]", "C[t-1]": "C_prev", "C_prev[t]": "C_prev", "C[t-2]": "self.c[t - 1]",
    "C[t-1] (wraps at t = 0)": "self.c[1:][t - 1]",
    "h[t]": "self.h[t + 1]", "h[t-1]": "h_prev", "h_prev[t]": "h_prev", "h[t-2]": "self.h[t - 1]",
    "h[t-1] (wraps at t = 0)": "self.h[1:][t - 1]", "h[t+1]": "self.h[min(t + 2, T)]",
    **shared_names(), "dh*o": "(dh * o_[t])", "0": "0 * h_prev", "1": "1",
    "x[t]": "self.x[t]", "x[t-1]": "self.x[t - 1]", "x[t+1]": "self.x[min(t + 1, T - 1)]",
    "y - onehot": "(y[t] - target[t])", "y": "y[t]",
    "(y - onehot)*y*(1 - y)": "((y[t] - target[t]) * y[t] * (1 - y[t]))",
    "y - onehot[t-1]": "(y[t] - target[t - 1])", "y - onehot[t+1]": "(y[t] - target[min(t + 1, T - 1)])",
    "dv": "dv", "dv[t+1]": "dv_[min(t + 1, T - 1)]", "dv*y*(1 - y)": "(dv * y[t] * (1 - y[t]))",
}  # fmt: skip

EDITS = (
    ("da_f = dC * C_prev * (f_[t]*(1 - f_[t]))", "da_f = dC * C_prev * f_[t] * (1 - i_[t])", "B8", "f"),
    ("da_f = dC * C_prev * (f_[t]*(1 - f_[t]))", "da_f = dC * C_prev[::-1] * f_[t] * (1 - f_[t])", "B8", "f"),
    ("da_i = dC * g_[t] * (i_[t]*(1 - i_[t]))", "da_i = dC * g_[t] * i_[t] * (1 - i_[t]) * 1.3", "B7", "i"),
    ("da_i = dC * g_[t] * (i_[t]*(1 - i_[t]))", "da_i = dC.mean(axis=0) * g_[t] * i_[t] * (1 - i_[t])", "B7", "i"),
    ("da_g = dC * i_[t] * (1 - g_[t]**2)", "da_g = dC * i_[t] * (1 - a_g_[t] ** 2 * g_[t] ** 2)", "B6", "g"),
    ("da_g = dC * i_[t] * (1 - g_[t]**2)", "da_g = np.maximum(dC, 0) * i_[t] * (1 - g_[t] ** 2)", "B6", "g"),
    ("da_o = dh * self.m[t] * (o_[t]*(1 - o_[t]))", "da_o = dh * C_prev * self.m[t] * o_[t] * (1 - o_[t])", "B4", "o"),
    ("dC = dh * o_[t] * (1 - self.m[t]**2) + dC_next", "dC = dh * o_[t] * (1 - self.m[t] ** 2) + dC_next * 0.8", "B11", ""),
    ("dC = dh * o_[t] * (1 - self.m[t]**2) + dC_next", "dC = dh * o_[t] * (1 - self.m[t] ** 3) + dC_next", "B5", ""),
    ("dC = dh * o_[t] * (1 - self.m[t]**2) + dC_next", "dC = dh * o_[t] * i_[t] * (1 - self.m[t] ** 2) + dC_next", "B5", ""),
    ("dh = dv @ self.W_v + dh_next", "dh = 0.2 * dv @ self.W_v + dh_next", "B3", "W_v"),
    ("dh = dv @ self.W_v + dh_next", "dh = (dv ** 2) @ self.W_v + dh_next", "B3", "W_v"),
    ("dh_next = da @ self.W_hh", "dh_next = da @ np.roll(self.W_hh, H, axis=0)", "B10", ""),
    ("dh_next = da @ self.W_hh", "dh_next = (da * (da > 0)) @ self.W_hh", "B10", ""),
    ("dC_next = dC * f_[t]", "dC_next = dC * (f_[t] + i_[t])", "B11", ""),
    ("dC_next = dC * f_[t]", "dC_next = dC * f_[t] * (f_[t] > 0.5)", "B11", ""),
    ("dW_v += dv.T @ self.h[t + 1]", "dW_v += (dv.T @ self.h[t + 1]) * 0.5 + dv.T @ h_prev * 0.5", "B2", "W_v"),
    ("db_v += dv.sum(axis=0)", "db_v += dv.sum(axis=0) * 0.3", "B2", "W_v"),
    ("dW_hh += da.T @ h_prev", "dW_hh += da.T @ (h_prev + self.h[t + 1])", "B9", ""),
    ("dW_ih += da.T @ self.x[t]", "dW_ih += 0.4 * da.T @ self.x[t]", "B9", ""),
    ("db += da.sum(axis=0)", "db += da[0]", "B9", ""),
    ("np.concatenate([da_i, da_f, da_g, da_o], axis=1)", "np.concatenate([da_f, da_i, da_g, da_o], axis=1)", "B7 B8", ""),
    ("da_f = dC * C_prev * (f_[t]*(1 - f_[t]))", "da_f = dC * self.c[1] * f_[t] * (1 - f_[t])", "B8", "f"),
    ("dv_[t] = (y[t] - target[t]) / (T * B)", "dv_[t] = (y[t] - target[t]) * target[t] / (T * B)", "B1", "W_v"),
)  # fmt: skip

TEMPLATE = Template(
    "pytorch-like model", "model", "pytorch", SOURCE, NAMES, fused=True, edits=EDITS
)
