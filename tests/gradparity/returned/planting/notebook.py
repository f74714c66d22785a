"""A course notebook's style: a tuple of parameters, column vectors, one list a quantity."""

from returned.planting.template import Template, list_names

SOURCE = """
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward(inputs, h0, C0, p):
    W_f, W_i, W_g, W_o, W_v, b_f, b_i, b_g, b_o, b_v = p
    h_prev, C_prev = h0, C0
    lists = tuple([] for _ in range(14))
    for x in inputs:
        z = np.vstack((h_prev, x))
        a_f, a_i, a_g, a_o = W_f @ z + b_f, W_i @ z + b_i, W_g @ z + b_g, W_o @ z + b_o
        f, i, g, o = sigmoid(a_f), sigmoid(a_i), np.tanh(a_g), sigmoid(a_o)
        C = f * C_prev + i * g
        m = np.tanh(C)
        h = o * m
        v = W_v @ h + b_v
        y = np.exp(v) / np.sum(np.exp(v))
        for kept, q in zip(lists, (z, f, i, g, o, C, m, h, v, y, a_f, a_i, a_g, a_o)):
            kept.append(q)
        h_prev, C_prev = h, C
    return lists


def subject(params, inputs, targets, h0, C0):
    W_f, W_i, W_g, W_o, W_v, b_f, b_i, b_g, b_o, b_v = params
    z_s, f_s, i_s, g_s, o_s, C_s, m_s, h_s, v_s, y_s, a_f_s, a_i_s, a_g_s, a_o_s = forward(
        inputs, h0, C0, params
    )
    T, B, H = len(inputs), 1, len(h0)
    loss = -sum(np.log(np.sum(y * t)) for y, t in zip(y_s, targets)) / T
    dW_f, dW_i, dW_g, dW_o, dW_v, db_f, db_i, db_g, db_o, db_v = [0 * q for q in params]
    dv_s = []
    for t in range(T):
        dv = <B1.number><B1.residual> / T
        dv_s.append(dv)
    dh_next, dC_next = np.zeros_like(h0), np.zeros_like(C0)
    for t in reversed(range(T)):
        dv = dv_s[t]
        h_prev = h_s[t - 1] if t > 0 else h0
        C_prev = C_s[t - 1] if t > 0 else C0
        x = inputs[t]
        <B2.steps>{dW_v} <B2.number>dv @ <B2.h>.T
        <B2.bias_steps>{db_v} <B2.bias_number>dv
        dh = <B3.number>W_v.T @ <B3.dv>
        dh = dh + <B3.dh_next>dh_next
        do = <B4.dh> * <B4.m>
        da_o = <B4.number>do * <B4.derivative>
        dm = <B5.dh> * <B5.o>
        dC = <B5.number>dm * <B5.derivative> + <B5.dC_next>dC_next
        dg = <B6.dC> * <B6.i>
        da_g = <B6.number>dg * <B6.derivative>
        di = <B7.dC> * <B7.g>
        da_i = <B7.number>di * <B7.derivative>
        df = <B8.dC> * <B8.C_prev>
        da_f = <B8.number>df * <B8.derivative>
        <B9f.steps>{dW_f} <B9f.number><B9f.delta> @ np.vstack((<B9f.h>, <B9f.x>)).T
        <B9f.bias_steps>{db_f} <B9f.bias_number><B9f.bias_delta>
        <B9i.steps>{dW_i} <B9i.number><B9i.delta> @ np.vstack((<B9i.h>, <B9i.x>)).T
        <B9i.bias_steps>{db_i} <B9i.bias_number><B9i.bias_delta>
        <B9g.steps>{dW_g} <B9g.number><B9g.delta> @ np.vstack((<B9g.h>, <B9g.x>)).T
        <B9g.bias_steps>{db_g} <B9g.bias_number><B9g.bias_delta>
        <B9o.steps>{dW_o} <B9o.number><B9o.delta> @ np.vstack((<B9o.h>, <B9o.x>)).T
        <B9o.bias_steps>{db_o} <B9o.bias_number><B9o.bias_delta>
        dz = <B10f.number><B10f.W>.T @ <B10f.delta>
        dz = dz + <B10i.number><B10i.W>.T @ <B10i.delta>
        dz = dz + <B10g.number><B10g.W>.T @ <B10g.delta>
        dz = dz + <B10o.number><B10o.W>.T @ <B10o.delta>
        dh_next = <B10.dh_next><B10.number>dz[:H]
        dC_next = <B11.number><B11.dC> * <B11.f>
    grads = (dW_f, dW_i, dW_g, dW_o, dW_v, db_f, db_i, db_g, db_o, db_v)
    return loss, grads
"""

