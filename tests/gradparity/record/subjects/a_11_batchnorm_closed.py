import numpy as np
from typing import Optional

FORM = 3


class SpatialBatchNorm:
    """Batch normalisation of (N, C, H, W) feature maps, training mode only."""

    def __init__(self, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5) -> None:
        self.gamma = gamma
        self.beta = beta
        self.eps = eps
        self.dgamma: Optional[np.ndarray] = None
        self.dbeta: Optional[np.ndarray] = None
        self._xhat: Optional[np.ndarray] = None
        self._std: Optional[np.ndarray] = None

    def _to_rows(self, t: np.ndarray) -> np.ndarray:
        return t.transpose(0, 2, 3, 1).reshape(-1, t.shape[1])

    def _from_rows(self, r: np.ndarray, shape: tuple) -> np.ndarray:
        n, c, h, w = shape
        return r.reshape(n, h, w, c).transpose(0, 3, 1, 2)

    def forward(self, x: np.ndarray) -> np.ndarray:
        rows = self._to_rows(x)
        self._std = np.sqrt(rows.var(axis=0) + self.eps)
        self._xhat = (rows - rows.mean(axis=0)) / self._std
        return self._from_rows(self.gamma * self._xhat + self.beta, x.shape)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        dy = self._to_rows(dout)
        m = dy.shape[0]
        self.dbeta = dy.sum(axis=0)
        self.dgamma = (dy * self._xhat).sum(axis=0)
        dx = (self.gamma / (m * self._std)) * (
            m * dy - self.dbeta - self._xhat * self.dgamma
        )
        return self._from_rows(dx, dout.shape)


def arguments():
    rng = np.random.default_rng(0)
    gamma = 1 + 0.3 * rng.standard_normal(3)
    beta = 0.3 * rng.standard_normal(3)
    x = 0.5 + 1.5 * rng.standard_normal((2, 3, 5, 4))
    return SpatialBatchNorm(gamma, beta), x
