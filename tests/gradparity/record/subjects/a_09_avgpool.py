import numpy as np
from collections import namedtuple

FORM = 2

Ctx = namedtuple("Ctx", "x_shape kernel stride pooled scale act")


def forward(x, scale, kernel=3, stride=2):
    """Overlapping average pool -> per channel scale -> sigmoid.

    Gives back the feature map and its global average (one number a channel).
    """
    n, c, h, w = x.shape
    oh = (h - kernel) // stride + 1
    ow = (w - kernel) // stride + 1
    pooled = np.zeros((n, c, oh, ow))
    for r in range(oh):
        for s in range(ow):
            win = x[:, :, r * stride:r * stride + kernel, s * stride:s * stride + kernel]
            pooled[:, :, r, s] = win.mean(axis=(2, 3))

    z = pooled * scale[None, :, None, None]
    act = 1.0 / (1.0 + np.exp(-z))
    summary = act.mean(axis=(2, 3))
    return act, summary, Ctx(x.shape, kernel, stride, pooled, scale, act)


def backward(d_act, d_summary, ctx):
    oh, ow = ctx.act.shape[2:]

    # the map is used twice: as an output and inside the global mean
    d_total = d_act + d_summary[:, :, None, None] / (oh * ow)
    dz = d_total * ctx.act * (1.0 - ctx.act)

    d_scale = (dz * ctx.pooled).sum(axis=(0, 2, 3))
    d_pooled = dz * ctx.scale[None, :, None, None]

    k, st = ctx.kernel, ctx.stride
    dx = np.zeros(ctx.x_shape)
    for r in range(oh):
        for s in range(ow):
            share = d_pooled[:, :, r, s] / (k * k)
            dx[:, :, r * st:r * st + k, s * st:s * st + k] += share[:, :, None, None]
    return dx, d_scale


def arguments():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 5, 7))
    scale = rng.normal(1.0, 0.5, size=3)
    return x, scale
