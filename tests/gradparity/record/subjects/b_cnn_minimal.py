import numpy as np

FORM = 3


class MiniCNN:
    """NHWC image -> conv (valid) -> leaky relu -> 2x2 max pool -> dense -> softmax"""

    slope = 0.1

    def __init__(self, kh, kw, cin, cout, flat, classes, rng):
        self.K = rng.standard_normal((kh, kw, cin, cout))
        self.Kb = rng.standard_normal(cout)
        self.W = rng.standard_normal((flat, classes)) * 0.3
        self.Wb = rng.standard_normal(classes) * 0.3

    def forward(self, x):
        self.x = x
        kh, kw, cin, cout = self.K.shape
        n, H, W_, _ = x.shape
        oh, ow = H - kh + 1, W_ - kw + 1
        # im2col
        cols = np.zeros((n, oh, ow, kh, kw, cin))
        for i in range(kh):
            for j in range(kw):
                cols[:, :, :, i, j, :] = x[:, i:i + oh, j:j + ow, :]
        self.cols = cols.reshape(n * oh * ow, kh * kw * cin)
        conv = (self.cols @ self.K.reshape(-1, cout) + self.Kb).reshape(n, oh, ow, cout)
        self.conv = conv
        act = np.where(conv > 0, conv, self.slope * conv)
        # non-overlapping pooling, windows are axes 2 and 4
        self.windows = act.reshape(n, oh // 2, 2, ow // 2, 2, cout)
        self.pooled = self.windows.max(axis=(2, 4))
        self.flat = self.pooled.reshape(n, -1)
        scores = self.flat @ self.W + self.Wb
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.probs = e / e.sum(axis=1, keepdims=True)
        return self.probs

    def backward(self, dout):
        kh, kw, cin, cout = self.K.shape
        n, oh, ow, _ = self.conv.shape
        p = self.probs
        dscores = p * (dout - np.sum(dout * p, axis=1, keepdims=True))
        self.W_grad = self.flat.T @ dscores
        self.Wb_grad = dscores.sum(axis=0)
        dpooled = (dscores @ self.W.T).reshape(self.pooled.shape)

        winner = self.windows == self.pooled[:, :, None, :, None, :]
        dact = (winner * dpooled[:, :, None, :, None, :]).reshape(n, oh, ow, cout)
        dconv = dact * np.where(self.conv > 0, 1.0, self.slope)

        flat_d = dconv.reshape(-1, cout)
        self.K_grad = (self.cols.T @ flat_d).reshape(self.K.shape)
        self.Kb_grad = flat_d.sum(axis=0)
        dcols = (flat_d @ self.K.reshape(-1, cout).T).reshape(n, oh, ow, kh, kw, cin)
        dx = np.zeros_like(self.x)
        for i in range(kh):
            for j in range(kw):
                dx[:, i:i + oh, j:j + ow, :] += dcols[:, :, :, i, j, :]
        return dx


def arguments():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 6, 5, 3))
    # 6x5 images, 3 channels, kernel 3x2 -> 4x4x2 -> 2x2x2 = 8
    net = MiniCNN(3, 2, 3, 2, 8, 5, rng)
    return net, x
