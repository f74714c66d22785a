import numpy as np

FORM = 3


def im2col(img, kh, kw, s, p):
    n, c, h, w = img.shape
    oh = (h + 2 * p - kh) // s + 1
    ow = (w + 2 * p - kw) // s + 1
    img = np.pad(img, [(0, 0), (0, 0), (p, p), (p, p)], mode="constant")
    col = np.empty((n, c, kh, kw, oh, ow))
    for dy in range(kh):
        for dx in range(kw):
            col[:, :, dy, dx] = img[:, :, dy:dy + s * oh:s, dx:dx + s * ow:s]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)


def col2im(col, shape, kh, kw, s, p):
    n, c, h, w = shape
    oh = (h + 2 * p - kh) // s + 1
    ow = (w + 2 * p - kw) // s + 1
    col = col.reshape(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((n, c, h + 2 * p, w + 2 * p))
    for dy in range(kh):
        for dx in range(kw):
            img[:, :, dy:dy + s * oh:s, dx:dx + s * ow:s] += col[:, :, dy, dx]
    return img[:, :, p:h + p, p:w + p]


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.params = {"W": W, "b": b}
        self.grads = {}
        self.stride = stride
        self.pad = pad

    def forward(self, x):
        W, b = self.params["W"], self.params["b"]
        FN, C, FH, FW = W.shape
        N, C, H, Wd = x.shape
        out_h = 1 + (H + 2 * self.pad - FH) // self.stride
        out_w = 1 + (Wd + 2 * self.pad - FW) // self.stride

        col = im2col(x, FH, FW, self.stride, self.pad)
        col_W = W.reshape(FN, -1).T
        out = np.dot(col, col_W) + b
        out = out.reshape(N, out_h, out_w, -1).transpose(0, 3, 1, 2)

        self.x_shape = x.shape
        self.col = col
        self.col_W = col_W
        return out

    def backward(self, dout):
        FN, C, FH, FW = self.params["W"].shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)

        self.grads["b"] = np.sum(dout, axis=0)
        dW = np.dot(self.col.T, dout)
        self.grads["W"] = dW.transpose(1, 0).reshape(FN, C, FH, FW)

        dcol = np.dot(dout, self.col_W.T)
        return col2im(dcol, self.x_shape, FH, FW, self.stride, self.pad)


def arguments():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(4, 2, 3, 2))
    b = rng.normal(size=4)
    x = rng.normal(size=(3, 2, 5, 6))
    return Convolution(W, b, stride=1, pad=1), x
