"""One step in Keras's layout; a rare mistake: the forget gate forgets what comes from later steps.

gradparity diagnose examples/keras_cell.py:step --kind cell --layout keras
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(x, h_prev, c_prev, kernel, recurrent_kernel, bias):
    a = x @ kernel + h_prev @ recurrent_kernel + bias
    i, f, g, o = np.split(a, 4, axis=1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * c_prev + i * g
    m = np.tanh(c)
    return o * m, c, (x, h_prev, c_prev, i, f, g, o, m)


def lstm_step_backward(dh, dc, cache, kernel, recurrent_kernel):
    x, h_prev, c_prev, i, f, g, o, m = cache
    dc_local = dh * o * (1 - m**2)
    dc = dc + dc_local
    di, dg = dc * g, dc * i
    df = dc_local * c_prev
    do = dh * m
    da = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])
    return {
        "kernel": x.T @ da,
        "recurrent_kernel": h_prev.T @ da,
        "bias": da.sum(axis=0),
        "dx": da @ kernel.T,
        "dh_prev": da @ recurrent_kernel.T,
        "dC_prev": dc * f,
    }


def step(params, x, h_prev, C_prev, dh, dC):
    """The glue: unpack the parameters, keep the cache between the two calls."""
    kernel, recurrent, bias = params["kernel"], params["recurrent_kernel"], params["bias"]
    h, C, cache = lstm_step(x, h_prev, C_prev, kernel, recurrent, bias)
    return h, C, lstm_step_backward(dh, dC, cache, kernel, recurrent)
