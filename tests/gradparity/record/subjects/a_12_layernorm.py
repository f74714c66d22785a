import numpy as np

FORM = 2


def forward(x, gamma, beta):
    eps = 1e-5
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    rstd = (var + eps) ** -0.5
    norm = (x - mean) * rstd
    out = norm * gamma + beta
    cache = {"x": x, "gamma": gamma, "mean": mean, "rstd": rstd}
    return out, cache


def backward(dout, cache):
    # the mean and rstd are kept, norm is recomputed to save memory
    x, gamma = cache["x"], cache["gamma"]
    mean, rstd = cache["mean"], cache["rstd"]
    norm = (x - mean) * rstd

    lead = tuple(range(x.ndim - 1))
    dbeta = dout.sum(lead)
    dgamma = (dout * norm).sum(lead)

    dnorm = dout * gamma
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    return {"x": dx, "gamma": dgamma, "beta": dbeta}


def arguments():
    rng = np.random.default_rng(0)
    B, T, C = 2, 3, 5
    x = rng.standard_normal((B, T, C))
    gamma = rng.uniform(0.5, 1.5, C)
    beta = rng.standard_normal(C)
    return x, gamma, beta
