import numpy as np

FORM = 3
C0 = np.sqrt(2 / np.pi)


def ln_fwd(x, g, b):
    r = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    n = (x - x.mean(-1, keepdims=True)) * r
    return n * g + b, (n, r, g)


def ln_bwd(dy, c):
    n, r, g = c
    dn = dy * g
    dx = r * (dn - dn.mean(-1, keepdims=True) - n * (dn * n).mean(-1, keepdims=True))
    return dx, (dy * n).sum((0, 1)), dy.sum((0, 1))


def mm_grad(a, b):
    """sum over batch and time of outer(a, b)"""
    return np.tensordot(a, b, axes=([0, 1], [0, 1]))


class Block:
    """x = x + attn(ln1(x));  x = x + mlp(ln2(x))"""

    def __init__(self, params, n_head):
        self.params, self.n_head = params, n_head
        self.grads = {}

    def split(self, t):
        B, T, D = t.shape
        return t.reshape(B, T, self.n_head, D // self.n_head).transpose(0, 2, 1, 3)

    def merge(self, t):
        B, H, T, K = t.shape
        return t.transpose(0, 2, 1, 3).reshape(B, T, H * K)

    def forward(self, x):
        P = self.params
        h, ln1 = ln_fwd(x, P['ln1_g'], P['ln1_b'])
        q, k, v = (self.split(h @ P[w]) for w in ('Wq', 'Wk', 'Wv'))
        s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
        a = np.exp(s - s.max(-1, keepdims=True))
        a = a / a.sum(-1, keepdims=True)
        o = self.merge(a @ v)
        x1 = x + o @ P['Wo']

        m, ln2 = ln_fwd(x1, P['ln2_g'], P['ln2_b'])
        u = m @ P['W1'] + P['b1']
        t = np.tanh(C0 * (u + 0.044715 * u ** 3))
        ge = 0.5 * u * (1 + t)
        self.cache = (h, ln1, q, k, v, a, o, m, ln2, u, t, ge)
        return x1 + ge @ P['W2'] + P['b2']

    def backward(self, dout):
        P, G = self.params, self.grads
        h, ln1, q, k, v, a, o, m, ln2, u, t, ge = self.cache
        # mlp half
        G['W2'], G['b2'] = mm_grad(ge, dout), dout.sum((0, 1))
        dge = dout @ P['W2'].T
        dt = C0 * (1 + 3 * 0.044715 * u ** 2) * (1 - t ** 2)
        du = dge * (0.5 * (1 + t) + 0.5 * u * dt)
        G['W1'], G['b1'] = mm_grad(m, du), du.sum((0, 1))
        dx1, G['ln2_g'], G['ln2_b'] = ln_bwd(du @ P['W1'].T, ln2)
        dx1 = dx1 + dout
        # attention half
        G['Wo'] = mm_grad(o, dx1)
        do = self.split(dx1 @ P['Wo'].T)
        da, dv = do @ v.swapaxes(-1, -2), a.swapaxes(-1, -2) @ do
        ds = a * (da - (da * a).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
        dq, dk, dv = (self.merge(z) for z in (ds @ k, ds.swapaxes(-1, -2) @ q, dv))
        G['Wq'], G['Wk'], G['Wv'] = mm_grad(h, dq), mm_grad(h, dk), mm_grad(h, dv)
        dh = dq @ P['Wq'].T + dk @ P['Wk'].T + dv @ P['Wv'].T
        dx, G['ln1_g'], G['ln1_b'] = ln_bwd(dh, ln1)
        return dx + dx1


def arguments():
    r = np.random.default_rng(0).standard_normal
    D, F = 6, 4
    p = {k: r((D, D)) * 0.6 for k in ('Wq', 'Wk', 'Wv', 'Wo')}
    p.update(W1=r((D, F)) * 0.6, b1=r(F) * 0.1, W2=r((F, D)) * 0.6, b2=r(D) * 0.1)
    for n in ('ln1', 'ln2'):
        p[n + '_g'], p[n + '_b'] = 1 + 0.2 * r(D), 0.2 * r(D)
    return Block(p, n_head=3), r((2, 5, D))