NAMES = list_names(**{
    "y - onehot": "(y_s[t] - targets[t])", "y": "y_s[t]",
    "(y - onehot)*y*(1 - y)": "((y_s[t] - targets[t]) * y_s[t] * (1 - y_s[t]))",
    "y - onehot[t-1]": "(y_s[t] - targets[t - 1])",
    "y - onehot[t+1]": "(y_s[t] - targets[min(t + 1, T - 1)])",
    "dv": "dv", "dv[t+1]": "dv_s[min(t + 1, T - 1)]", "dv*y*(1 - y)": "(dv * y_s[t] * (1 - y_s[t]))",
    "x[t]": "x", "x[t-1]": "inputs[t - 1]", "x[t+1]": "inputs[min(t + 1, T - 1)]",
    **{f"W_{k}.T": f"np.hstack((W_{k}[:, :H].T, W_{k}[:, H:]))" for k in "figo"},
})  # fmt: skip

EDITS = (
    ("da_f = df * (f_s[t]*(1 - f_s[t]))", "da_f = df * f_s[t] * (1 - f_s[t]) ** 2", "B8", "f"),
    ("da_i = di * (i_s[t]*(1 - i_s[t]))", "da_i = di * i_s[t] * (1 - i_s[t]) * i_s[t]", "B7", "i"),
    ("da_g = dg * (1 - g_s[t]**2)", "da_g = dg * (1 - np.abs(g_s[t]))", "B6", "g"),
    ("da_o = do * (o_s[t]*(1 - o_s[t]))", "da_o = do * np.sqrt(o_s[t] * (1 - o_s[t]))", "B4", "o"),
    ("da_o = do * (o_s[t]*(1 - o_s[t]))", "da_o = 0.9 * do * o_s[t] * (1 - o_s[t])", "B4", "o"),
    ("dC = dm * (1 - m_s[t]**2) + dC_next", "dC = dm * (1 - m_s[t] ** 4) + dC_next", "B5", ""),
    ("dC = dm * (1 - m_s[t]**2) + dC_next", "dC = dm * (1 - m_s[-1] ** 2) + dC_next", "B5", ""),
    ("dC_next = dC * f_s[t]", "dC_next = dC * f_s[t] ** 2", "B11", ""),
    ("dC_next = dC * f_s[t]", "dC_next = 0.5 * dC * f_s[t] + 0.5 * dC_next", "B11", ""),
    ("df = dC * C_prev", "dC = dC * f_s[t]\n        df = dC * C_prev", "B8 B11", "f "),
    ("df = dC * C_prev", "df = dC * np.abs(C_prev)", "B8", "f"),
    ("df = dC * C_prev", "df = dC * C_prev ** 2", "B8", "f"),
    ("dg = dC * i_s[t]", "dg = dC * i_s[t] * f_s[t]", "B6", "g"),
    ("di = dC * g_s[t]", "di = dC * (g_s[t] + C_prev)", "B7", "i"),
    ("do = dh * m_s[t]", "do = dh * m_s[-1]", "B4", "o"),
    ("do = dh * m_s[t]", "do = dh * np.sin(C_s[t])", "B4", "o"),
    ("dh = W_v.T @ dv", "dh = 0.3 * W_v.T @ dv", "B3", "W_v"),
    ("dh = W_v.T @ dv", "dh = W_v.T @ np.sign(dv)", "B3", "W_v"),
    ("dh_next = dz[:H]", "dh_next = 0.7 * dz[:H]", "B10", ""),
    ("dh_next = dz[:H]", "dh_next = dz[:H][::-1]", "B10", ""),
    ("dh_next = dz[:H]", "dh_next = np.clip(dz[:H], 0, None)", "B10", ""),
    ("dz = dz + W_i.T @ da_i", "dz = dz + W_i.T @ da_i * 1.5", "B10", "i"),
    ("dz = W_f.T @ da_f", "dz = W_f.T @ df", "B10", "f"),
    ("db_g += da_g", "db_g += 0.9 * da_g", "B9", "g"),
    ("dW_v += dv @ h_s[t].T", "dW_v += dv @ (o_s[t] * C_s[t]).T", "B2", "W_v"),
    ("dW_v += dv @ h_s[t].T", "dW_v += dv @ h_s[t].T + 0.01 * W_v", "B2", "W_v"),
    ("dW_f += da_f @ np.vstack((h_prev, x)).T", "dW_f += da_f @ np.vstack((h_prev * f_s[t], x)).T", "B9", "f"),
    ("dW_i += da_i @ np.vstack((h_prev, x)).T", "dW_i += da_i @ np.vstack((h_prev, x)).T + 0.01 * W_i", "B9", "i"),
    ("dW_o += da_o @ np.vstack((h_prev, x)).T", "dW_o += (da_o + da_g) @ np.vstack((h_prev, x)).T", "B9", "o"),
    ("dv = (y_s[t] - targets[t]) / T", "dv = (y_s[t] - targets[t]) * y_s[t] / T", "B1", "W_v"),
    ("dv = (y_s[t] - targets[t]) / T", "dv = (y_s[t] ** 2 - targets[t]) / T", "B1", "W_v"),
)  # fmt: skip

TEMPLATE = Template("notebook model", "model", "notebook", SOURCE, NAMES, edits=EDITS)
