import numpy as np

FORM = 3


class LSTM:
    """Batch-first LSTM, (N, T, D) -> (N, T, H), gate order i, f, g, o."""

    def __init__(self, D, H, rng):
        self.H = H
        self.params = {
            'W': rng.normal(scale=D ** -0.5, size=(D, 4 * H)),
            'U': rng.normal(scale=H ** -0.5, size=(H, 4 * H)),
            'b': np.concatenate([np.zeros(H), np.ones(H), np.zeros(2 * H)]),
        }
        self.grads = {}

    @staticmethod
    def sigmoid(x):
        return np.exp(-np.logaddexp(0, -x))

    def forward(self, x):
        N, T, _ = x.shape
        W, U, b = (self.params[k] for k in 'WUb')
        h = np.zeros((N, self.H))
        c = np.zeros((N, self.H))
        self.x = x
        self.steps = []
        out = np.zeros((N, T, self.H))
        for t in range(T):
            a = x[:, t].dot(W) + h.dot(U) + b
            i, f, g, o = np.split(a, 4, axis=1)
            i, f, o = self.sigmoid(i), self.sigmoid(f), self.sigmoid(o)
            g = np.tanh(g)
            c_new = f * c + i * g
            tc = np.tanh(c_new)
            self.steps.append((h, c, i, f, g, o, tc))
            h, c = o * tc, c_new
            out[:, t] = h
        return out

    def backward(self, dout):
        N, T, H = dout.shape
        W, U = self.params['W'], self.params['U']
        dW, dU = np.zeros_like(W), np.zeros_like(U)
        db = np.zeros(4 * H)
        dx = np.zeros_like(self.x)
        dh = np.zeros((N, H))
        dc = np.zeros((N, H))
        for t in range(T - 1, -1, -1):
            h_prev, c_prev, i, f, g, o, tc = self.steps[t]
            dh = dh + dout[:, t]
            dc = dc + dh * o * (1 - tc ** 2)
            da = np.hstack([
                dc * g * i * (1 - i),
                dc * c_prev * f * (1 - f),
                dc * i * (1 - g ** 2),
                dh * tc * o * (1 - o),
            ])
            dW += self.x[:, t].T.dot(da)
            dU += h_prev.T.dot(da)
            db += da.sum(axis=0)
            dx[:, t] = da.dot(W.T)
            dh = da.dot(U.T)
            dc = dc * f
        self.grads['W'] = dW
        self.grads['U'] = dU
        self.grads['b'] = db
        return dx


def arguments():
    rng = np.random.default_rng(0)
    net = LSTM(3, 4, rng)
    x = rng.normal(size=(2, 5, 3))
    return net, x
