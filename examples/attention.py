"""A forward and a backward function that hand each other a cache: causal self-attention.

gradparity diagnose examples/attention.py:forward --backward backward
"""

import numpy as np


def forward(x, Wq, Wk, Wv):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(k.shape[-1])
    scores = np.where(np.tril(np.ones(scores.shape[-2:], dtype=bool)), scores, -1e9)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v, (x, Wq, Wk, Wv, q, k, v, weights)


def backward(dout, cache):
    x, Wq, Wk, Wv, q, k, v, weights = cache
    dv = weights.swapaxes(-1, -2) @ dout
    dweights = dout @ v.swapaxes(-1, -2)
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
    dscores = dscores / np.sqrt(k.shape[-1])
    dq = dscores @ k
    dk = dscores @ q
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    flat = x.reshape(-1, x.shape[-1])
    dWq, dWk, dWv = (flat.T @ d.reshape(-1, d.shape[-1]) for d in (dq, dk, dv))
    return dx, dWq, dWk, dWv


def arguments():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 5, 4)), *rng.normal(size=(3, 4, 3))
