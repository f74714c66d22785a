"""A Keras-like cell: one step, kernels by columns, closures for the backward pass."""

from returned.planting.template import Template, shared_names

SOURCE = """
import numpy as np


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def lstm_cell(params, x, h_prev, C_prev):
    kernel, recurrent, bias = params["kernel"], params["recurrent_kernel"], params["bias"]
    units, B = h_prev.shape[1], h_prev.shape[0]
    z = x @ kernel + h_prev @ recurrent + bias
    a_i, a_f, a_g, a_o = (z[:, k * units : (k + 1) * units] for k in range(4))
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    C = f * C_prev + i * g
    m = np.tanh(C)
    h = o * m

    def backward(dh, dC_next):
        dC = <B5.number>dh * <B5.o> * <B5.derivative> + <B5.dC_next>dC_next
        do = dh * <B4.m>
        di = <B7.dC> * <B7.g>
        df = <B8.dC> * <B8.C_prev>
        dg = <B6.dC> * <B6.i>
        d = np.zeros((B, 4 * units))
        d[:, :units] = <B7.number>di * <B7.derivative>
        d[:, units : 2 * units] = <B8.number>df * <B8.derivative>
        d[:, 2 * units : 3 * units] = <B6.number>dg * <B6.derivative>
        d[:, 3 * units :] = <B4.number>do * <B4.derivative>
        grads = {
            "kernel": <B9.number><B9.x>.T @ d,
            "recurrent_kernel": <B9.number><B9.h>.T @ d,
            "bias": <B9.bias_number>d.sum(axis=0),
            "dx": d @ kernel.T,
        }
        grads["dh_prev"] = <B10.dh_next><B10.number>d @ recurrent.T
        grads["dC_prev"] = <B11.number><B11.dC> * <B11.f>
        return grads

    return h, C, backward


def subject(params, x, h_prev, C_prev, dh, dC):
    h, C, backward = lstm_cell(params, x, h_prev, C_prev)
    return h, C, backward(dh, dC)
"""

NAMES = {
    **{f"{q}[t]": q for q in ("f", "i", "g", "o", "m", "C", "h", "C_prev", "h_prev")},
    **{f"a_{k}[t]": f"a_{k}" for k in "figo"},
    "C[t-1]": "C_prev", "h[t-1]": "h_prev", "m[t-1]": "np.tanh(C_prev)",
    **shared_names(), "dh*o": "(dh * o)", "x[t]": "x", "1": "1", "0": "0 * h_prev",
}  # fmt: skip

EDITS = (
    ("df = dC * C_prev", "df = dC * np.sin(C_prev)", "B8", "f"),
    ("df = dC * C_prev", "df = 1.2 * dC * C_prev", "B8", "f"),
    ("di = dC * g", "di = dC * g * g", "B7", "i"),
    ("dg = dC * i", "dg = dC * i * (1 - f)", "B6", "g"),
    ("do = dh * m", "do = dh * (m - h)", "B4", "o"),
    ("dC = dh * o * (1 - m**2) + dC_next", "dC = dh * o * (1 - m**2) * (1 - m**2) + dC_next", "B5", ""),
    ("dC = dh * o * (1 - m**2) + dC_next", "dC = dh * o * np.exp(-m**2) + dC_next", "B5", ""),
    ('"bias": d.sum(axis=0)', '"bias": d.mean(axis=0) * 0.7', "B9", ""),
    ('"kernel": x.T @ d', '"kernel": x.T @ np.clip(d, -1e-3, 1e-3)', "B9", ""),
    ('grads["dh_prev"] = d @ recurrent.T', 'grads["dh_prev"] = d[:, ::-1] @ recurrent.T', "B10", ""),
    ('grads["dC_prev"] = dC * f', 'grads["dC_prev"] = dC * f * f', "B11", ""),
)  # fmt: skip

TEMPLATE = Template(
    "keras-like cell",
    "cell",
    "keras",
    SOURCE,
    NAMES,
    fused=True,
    edits=EDITS,
    without=("T", "1/T", "x[t-1]", "x[t+1]"),
)
