import numpy as np

FORM = 2

# Softmax regression where softmax and cross entropy are kept as two separate
# steps, so that the probabilities can be used somewhere else too.
#
#   s_ij = x_i . w_j + b_j
#   p    = softmax(s)
#   L_i  = - sum_j t_ij log p_ij
#
# softmax jvp:  ds = p * (dp - <dp, p>)


def forward(x, w, b, t):
    s = np.matmul(x, w) + b[None, :]
    s_shift = s - np.max(s, axis=-1, keepdims=True)
    num = np.exp(s_shift)
    den = np.sum(num, axis=-1, keepdims=True)
    p = num / den

    logp = np.log(p)
    L = -np.sum(t * logp, axis=-1)
    return L, (x, w, p, t)


def backward(dL, cache):
    x, w, p, t = cache

    # cross entropy
    dlogp = -t * dL[:, None]
    dp = dlogp / p

    # softmax
    inner = np.sum(dp * p, axis=-1, keepdims=True)
    ds = p * (dp - inner)

    # affine
    db = np.sum(ds, axis=0)
    dw = np.matmul(np.transpose(x), ds)
    dx = np.matmul(ds, np.transpose(w))
    return dx, dw, db


def arguments():
    rng = np.random.default_rng(0)
    B, D, K = 4, 5, 3
    x = rng.standard_normal((B, D))
    w = rng.standard_normal((D, K)) * 0.7
    b = rng.standard_normal(K) * 0.2
    t = np.eye(K, dtype=int)[rng.integers(0, K, size=B)]
    return x, w, b, t
