"""A function of parameters: two layers with a layer norm between them. The loss falls.

gradparity diagnose examples/norm_network.py:loss_and_gradients
"""

import numpy as np


def loss_and_gradients(params, x, y):
    a = x @ params["W1"]
    mean = a.mean(axis=1, keepdims=True)
    std = np.sqrt(((a - mean) ** 2).mean(axis=1, keepdims=True) + 1e-5)
    n = (a - mean) / std
    h = np.maximum(n * params["scale"] + params["shift"], 0)
    error = h @ params["W2"] - y
    loss = (error**2).sum() / len(x)

    d_out = 2 * error / len(x)
    dW2 = h.T @ d_out
    dh = d_out @ params["W2"].T
    ds = dh * (h > 0)
    dscale = (ds * n).sum(axis=0)
    dshift = ds.sum(axis=0)
    dn = ds
    da = (dn - dn.mean(axis=1, keepdims=True) - (dn * n).mean(axis=1, keepdims=True)) / std
    return loss, {"W1": x.T @ da, "scale": dscale, "shift": dshift, "W2": dW2}


def arguments():
    rng = np.random.default_rng(0)
    params = {
        "W1": rng.normal(size=(3, 5)),
        "scale": np.ones(5),
        "shift": np.zeros(5),
        "W2": rng.normal(size=(5, 2)),
    }
    return params, rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
