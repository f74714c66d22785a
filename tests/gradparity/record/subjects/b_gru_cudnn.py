"""Reference GRU for testing the fused kernel.

Convention: gates are packed r | z | n along axis 0 of the weights, two biases,
reset gate applied *after* the recurrent product (linear_before_reset = 1).
Layout: x (N, T, I), h0 (N, H), w_ih (3H, I), w_hh (3H, H), b_ih (3H,), b_hh (3H,)
"""
import numpy as np

FORM = 2


def _sigmoid(v):
    # tanh form, does not overflow
    return 0.5 * np.tanh(0.5 * v) + 0.5


def forward(x, h0, w_ih, w_hh, b_ih, b_hh):
    N, T, I = x.shape
    H = h0.shape[1]
    R, Z, C = slice(0, H), slice(H, 2 * H), slice(2 * H, 3 * H)

    # one big GEMM for the input side of all time steps
    gi_all = (x.reshape(N * T, I) @ w_ih.T + b_ih).reshape(N, T, 3 * H)
    y = np.empty((N, T, H))
    reserve = np.empty((T, 4, N, H))          # r, z, n, gh_n
    h = h0
    for t in range(T):
        gi = gi_all[:, t]
        gh = h @ w_hh.T + b_hh
        r = _sigmoid(gi[:, R] + gh[:, R])
        z = _sigmoid(gi[:, Z] + gh[:, Z])
        n = np.tanh(gi[:, C] + r * gh[:, C])
        h = n + z * (h - n)
        y[:, t] = h
        reserve[t, 0], reserve[t, 1], reserve[t, 2], reserve[t, 3] = r, z, n, gh[:, C]
    cache = dict(x=x, h0=h0, w_ih=w_ih, w_hh=w_hh, y=y, reserve=reserve)
    return y, cache


def backward(dy, cache):
    x, h0, y = cache["x"], cache["h0"], cache["y"]
    w_ih, w_hh = cache["w_ih"], cache["w_hh"]
    N, T, H = y.shape
    dgi = np.empty((N, T, 3 * H))
    dgh = np.empty((N, T, 3 * H))
    dh = np.zeros((N, H))
    for t in range(T - 1, -1, -1):
        r, z, n, gh_n = cache["reserve"][t]
        h_prev = y[:, t - 1] if t > 0 else h0
        dh = dh + dy[:, t]
        dn_pre = dh * (1.0 - z) * (1.0 - n * n)
        dz_pre = dh * (h_prev - n) * z * (1.0 - z)
        dr_pre = dn_pre * gh_n * r * (1.0 - r)
        dgi[:, t, :H] = dr_pre
        dgi[:, t, H:2 * H] = dz_pre
        dgi[:, t, 2 * H:] = dn_pre
        dgh[:, t] = dgi[:, t]
        dgh[:, t, 2 * H:] *= r
        dh = dh * z + dgh[:, t] @ w_hh

    h_in = np.concatenate([h0[:, None], y[:, :-1]], axis=1).reshape(N * T, H)
    dgi_flat = dgi.reshape(N * T, 3 * H)
    dgh_flat = dgh.reshape(N * T, 3 * H)
    return {
        "x": (dgi_flat @ w_ih).reshape(x.shape),
        "h0": dh,
        "w_ih": dgi_flat.T @ x.reshape(N * T, -1),
        "w_hh": dgh_flat.T @ h_in,
        "b_ih": dgi_flat.sum(axis=0),
        "b_hh": dgh_flat.sum(axis=0),
    }


def arguments():
    rng = np.random.default_rng(0)
    N, T, I, H = 2, 5, 3, 4
    k = 1.0 / np.sqrt(H)
    return (
        rng.standard_normal((N, T, I)),
        rng.uniform(-1, 1, (N, H)),
        rng.uniform(-k, k, (3 * H, I)),
        rng.uniform(-k, k, (3 * H, H)),
        rng.uniform(-k, k, 3 * H),
        rng.uniform(-k, k, 3 * H),
    )
