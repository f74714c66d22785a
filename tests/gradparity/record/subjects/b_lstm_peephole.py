import numpy as np

FORM = 1

# Peephole LSTM (Gers & Schmidhuber). Ported from my old C program, that is why
# all the weights live in one flat vector and are found by offset.

NI, NH, NO = 3, 4, 2            # input, hidden, output units
SHAPES = [("Wi", (NI, NH)), ("Wf", (NI, NH)), ("Wc", (NI, NH)), ("Wo", (NI, NH)),
          ("Ri", (NH, NH)), ("Rf", (NH, NH)), ("Rc", (NH, NH)), ("Ro", (NH, NH)),
          ("pi", (NH,)), ("pf", (NH,)), ("po", (NH,)),
          ("bi", (NH,)), ("bf", (NH,)), ("bc", (NH,)), ("bo", (NH,)),
          ("V", (NH, NO)), ("a", (NO,))]
TOTAL = sum(int(np.prod(s)) for _, s in SHAPES)


def views(vec):
    out, k = {}, 0
    for name, shape in SHAPES:
        n = int(np.prod(shape))
        out[name] = vec[k:k + n].reshape(shape)
        k += n
    return out


def s(x):
    return 1.0 / (1.0 + np.exp(-x))


def loss_and_grads(theta, x, y):
    """theta (TOTAL,), x (N, T, NI), y (N, T, NO). Returns half the squared error."""
    w = views(theta)
    N, T = x.shape[:2]
    h = np.zeros((T + 1, N, NH))       # index T is the (zero) state before step 0
    c = np.zeros((T + 1, N, NH))
    i = np.zeros((T, N, NH)); f = np.zeros((T, N, NH))
    g = np.zeros((T, N, NH)); o = np.zeros((T, N, NH))
    e = np.zeros((T, N, NO))
    for t in range(T):
        xt = x[:, t]
        i[t] = s(xt @ w["Wi"] + h[t - 1] @ w["Ri"] + w["pi"] * c[t - 1] + w["bi"])
        f[t] = s(xt @ w["Wf"] + h[t - 1] @ w["Rf"] + w["pf"] * c[t - 1] + w["bf"])
        g[t] = np.tanh(xt @ w["Wc"] + h[t - 1] @ w["Rc"] + w["bc"])
        c[t] = f[t] * c[t - 1] + i[t] * g[t]
        o[t] = s(xt @ w["Wo"] + h[t - 1] @ w["Ro"] + w["po"] * c[t] + w["bo"])
        h[t] = o[t] * np.tanh(c[t])
        e[t] = h[t] @ w["V"] + w["a"] - y[:, t]
    loss = 0.5 * np.sum(e * e)

    grad = np.zeros(TOTAL)
    d = views(grad)                    # writing into d fills grad
    dh = np.zeros((N, NH))
    dc = np.zeros((N, NH))
    t = T - 1
    while t >= 0:
        xt, hp, cp = x[:, t], h[t - 1], c[t - 1]
        d["V"] += h[t].T @ e[t]
        d["a"] += e[t].sum(0)
        dh = dh + e[t] @ w["V"].T
        tc = np.tanh(c[t])
        zo = dh * tc * o[t] * (1 - o[t])
        dc = dc + dh * o[t] * (1 - tc * tc) + zo * w["po"]
        zi = dc * g[t] * i[t] * (1 - i[t])
        zf = dc * cp * f[t] * (1 - f[t])
        zc = dc * i[t] * (1 - g[t] * g[t])
        for k, z in (("i", zi), ("f", zf), ("c", zc), ("o", zo)):
            d["W" + k] += xt.T @ z
            d["R" + k] += hp.T @ z
            d["b" + k] += z.sum(0)
        d["pi"] += (zi * cp).sum(0)
        d["pf"] += (zf * cp).sum(0)
        d["po"] += (zo * c[t]).sum(0)
        dh = zi @ w["Ri"].T + zf @ w["Rf"].T + zc @ w["Rc"].T + zo @ w["Ro"].T
        dc = dc * f[t] + zi * w["pi"] + zf * w["pf"]
        t -= 1
    return loss, grad


def arguments():
    rng = np.random.default_rng(0)
    N, T = 2, 5
    theta = rng.standard_normal(TOTAL) * 0.5
    return theta, rng.standard_normal((N, T, NI)), rng.standard_normal((N, T, NO))
