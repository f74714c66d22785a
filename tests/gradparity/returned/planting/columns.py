"""A layer by columns with separate gates, deltas stacked over time, products after the loop."""

from returned.planting.template import Template, list_names

SOURCE = """
import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def untransposed(W, H):
    return np.hstack([W[:, :H].T, W[:, H:]])


def subject(params, x, h0, C0, dh, dC):
    T, D, B = x.shape
    H = h0.shape[0]
    outer = dh
    W_f, W_i, W_g, W_o = (params["W_" + k] for k in "figo")
    b_f, b_i, b_g, b_o = (params["b_" + k][:, None] for k in "figo")
    f_s, i_s, g_s, o_s, C_s, m_s, h_s = ([] for _ in range(7))
    a_f_s, a_i_s, a_g_s, a_o_s = ([] for _ in range(4))
    h, C = h0, C0
    for t in range(T):
        z = np.concatenate([h, x[t]])
        a_f_s.append(W_f @ z + b_f)
        a_i_s.append(W_i @ z + b_i)
        a_g_s.append(W_g @ z + b_g)
        a_o_s.append(W_o @ z + b_o)
        f_s.append(sigmoid(a_f_s[t]))
        i_s.append(sigmoid(a_i_s[t]))
        g_s.append(np.tanh(a_g_s[t]))
        o_s.append(sigmoid(a_o_s[t]))
        C = f_s[t] * C + i_s[t] * g_s[t]
        C_s.append(C)
        m_s.append(np.tanh(C))
        h = o_s[t] * m_s[t]
        h_s.append(h)
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    dx = np.zeros_like(x)
    dh_next, dC_next = np.zeros_like(h0), dC
    for t in range(T)[::-1]:
        h_prev, C_prev = (h_s[t - 1], C_s[t - 1]) if t else (h0, C0)
        dh = <B3.dh_out> + <B3.dh_next>dh_next
        dC = <B5.number><B5.dh> * <B5.o> * <B5.derivative> + <B5.dC_next>dC_next
        df = <B8.dC> * <B8.C_prev>
        di = <B7.dC> * <B7.g>
        dg = <B6.dC> * <B6.i>
        do = <B4.dh> * <B4.m>
        da_f = <B8.number>df * <B8.derivative>
        da_i = <B7.number>di * <B7.derivative>
        da_g = <B6.number>dg * <B6.derivative>
        da_o = <B4.number>do * <B4.derivative>
        dW_f = <B9f.number><B9f.delta> @ np.concatenate([<B9f.h>, <B9f.x>]).T
        dW_i = <B9i.number><B9i.delta> @ np.concatenate([<B9i.h>, <B9i.x>]).T
        dW_g = <B9g.number><B9g.delta> @ np.concatenate([<B9g.h>, <B9g.x>]).T
        dW_o = <B9o.number><B9o.delta> @ np.concatenate([<B9o.h>, <B9o.x>]).T
        for name, part in zip(("W_f", "W_i", "W_g", "W_o"), (dW_f, dW_i, dW_g, dW_o)):
            grads[name] += part
        grads["b_f"] += <B9f.bias_number><B9f.bias_delta>.sum(axis=1)
        grads["b_i"] += <B9i.bias_number><B9i.bias_delta>.sum(axis=1)
        grads["b_g"] += <B9g.bias_number><B9g.bias_delta>.sum(axis=1)
        grads["b_o"] += <B9o.bias_number><B9o.bias_delta>.sum(axis=1)
        dz = (
            <B10f.number><B10f.W>.T @ <B10f.delta>
            + <B10i.number><B10i.W>.T @ <B10i.delta>
            + <B10g.number><B10g.W>.T @ <B10g.delta>
            + <B10o.number><B10o.W>.T @ <B10o.delta>
        )
        dx[t] = dz[H:]
        dh_next = <B10.dh_next><B10.number>dz[:H]
        dC_next = <B11.number><B11.dC> * <B11.f>
    return np.stack(h_s), grads | {"dx": dx, "dh0": dh_next, "dC0": dC_next}
"""

NAMES = list_names(**{
    "x[t]": "x[t]", "x[t-1]": "x[t - 1]", "x[t+1]": "x[min(t + 1, T - 1)]",
    "dh_out[t]": "outer[t]", "dh_out[T-1]": "outer[t] * (t == T - 1)",
    "dh_out[t+1]": "outer[min(t + 1, T - 1)]", "dh_out[t-1]": "outer[t - 1]",
    **{f"W_{k}.T": f"untransposed(W_{k}, H)" for k in "figo"},
})  # fmt: skip

EDITS = (
    ("da_f = df * (f_s[t]*(1 - f_s[t]))", "da_f = df * f_s[t] * (1 - f_s[t]) * (1 - f_s[t])", "B8", "f"),
    ("df = dC * C_prev", "df = (dC + dC_next) * C_prev", "B8", "f"),
    ("dg = dC * i_s[t]", "dg = np.multiply(dC, i_s[t], out=dC)", "B11", ""),
    ("do = dh * m_s[t]", "do = dh * m_s[t]\n        o_s[t] *= 0.5", "B4", "o"),
    ("di = dC * g_s[t]", "di = dC * g_s[t] + 0.01", "B7", "i"),
    ("dg = dC * i_s[t]", "dg = dC * np.sqrt(i_s[t])", "B6", "g"),
    ("do = dh * m_s[t]", "do = dh * m_s[t] * m_s[t]", "B4", "o"),
    ("da_o = do * (o_s[t]*(1 - o_s[t]))", "da_o = 1.01 * do * o_s[t] * (1 - o_s[t])", "B4", "o"),
    ("dC = dh * o_s[t] * (1 - m_s[t]**2) + dC_next", "dC = dh * o_s[t] * (1 - np.abs(m_s[t])) + dC_next", "B5", ""),
    ("dC = dh * o_s[t] * (1 - m_s[t]**2) + dC_next", "dC = dh * (1 - m_s[t] ** 2) / 2 + dC_next", "B5", ""),
    ("dC_next = dC * f_s[t]", "dC_next = dC * f_s[t] + dC_next * 0.1", "B11", ""),
    ("dC_next = dC * f_s[t]", "dC_next = dC * np.sqrt(f_s[t])", "B11", ""),
    ("dh_next = dz[:H]", "dh_next = dz[:H] + 0.1 * dh", "B10", ""),
    ("dh_next = dz[:H]", "dh_next = 1.3 * dz[:H]", "B10", ""),
    ("dx[t] = dz[H:]", "dx[t] = dz[H:] * 2", "B10", ""),
    ("dx[t] = dz[H:]", "dx[t] = dz[:D]", "B10", ""),
    ('grads["b_g"] += da_g.sum(axis=1)', 'grads["b_g"] += da_g[:, 0]', "B9", "g"),
    ('grads["b_f"] += da_f.sum(axis=1)', 'grads["b_f"] += np.abs(da_f).sum(axis=1)', "B9", "f"),
    ("dW_i = da_i @ np.concatenate([h_prev, x[t]]).T", "dW_i = da_i @ np.concatenate([h_prev * 2, x[t]]).T", "B9", "i"),
    ("dW_o = da_o @ np.concatenate([h_prev, x[t]]).T", "dW_o = np.sign(da_o) @ np.concatenate([h_prev, x[t]]).T", "B9", "o"),
)  # fmt: skip

TEMPLATE = Template("column layer", "layer", "gradparity", SOURCE, NAMES, edits=EDITS)
