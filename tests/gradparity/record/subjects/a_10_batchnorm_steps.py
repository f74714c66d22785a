import numpy as np

FORM = 2


def forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    # step1
    mu = 1. / N * np.sum(x, axis=0)
    # step2
    xmu = x - mu
    # step3
    sq = xmu ** 2
    # step4
    var = 1. / N * np.sum(sq, axis=0)
    # step5
    sqrtvar = np.sqrt(var + eps)
    # step6
    ivar = 1. / sqrtvar
    # step7
    xhat = xmu * ivar
    # step8
    gammax = gamma * xhat
    # step9
    out = gammax + beta

    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache


def backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    # step9
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    # step8
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    # step7
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    # step6
    dsqrtvar = -1. / (sqrtvar ** 2) * divar
    # step5
    dvar = 0.5 * 1. / np.sqrt(var + eps) * dsqrtvar
    # step4
    dsq = 1. / N * np.ones((N, D)) * dvar
    # step3
    dxmu2 = 2 * xmu * dsq
    # step2
    dx1 = (dxmu1 + dxmu2)
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    # step1
    dx2 = 1. / N * np.ones((N, D)) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def arguments():
    rng = np.random.default_rng(0)
    x = rng.normal(1.0, 2.0, (6, 4))
    gamma = rng.normal(1.0, 0.5, 4)
    beta = rng.normal(0.0, 0.5, 4)
    return x, gamma, beta
