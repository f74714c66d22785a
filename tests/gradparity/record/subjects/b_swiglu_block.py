import numpy as np

FORM = 3


class SwiGLUBlock:
    """x + W_down( silu(W_gate n) * (W_up n) ),  n = rmsnorm(x).   Pre-norm, no biases."""

    def __init__(self, dim, hidden, rng, eps=1e-6):
        self.eps = eps
        self.g = rng.uniform(0.5, 1.5, dim)
        self.W_gate = rng.standard_normal((hidden, dim)) / np.sqrt(dim)
        self.W_up = rng.standard_normal((hidden, dim)) / np.sqrt(dim)
        self.W_down = rng.standard_normal((dim, hidden)) / np.sqrt(hidden)
        self.g_grad = self.W_gate_grad = self.W_up_grad = self.W_down_grad = None

    def forward(self, x):
        rms = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps)
        u = x / rms
        n = u * self.g
        a = np.einsum('btd,hd->bth', n, self.W_gate)
        v = np.einsum('btd,hd->bth', n, self.W_up)
        sg = 1 / (1 + np.exp(-a))
        m = a * sg * v
        self.saved = (rms, u, n, a, v, sg, m)
        return x + np.einsum('bth,dh->btd', m, self.W_down)

    def backward(self, dout):
        rms, u, n, a, v, sg, m = self.saved
        self.W_down_grad = np.einsum('btd,bth->dh', dout, m)
        dm = dout @ self.W_down
        dv = dm * a * sg
        # silu'(a) = s + a s (1 - s)
        da = dm * v * (sg + a * sg * (1 - sg))
        self.W_gate_grad = np.einsum('bth,btd->hd', da, n)
        self.W_up_grad = np.einsum('bth,btd->hd', dv, n)
        dn = da @ self.W_gate + dv @ self.W_up
        self.g_grad = (dn * u).sum(axis=(0, 1))
        du = dn * self.g
        dx = (du - u * np.mean(du * u, axis=-1, keepdims=True)) / rms
        return dout + dx


def arguments():
    rng = np.random.default_rng(0)
    block = SwiGLUBlock(4, 6, rng)
    return block, rng.standard_normal((2, 3, 4))
