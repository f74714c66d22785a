"""A language model as course notebooks write it; its loss falls, and eight lines are wrong.

gradparity diagnose examples/notebook_model.py:loss_and_gradients --layout notebook
"""

import numpy as np


def sigmoid(x, derivative=False):
    s = 1 / (1 + np.exp(-x))
    return s * (1 - s) if derivative else s


def tanh(x, derivative=False):
    t = np.tanh(x)
    return 1 - t**2 if derivative else t


def forward(inputs, h_prev, C_prev, p):
    W_f, W_i, W_g, W_o, W_v, b_f, b_i, b_g, b_o, b_v = p
    h_s, C_s = [h_prev], [C_prev]
    z_s, f_s, i_s, g_s, o_s, y_s = [], [], [], [], [], []
    for x in inputs:
        z = np.vstack((h_s[-1], x))
        f, i = sigmoid(W_f @ z + b_f), sigmoid(W_i @ z + b_i)
        g, o = tanh(W_g @ z + b_g), sigmoid(W_o @ z + b_o)
        C = f * C_s[-1] + i * g
        h = o * tanh(C)
        exponentials = np.exp(W_v @ h + b_v)
        y_s.append(exponentials / exponentials.sum())
        for kept, value in zip((z_s, f_s, i_s, g_s, o_s, C_s, h_s), (z, f, i, g, o, C, h)):
            kept.append(value)
    return z_s, f_s, i_s, C_s, g_s, o_s, h_s, y_s


def backward(z, f, i, C, g, o, h, y, targets, p):
    W_f, W_i, W_g, W_o, W_v, b_f, b_i, b_g, b_o, b_v = p
    dW_f, dW_i, dW_g, dW_o, dW_v, db_f, db_i, db_g, db_o, db_v = [np.zeros_like(q) for q in p]
    dh_next, dC_next = np.zeros_like(h[0]), np.zeros_like(C[0])
    H = len(h[0])
    for t in reversed(range(len(targets))):
        dv = (y[t] - targets[t]) / len(targets)
        dW_v += dv @ h[t].T
        db_v += dv
        dh = W_v.T @ dv + np.zeros_like(dh_next)
        do = dh * tanh(C[t])
        da_o = sigmoid(o[t], derivative=True) * do
        dC = np.copy(np.zeros_like(dC_next))
        dC += dh * o[t] * tanh(tanh(C[t]), derivative=True)
        dg = dC * i[t]
        da_g = tanh(g[t], derivative=True) * dg
        di = dC * g[t]
        da_i = sigmoid(i[t], derivative=True) * di
        df = dC * C[1:][t - 1]
        da_f = sigmoid(f[t]) * df
        for dW, db, da in (
            (dW_f, db_f, da_f),
            (dW_i, db_i, da_i),
            (dW_g, db_g, da_g),
            (dW_o, db_o, da_o),
        ):
            dW += da @ z[t].T
            db += da
        dz = W_f.T @ da_f + W_i.T @ da_i + W_g.T @ da_g + W_o.T @ da_o
        dh_next, dC_next = dz[:H], f[t] * dC
    return dW_f, dW_i, dW_g, dW_o, dW_v, db_f, db_i, db_g, db_o, db_v


def loss_and_gradients(params, inputs, targets, h0, C0):
    """The glue: nothing more than calling both."""
    z, f, i, C, g, o, h, y = forward(inputs, h0, C0, params)
    loss = -np.mean([np.log((y_t * target).sum()) for y_t, target in zip(y, targets)])
    return loss, backward(z, f, i, C, g, o, h, y, targets, params)
