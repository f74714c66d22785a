import numpy as np
from scipy.special import softmax

FORM = 3


class Attention:
    # one head, no mask, no output projection
    def __init__(self, Wq, Wk, Wv):
        self.Wq, self.Wk, self.Wv = Wq, Wk, Wv
        self.grads = {'Wq': None, 'Wk': None, 'Wv': None}

    def forward(self, X):
        self.X = X
        self.Q = np.matmul(X, self.Wq)
        self.K = np.matmul(X, self.Wk)
        self.V = np.matmul(X, self.Wv)
        self.root = self.Wq.shape[1] ** 0.5
        S = np.matmul(self.Q, self.K.transpose(0, 2, 1)) / self.root
        self.A = softmax(S, axis=2)
        return np.matmul(self.A, self.V)

    def backward(self, dO):
        Xt = self.X.transpose(0, 2, 1)

        dV = np.matmul(self.A.transpose(0, 2, 1), dO)
        dA = np.matmul(dO, self.V.transpose(0, 2, 1))

        # softmax row by row
        dS = self.A * dA
        dS = dS - self.A * dS.sum(axis=2, keepdims=True)
        dS = dS / self.root

        dQ = np.matmul(dS, self.K)
        dK = np.matmul(dS.transpose(0, 2, 1), self.Q)

        self.grads['Wq'] = np.matmul(Xt, dQ).sum(axis=0)
        self.grads['Wk'] = np.matmul(Xt, dK).sum(axis=0)
        self.grads['Wv'] = np.matmul(Xt, dV).sum(axis=0)

        dX = np.matmul(dQ, self.Wq.T)
        dX = dX + np.matmul(dK, self.Wk.T)
        dX = dX + np.matmul(dV, self.Wv.T)
        return dX


def arguments():
    rng = np.random.default_rng(0)
    d_model, d_k, d_v = 5, 3, 6
    Wq = rng.normal(size=(d_model, d_k)) * 0.6
    Wk = rng.normal(size=(d_model, d_k)) * 0.6
    Wv = rng.normal(size=(d_model, d_v))
    X = rng.normal(size=(2, 4, d_model))
    return Attention(Wq, Wk, Wv), X
