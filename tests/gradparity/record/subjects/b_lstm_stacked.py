import numpy as np

FORM = 1


def arguments():
    rng = np.random.default_rng(0)
    B, T, d, sizes, k = 2, 4, 3, (5, 4), 2

    params = []
    n_in = d
    for n in sizes:
        params.append(dict(W=rng.standard_normal((n_in + n, 4 * n)) * 0.4,
                           b=rng.standard_normal(4 * n) * 0.3))
        n_in = n
    params.append(dict(W=rng.standard_normal((n_in, k)), b=rng.standard_normal(k)))
    return params, rng.standard_normal((T, B, d)), rng.standard_normal((T, B, k))


def cell(layer, x, state):
    h, c = state
    n = h.shape[1]
    xh = np.concatenate([x, h], axis=1)
    a = xh @ layer['W'] + layer['b']
    ifo = 1 / (1 + np.exp(-a[:, :3 * n]))
    i, f, o = ifo[:, :n], ifo[:, n:2 * n], ifo[:, 2 * n:]
    g = np.tanh(a[:, 3 * n:])
    c2 = f * c + i * g
    h2 = o * np.tanh(c2)
    return (h2, c2), (xh, ifo, g, c, c2)


def cell_grad(layer, grad, cache, dh, dc):
    """adds to grad in place; returns d input, d old h, d old c"""
    xh, ifo, g, c, c2 = cache
    n = c.shape[1]
    i, f, o = ifo[:, :n], ifo[:, n:2 * n], ifo[:, 2 * n:]
    tc = np.tanh(c2)
    dc = dc + dh * o * (1 - tc * tc)
    difo = np.concatenate([dc * g, dc * c, dh * tc], axis=1)
    da = np.concatenate([difo * ifo * (1 - ifo), dc * i * (1 - g * g)], axis=1)
    grad['W'] += xh.T @ da
    grad['b'] += da.sum(axis=0)
    dxh = da @ layer['W'].T
    return dxh[:, :-n], dxh[:, -n:], dc * f


def loss_and_grads(params, xs, ys):
    *layers, head = params
    T, B, _ = xs.shape
    states = [(np.zeros((B, l['b'].size // 4)),) * 2 for l in layers]
    tape, tops, diffs = [], [], []
    for x, y in zip(xs, ys):
        row = []
        for k, layer in enumerate(layers):
            states[k], cache = cell(layer, x, states[k])
            x = states[k][0]
            row.append(cache)
        tape.append(row)
        tops.append(x)
        diffs.append(x @ head['W'] + head['b'] - y)
    loss = sum((r ** 2).sum() for r in diffs) / (T * B)

    grads = [{name: np.zeros_like(v) for name, v in p.items()} for p in params]
    dstates = [[0.0, 0.0] for _ in layers]
    for t in range(T - 1, -1, -1):
        dr = 2 * diffs[t] / (T * B)
        grads[-1]['W'] += tops[t].T @ dr
        grads[-1]['b'] += dr.sum(axis=0)
        up = dr @ head['W'].T
        for k in range(len(layers) - 1, -1, -1):
            dh, dc = dstates[k]
            up, dh, dc = cell_grad(layers[k], grads[k], tape[t][k], dh + up, dc)
            dstates[k] = [dh, dc]
    return loss, grads
