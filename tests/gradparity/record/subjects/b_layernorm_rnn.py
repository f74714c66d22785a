"""h_t = tanh( LN( x_t W + h_{t-1} U ) ), LN with gain and bias shared over time."""
from collections import namedtuple

import numpy as np

FORM = 2
EPS = 1e-5

LNCache = namedtuple("LNCache", "xhat inv_std gain")
Step = namedtuple("Step", "x h_prev h ln")
Cache = namedtuple("Cache", "steps W U")


def ln_fwd(a, gain, bias):
    mu = a.mean(-1, keepdims=True)
    var = a.var(-1, keepdims=True)
    inv_std = 1.0 / np.sqrt(var + EPS)
    xhat = (a - mu) * inv_std
    return gain * xhat + bias, LNCache(xhat, inv_std, gain)


def ln_bwd(dy, cache):
    xhat, inv_std, gain = cache
    dxhat = dy * gain
    da = inv_std * (
        dxhat
        - dxhat.mean(-1, keepdims=True)
        - xhat * (dxhat * xhat).mean(-1, keepdims=True)
    )
    return da, (dy * xhat).sum(0), dy.sum(0)


def forward(x, h0, W, U, gain, bias):
    steps, h = [], h0
    for t in range(x.shape[0]):
        normed, ln = ln_fwd(x[t] @ W + h @ U, gain, bias)
        h_new = np.tanh(normed)
        steps.append(Step(x[t], h, h_new, ln))
        h = h_new
    return np.array([s.h for s in steps]), Cache(steps, W, U)


def backward(dout, cache):
    dW, dU = np.zeros_like(cache.W), np.zeros_like(cache.U)
    dgain = np.zeros(cache.W.shape[1])
    dbias = np.zeros(cache.W.shape[1])
    dh = np.zeros_like(dout[0])
    dx = np.empty((len(cache.steps),) + cache.steps[0].x.shape)
    for t, s in reversed(list(enumerate(cache.steps))):
        dnormed = (dout[t] + dh) * (1 - s.h**2)
        da, dg, db = ln_bwd(dnormed, s.ln)
        dgain += dg
        dbias += db
        dW += s.x.T @ da
        dU += s.h_prev.T @ da
        dx[t] = da @ cache.W.T
        dh = da @ cache.U.T
    return dx, dh, dW, dU, dgain, dbias


def arguments():
    rng = np.random.default_rng(0)
    T, N, D, H = 4, 2, 3, 6
    x = rng.normal(size=(T, N, D))
    h0 = rng.normal(size=(N, H))
    W = rng.normal(size=(D, H))
    U = rng.normal(size=(H, H))
    gain = rng.uniform(0.5, 1.5, H)
    bias = rng.normal(size=H) * 0.3
    return x, h0, W, U, gain, bias
