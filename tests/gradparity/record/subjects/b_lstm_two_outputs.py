import numpy as np
FORM = 2

def forward(x, h, c, W, b):
    # x: T,B,I   W: (I+H),4H   gates: f i o g
    T, B, I = x.shape
    H = h.shape[1]
    z = np.zeros((T, B, I + H))
    G = np.zeros((T, B, 4 * H))
    C = np.zeros((T + 1, B, H)); C[0] = c
    Y = np.zeros((T + 1, B, H)); Y[0] = h
    for t in range(T):
        z[t, :, :I] = x[t]
        z[t, :, I:] = Y[t]
        a = z[t] @ W + b
        G[t, :, :3*H] = 1 / (1 + np.exp(-a[:, :3*H]))
        G[t, :, 3*H:] = np.tanh(a[:, 3*H:])
        f = G[t, :, :H]; i = G[t, :, H:2*H]; o = G[t, :, 2*H:3*H]; g = G[t, :, 3*H:]
        C[t+1] = f * C[t] + i * g
        Y[t+1] = o * np.tanh(C[t+1])
    return Y[1:].copy(), C[T].copy(), (z, G, C, W, I)

def backward(dY, dcT, cache):
    z, G, C, W, I = cache
    T, B, H = dY.shape
    dW = np.zeros(W.shape)
    db = np.zeros(4 * H)
    dx = np.zeros((T, B, I))
    dh = np.zeros((B, H))
    dc = dcT.copy()
    da = np.zeros((B, 4 * H))
    for t in range(T - 1, -1, -1):
        f = G[t, :, :H]; i = G[t, :, H:2*H]; o = G[t, :, 2*H:3*H]; g = G[t, :, 3*H:]
        q = np.tanh(C[t+1])
        dh += dY[t]
        dc += dh * o * (1 - q * q)
        da[:, :H] = dc * C[t] * f * (1 - f)
        da[:, H:2*H] = dc * g * i * (1 - i)
        da[:, 2*H:3*H] = dh * q * o * (1 - o)
        da[:, 3*H:] = dc * i * (1 - g * g)
        dW += z[t].T @ da
        db += da.sum(0)
        dz = da @ W.T
        dx[t] = dz[:, :I]
        dh = dz[:, I:]
        dc *= f
    return dx, dh, dc, dW, db

def arguments():
    r = np.random.default_rng(0)
    T, B, I, H = 4, 3, 2, 5
    return (r.standard_normal((T, B, I)), r.standard_normal((B, H)), r.standard_normal((B, H)),
            r.standard_normal((I + H, 4 * H)) * 0.4, r.standard_normal(4 * H) * 0.4)
