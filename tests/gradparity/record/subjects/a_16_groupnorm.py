import numpy as np

FORM = 3


class GroupNorm1d:
    def __init__(self, numGroups, gamma, beta, eps=1e-5):
        self.numGroups = numGroups
        self.gamma = gamma
        self.beta = beta
        self.eps = eps
        self.cache = {}

    def forward(self, x):
        N, C, L = x.shape
        G = self.numGroups
        assert C % G == 0, "channels must divide into groups"
        xg = x.reshape(N, G, C // G * L)
        mu = np.mean(xg, axis=2, keepdims=True)
        centered = xg - mu
        sigma2 = np.mean(centered * centered, axis=2, keepdims=True)
        invStd = 1 / np.sqrt(sigma2 + self.eps)
        xhat = (centered * invStd).reshape(N, C, L)
        self.cache['centered'] = centered
        self.cache['invStd'] = invStd
        self.cache['xhat'] = xhat
        return xhat * self.gamma.reshape(1, C, 1) + self.beta.reshape(1, C, 1)

    def backward(self, dout):
        N, C, L = dout.shape
        G = self.numGroups
        M = C // G * L
        centered = self.cache['centered']
        invStd = self.cache['invStd']

        self.gamma_grad = np.sum(dout * self.cache['xhat'], axis=(0, 2))
        self.beta_grad = np.sum(dout, axis=(0, 2))

        dxhat = (dout * self.gamma.reshape(1, C, 1)).reshape(N, G, M)
        dsigma2 = np.sum(dxhat * centered, axis=2, keepdims=True) * (-0.5) * invStd ** 3
        dmu = np.sum(-dxhat * invStd, axis=2, keepdims=True)
        dxg = dxhat * invStd + dsigma2 * 2 * centered / M + dmu / M
        return dxg.reshape(N, C, L)


def arguments():
    rng = np.random.default_rng(0)
    C = 6
    gamma = rng.normal(1, 0.3, C)
    beta = rng.normal(0, 0.3, C)
    x = rng.normal(0.5, 1.2, (2, C, 5))
    return GroupNorm1d(3, gamma, beta), x
