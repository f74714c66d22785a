import numpy as np
from scipy.special import expit

FORM = 3


class BilinearScorer:
    """Neural tensor layer.

    Each row of x holds two entity vectors side by side, [e1 | e2].
    h_k = softplus(e1' A_k e2 + V_k . x + b_k),   score = h U
    """

    def __init__(self, A, V, b, U):
        self.A = A      # (K, p, q)
        self.V = V      # (K, p + q)
        self.b = b      # (K,)
        self.U = U      # (K, R)

    def forward(self, x):
        p = self.A.shape[1]
        self.x = x
        self.e1 = x[:, :p]
        self.e2 = x[:, p:]
        bil = np.einsum('np,kpq,nq->nk', self.e1, self.A, self.e2)
        self.pre = bil + np.tensordot(x, self.V, axes=(1, 1)) + self.b
        self.h = np.logaddexp(0, self.pre)
        return np.tensordot(self.h, self.U, axes=1)

    def backward(self, dout):
        self.dA = np.zeros(self.A.shape)
        self.dV = np.zeros(self.V.shape)
        self.db = np.zeros(self.b.shape)
        self.dU = np.zeros(self.U.shape)
        p = self.A.shape[1]
        dx = np.empty(self.x.shape)

        for n in range(self.x.shape[0]):
            e1, e2 = self.e1[n], self.e2[n]
            self.dU += np.outer(self.h[n], dout[n])
            dpre = np.dot(self.U, dout[n]) * expit(self.pre[n])
            self.db += dpre
            self.dV += np.outer(dpre, self.x[n])
            self.dA += np.tensordot(dpre, np.outer(e1, e2), axes=0)

            M = np.tensordot(dpre, self.A, axes=1)     # sum_k dpre_k A_k
            dx[n] = np.dot(dpre, self.V)
            dx[n, :p] += np.dot(M, e2)
            dx[n, p:] += np.dot(e1, M)
        return dx


def arguments():
    rng = np.random.default_rng(0)
    K, p, q, R = 3, 2, 4, 2
    A = rng.standard_normal((K, p, q))
    V = rng.standard_normal((K, p + q)) * 0.5
    b = rng.standard_normal(K) * 0.5
    U = rng.standard_normal((K, R))
    x = rng.standard_normal((5, p + q))
    return BilinearScorer(A, V, b, U), x
