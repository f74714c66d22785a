"""A tiny framework: a Network is a list of layers."""
import numpy as np

FORM = 3


class Layer:
    def forward(self, x):
        raise NotImplementedError

    def backward(self, dout):
        raise NotImplementedError


class Dense(Layer):
    def __init__(self, n_in, n_out, rng):
        self.W = rng.standard_normal((n_in, n_out)) * np.sqrt(1.0 / n_in)
        self.b = 0.1 * rng.standard_normal((1, n_out))
        self.dW = None
        self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0, keepdims=True)
        return np.dot(dout, self.W.T)


class Tanh(Layer):
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dout):
        return dout * (1.0 - np.square(self.y))


class LayerNorm(Layer):
    def __init__(self, n, rng, eps=1e-5):
        self.gamma = 1.0 + 0.2 * rng.standard_normal(n)
        self.beta = 0.2 * rng.standard_normal(n)
        self.eps = eps

    def forward(self, x):
        self.centered = x - x.mean(axis=1, keepdims=True)
        self.std = np.sqrt((self.centered ** 2).mean(axis=1, keepdims=True) + self.eps)
        self.norm = self.centered / self.std
        return self.gamma * self.norm + self.beta

    def backward(self, dout):
        n = dout.shape[1]
        self.dgamma = np.sum(dout * self.norm, axis=0)
        self.dbeta = np.sum(dout, axis=0)
        dnorm = dout * self.gamma
        # norm = centered / std
        dstd = -np.sum(dnorm * self.centered, axis=1, keepdims=True) / self.std ** 2
        dcentered = dnorm / self.std
        dcentered += dstd * self.centered / (n * self.std)
        return dcentered - dcentered.mean(axis=1, keepdims=True)


class Network:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


def arguments():
    rng = np.random.default_rng(0)
    net = Network([
        Dense(3, 6, rng),
        Tanh(),
        Dense(6, 5, rng),
        LayerNorm(5, rng),
        Dense(5, 2, rng),
    ])
    return net, rng.standard_normal((4, 3))
