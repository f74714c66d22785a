import numpy as np

FORM = 3


def softplus(a):
    return np.logaddexp(0.0, a)


def softplus_prime(a):
    return 1.0 / (1.0 + np.exp(-a))


class ResMLP:
    """Blocks  y = softplus(x A + a) B + x P ;  P is left out when the width stays."""

    def __init__(self, widths, inner, rng):
        self.weights = []
        self.has_proj = []
        for m, n in zip(widths[:-1], widths[1:]):
            block = [rng.normal(0, 0.6, (m, inner)), rng.normal(0, 0.2, inner),
                     rng.normal(0, 0.6, (inner, n))]
            if m != n:
                block.append(rng.normal(0, 0.6, (m, n)))
            self.has_proj.append(m != n)
            self.weights.append(block)
        self.d_weights = [[np.zeros_like(w) for w in block] for block in self.weights]

    def forward(self, x):
        self.memo = []
        for block, proj in zip(self.weights, self.has_proj):
            pre = x @ block[0] + block[1]
            act = softplus(pre)
            branch = act @ block[2]
            shortcut = x @ block[3] if proj else x
            self.memo.append({'x': x, 'pre': pre, 'act': act})
            x = branch + shortcut
        return x

    def backward(self, dout):
        d = dout
        for k in range(len(self.weights) - 1, -1, -1):
            block, m, out = self.weights[k], self.memo[k], self.d_weights[k]
            out[2][...] = m['act'].T @ d
            dpre = (d @ block[2].T) * softplus_prime(m['pre'])
            out[1][...] = dpre.sum(axis=0)
            out[0][...] = m['x'].T @ dpre
            dx = dpre @ block[0].T
            if self.has_proj[k]:
                out[3][...] = m['x'].T @ d
                dx += d @ block[3].T
            else:
                dx += d
            d = dx
        return d


def arguments():
    rng = np.random.default_rng(0)
    net = ResMLP([3, 5, 5, 2], 4, rng)
    x = rng.normal(size=(6, 3))
    return net, x
