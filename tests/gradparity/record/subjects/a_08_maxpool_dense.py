import numpy as np

FORM = 3


class PoolThenDense(object):
    """2x2 max pooling, flatten, fully connected."""

    def __init__(self, weight, bias, size=2):
        self.weight = weight          # (out, in)
        self.bias = bias
        self.size = size
        self.gradWeight = np.zeros_like(weight)
        self.gradBias = np.zeros_like(bias)

    def forward(self, input):
        k = self.size
        B, C, H, W = input.shape
        oH, oW = H // k, W // k
        self.mask = np.zeros(input.shape, dtype=bool)
        pooled = np.zeros((B, C, oH, oW))
        for b in range(B):
            for c in range(C):
                for i in range(oH):
                    for j in range(oW):
                        window = input[b, c, i*k:(i+1)*k, j*k:(j+1)*k]
                        best = np.unravel_index(np.argmax(window), window.shape)
                        pooled[b, c, i, j] = window[best]
                        self.mask[b, c, i*k + best[0], j*k + best[1]] = True
        self.pooled_shape = pooled.shape
        self.flat = pooled.reshape(B, -1)
        return self.flat @ self.weight.T + self.bias

    def backward(self, gradOutput):
        k = self.size
        self.gradWeight = gradOutput.T @ self.flat
        self.gradBias = gradOutput.sum(axis=0)

        gradPooled = (gradOutput @ self.weight).reshape(self.pooled_shape)
        gradInput = np.zeros(self.mask.shape)
        B, C, oH, oW = self.pooled_shape
        for b in range(B):
            for c in range(C):
                for i in range(oH):
                    for j in range(oW):
                        m = self.mask[b, c, i*k:(i+1)*k, j*k:(j+1)*k]
                        gradInput[b, c, i*k:(i+1)*k, j*k:(j+1)*k] = m * gradPooled[b, c, i, j]
        return gradInput


def arguments():
    rng = np.random.default_rng(0)
    shape = (2, 3, 4, 6)
    # a shuffled ramp: no two entries are closer than 0.04
    x = rng.permutation(np.linspace(-3, 3, int(np.prod(shape)))).reshape(shape)
    weight = rng.standard_normal((5, 18)) * 0.4
    bias = rng.standard_normal(5)
    return PoolThenDense(weight, bias), x
