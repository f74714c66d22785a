"""CS231n's style: a layer over (N, T, D), fused weights by rows, gates i f o g, a cache per step."""

from returned.planting.template import Template, shared_names

SOURCE = """
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H : 2 * H])
    o = sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    m = np.tanh(next_c)
    next_h = o * m
    return next_h, next_c, (x, prev_h, prev_c, a, i, f, o, g, next_c, m, next_h)


def step_backward(dnext_h, dnext_c, outer_dh, cache, params, t, T):
    Wx, Wh = params["Wx"], params["Wh"]
    x, h_prev, C_prev, a, i, f, o, g, C, m, h = cache
    B, H = h_prev.shape
    a_i, a_f, a_o, a_g = np.split(a, 4, axis=1)
    dh_next, dC_next = dnext_h, dnext_c
    dh = outer_dh + <B3.dh_next>dh_next
    da_o = <B4.number><B4.dh> * <B4.m> * <B4.derivative>
    dC = <B5.number><B5.dh> * <B5.o> * <B5.derivative>
    dC = dC + <B5.dC_next>dC_next
    da_g = <B6.number><B6.dC> * <B6.i> * <B6.derivative>
    da_i = <B7.number><B7.dC> * <B7.g> * <B7.derivative>
    da_f = <B8.number><B8.dC> * <B8.C_prev> * <B8.derivative>
    dprev_c = <B11.number><B11.dC> * <B11.f>
    da = np.hstack((da_i, da_f, da_o, da_g))
    dx = da @ Wx.T
    dprev_h = <B10.dh_next><B10.number>da @ Wh.T
    dWx = <B9.number><B9.x>.T @ da
    dWh = <B9.number><B9.h>.T @ da
    db = <B9.bias_number>da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def subject(params, x, h0, C0, dh, dC):
    B, T, D = x.shape
    h, c = h0, C0
    outputs, caches = [], []
    for t in range(T):
        h, c, cache = step_forward(x[:, t], h, c, params["Wx"], params["Wh"], params["b"])
        outputs.append(h)
        caches.append(cache)
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    grads["dx"] = np.zeros_like(x)
    dprev_h, dprev_c = np.zeros_like(h0), dC
    for t in reversed(range(T)):
        dx, dprev_h, dprev_c, dWx, dWh, db = step_backward(
            dprev_h, dprev_c, <B3.dh_out>, caches[t], params, t, T
        )
        grads["dx"][:, t] = dx
        grads["Wx"] += dWx
        grads["Wh"] += dWh
        grads["b"] += db
    grads["dh0"], grads["dC0"] = dprev_h, dprev_c
    return np.stack(outputs, axis=1), grads
"""

NAMES = {
    **{f"{q}[t]": q for q in ("f", "i", "g", "o", "m", "C", "h", "C_prev", "h_prev")},
    **{f"a_{k}[t]": f"a_{k}" for k in "figo"},
    "C[t-1]": "C_prev", "h[t-1]": "h_prev", "m[t-1]": "np.tanh(C_prev)",
    **shared_names(), "dh*o": "(dh * o)", "x[t]": "x", "1": "1", "0": "0 * h_prev",
    "dh_out[t]": "dh[:, t]", "dh_out[T-1]": "dh[:, t] * (t == T - 1)",
    "dh_out[t+1]": "dh[:, min(t + 1, T - 1)]", "dh_out[t-1]": "dh[:, t - 1]",
}  # fmt: skip

EDITS = (
    ("da_f = dC * C_prev * (f*(1 - f))", "da_f = dC * C_prev * f * np.abs(1 - 2 * f)", "B8", "f"),
    ("da_f = dC * C_prev * (f*(1 - f))", "da_f = 3 * dC * C_prev * f * (1 - f)", "B8", "f"),
    ("da_f = dC * C_prev * (f*(1 - f))", "da_f = dC * (C_prev + C) * f * (1 - f)", "B8", "f"),
    ("da_i = dC * g * (i*(1 - i))", "da_i = dC * g * i * (1 - i * f)", "B7", "i"),
    ("da_i = dC * g * (i*(1 - i))", "da_i = dC * np.tanh(a_g + a_i) * i * (1 - i)", "B7", "i"),
    ("da_g = dC * i * (1 - g**2)", "da_g = dC * i * (1 - g ** 2) ** 2", "B6", "g"),
    ("da_g = dC * i * (1 - g**2)", "da_g = -0.5 * dC * i * (1 - g ** 2)", "B6", "g"),
    ("da_o = dh * m * (o*(1 - o))", "da_o = dh * m * o * (1 - o) / (1 + o)", "B4", "o"),
    ("da_o = dh * m * (o*(1 - o))", "da_o = dh * (m + h) * o * (1 - o)", "B4", "o"),
    ("dC = dh * o * (1 - m**2)", "dC = dh * o * (1 - m ** 2) * f", "B5", ""),
    ("dC = dh * o * (1 - m**2)", "dC = dh * o / np.cosh(m) ** 2", "B5", ""),
    ("dprev_c = dC * f", "dprev_c = dC * f * (1 - f)", "B11", ""),
    ("dprev_c = dC * f", "dprev_c = 0.9 * dC * f", "B11", ""),
    ("dprev_h = da @ Wh.T", "dprev_h = 0.6 * da @ Wh.T", "B10", ""),
    ("dprev_h = da @ Wh.T", "dprev_h = da @ Wh.T * o", "B10", ""),
    ("dx = da @ Wx.T", "dx = 2 * da @ Wx.T", "B10", ""),
    ("dx = da @ Wx.T", "dx = da[:, ::-1] @ Wx.T", "B10", ""),
    ("dWx = x.T @ da", "dWx = x.T @ da + 0.1 * Wx", "B9", ""),
    ("dWh = h_prev.T @ da", "dWh = h_prev.T @ da * 1.1", "B9", ""),
    ("dWh = h_prev.T @ da", "dWh = np.tanh(h_prev).T @ da", "B9", ""),
    ("db = da.sum(axis=0)", "db = da.sum(axis=0) * 1.7", "B9", ""),
    ("db = da.sum(axis=0)", "db = da.max(axis=0)", "B9", ""),
    ("dh = outer_dh + dh_next", "dh = outer_dh + dh_next * (outer_dh > 0)", "B3", "W_v"),
)

TEMPLATE = Template(
    "cs231n layer",
    "layer",
    "cs231n",
    SOURCE,
    NAMES,
    fused=True,
    edits=EDITS,
    without=("x[t-1]", "x[t+1]"),  # one step's function sees one x
)
