import numpy as np

FORM = 2

# GRU, the version of the first paper: the reset gate multiplies the state
# before the matrix product.   x: (T, N, D)   h0: (N, H)


def sig(a):
    return 1.0 / (1.0 + np.exp(-a))


def step(x, h, Wz, Uz, bz, Wr, Ur, br, Wh, Uh, bh):
    z = sig(x @ Wz + h @ Uz + bz)
    r = sig(x @ Wr + h @ Ur + br)
    rh = r * h
    hc = np.tanh(x @ Wh + rh @ Uh + bh)
    return (1 - z) * h + z * hc, (x, h, z, r, rh, hc)


def forward(x, h0, Wz, Uz, bz, Wr, Ur, br, Wh, Uh, bh):
    hs = []
    caches = []
    h = h0
    for xt in x:
        h, c = step(xt, h, Wz, Uz, bz, Wr, Ur, br, Wh, Uh, bh)
        hs.append(h)
        caches.append(c)
    return np.stack(hs), (caches, Wz, Uz, Wr, Ur, Wh, Uh)


def backward(dout, cache):
    caches, Wz, Uz, Wr, Ur, Wh, Uh = cache
    T = len(caches)
    dx = [None] * T
    dWz = 0; dUz = 0; dbz = 0
    dWr = 0; dUr = 0; dbr = 0
    dWh = 0; dUh = 0; dbh = 0
    dh_next = 0
    for t in range(T - 1, -1, -1):
        x, h, z, r, rh, hc = caches[t]
        dh = dout[t] + dh_next

        # h_new = (1-z)*h + z*hc
        dz = dh * (hc - h)
        dhc = dh * z
        dh_next = dh * (1 - z)

        # candidate
        dah = dhc * (1 - hc ** 2)
        dWh = dWh + x.T @ dah
        dUh = dUh + rh.T @ dah
        dbh = dbh + dah.sum(0)
        drh = dah @ Uh.T
        dr = drh * h
        dh_next = dh_next + drh * r

        # gates
        daz = dz * z * (1 - z)
        dar = dr * r * (1 - r)
        dWz = dWz + x.T @ daz
        dUz = dUz + h.T @ daz
        dbz = dbz + daz.sum(0)
        dWr = dWr + x.T @ dar
        dUr = dUr + h.T @ dar
        dbr = dbr + dar.sum(0)

        dh_next = dh_next + daz @ Uz.T + dar @ Ur.T
        dx[t] = daz @ Wz.T + dar @ Wr.T + dah @ Wh.T
    return np.stack(dx), dh_next, dWz, dUz, dbz, dWr, dUr, dbr, dWh, dUh, dbh


def arguments():
    rng = np.random.default_rng(0)
    T, N, D, H = 4, 2, 3, 5
    args = [rng.standard_normal((T, N, D)), rng.standard_normal((N, H))]
    for gate in "zrh":
        args.append(rng.standard_normal((D, H)) * 0.6)
        args.append(rng.standard_normal((H, H)) * 0.5)
        args.append(rng.standard_normal(H) * 0.2)
    return tuple(args)
