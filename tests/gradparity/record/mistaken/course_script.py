"""A course's LSTM as it was published for years, written anew: eleven mistakes, and the loss falls."""

import numpy as np


def sigmoid(x, derivative=False):
    x_safe = x + 1e-12
    f = 1 / (1 + np.exp(-x_safe))
    if derivative:
        return f * (1 - f)
    return f


def tanh(x, derivative=False):
    x_safe = x + 1e-12
    f = (np.exp(x_safe) - np.exp(-x_safe)) / (np.exp(x_safe) + np.exp(-x_safe))
    if derivative:
        return 1 - f**2
    return f


def softmax(x):
    f = np.exp(x + 1e-12)
    return f / np.sum(f)


def clip_gradient_norm(grads, max_norm=0.25):
    total_norm = 0
    for grad in grads:
        total_norm += np.sum(np.power(grad, 2))
    total_norm = np.sqrt(total_norm)
    clip_coef = max_norm / (total_norm + 1e-6)
    if clip_coef < 1:
        for grad in grads:
            grad *= clip_coef
    return grads


def forward(inputs, h_prev, C_prev, p):
    W_f, W_i, W_g, W_o, W_v, b_f, b_i, b_g, b_o, b_v = p
    z_s, f_s, i_s, g_s, o_s, v_s, output_s = [], [], [], [], [], [], []
    h_s, C_s = [h_prev], [C_prev]
    for x in inputs:
        z = np.row_stack((h_prev, x)) if hasattr(np, "row_stack") else np.vstack((h_prev, x))
        z_s.append(z)
        f = sigmoid(np.dot(W_f, z) + b_f)
        f_s.append(f)
        i = sigmoid(np.dot(W_i, z) + b_i)
        i_s.append(i)
        g = tanh(np.dot(W_g, z) + b_g)
        g_s.append(g)
        C_prev = f * C_prev + i * g
        C_s.append(C_prev)
        o = sigmoid(np.dot(W_o, z) + b_o)
        o_s.append(o)
        h_prev = o * tanh(C_prev)
        h_s.append(h_prev)
        v = np.dot(W_v, h_prev) + b_v
        v_s.append(v)
        output_s.append(softmax(v))
    return z_s, f_s, i_s, g_s, C_s, o_s, h_s, v_s, output_s


def backward(z, f, i, g, C, o, h, v, outputs, targets, p):
    W_f, W_i, W_g, W_o, W_v, b_f, b_i, b_g, b_o, b_v = p
    W_f_d, W_i_d, W_g_d = np.zeros_like(W_f), np.zeros_like(W_i), np.zeros_like(W_g)
    W_o_d, W_v_d = np.zeros_like(W_o), np.zeros_like(W_v)
    b_f_d, b_i_d, b_g_d = np.zeros_like(b_f), np.zeros_like(b_i), np.zeros_like(b_g)
    b_o_d, b_v_d = np.zeros_like(b_o), np.zeros_like(b_v)
    dh_next = np.zeros_like(h[0])
    dC_next = np.zeros_like(C[0])
    hidden_size = h[0].shape[0]
    loss = 0
    for t in reversed(range(len(outputs))):
        loss += -np.mean(np.log(outputs[t]) * targets[t])
        C_prev = C[t - 1]
        dv = np.copy(outputs[t])
        dv[np.argmax(targets[t])] -= 1
        W_v_d += np.dot(dv, h[t].T)
        b_v_d += dv
        dh = np.dot(W_v.T, dv)
        dh += dh_next
        do = dh * tanh(C[t])
        do = sigmoid(o[t], derivative=True) * do
        W_o_d += np.dot(do, z[t].T)
        b_o_d += do
        dC = np.copy(dC_next)
        dC += dh * o[t] * tanh(tanh(C[t]), derivative=True)
        dg = dC * i[t]
        dg = tanh(g[t], derivative=True) * dg
        W_g_d += np.dot(dg, z[t].T)
        b_g_d += dg
        di = dC * g[t]
        di = sigmoid(i[t], True) * di
        W_i_d += np.dot(di, z[t].T)
        b_i_d += di
        df = dC * C_prev
        df = sigmoid(f[t]) * df
        W_f_d += np.dot(df, z[t].T)
        b_f_d += df
        dz = (
            np.dot(W_f.T, df) + np.dot(W_i.T, di) + np.dot(W_g.T, dg) + np.dot(W_o.T, do)
        )
        dh_prev = dz[:hidden_size, :]
        dC_prev = f[t] * dC
    grads = W_f_d, W_i_d, W_g_d, W_o_d, W_v_d, b_f_d, b_i_d, b_g_d, b_o_d, b_v_d
    grads = clip_gradient_norm(grads)
    return loss, grads


def loss_and_grads(params, inputs, targets):
    h, C = np.zeros((params[0].shape[0], 1)), np.zeros((params[0].shape[0], 1))
    caches = forward(inputs, h, C, params)
    return backward(*caches, targets, params)


def case():
    rng = np.random.default_rng(0)
    hidden, vocab, steps = 5, 4, 4
    gates = [rng.normal(size=(hidden, hidden + vocab)) * 0.5 for _ in range(4)]
    biases = [rng.normal(size=(hidden, 1)) * 0.1 for _ in range(4)]
    params = (*gates, rng.normal(size=(vocab, hidden)), *biases, rng.normal(size=(vocab, 1)))
    columns = [np.eye(vocab)[:, [k]] for k in (0, 2, 1, 3, 0)]
    return loss_and_grads, params, columns[:steps], columns[1:]
