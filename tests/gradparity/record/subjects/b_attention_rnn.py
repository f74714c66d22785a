import numpy as np

FORM = 2

# Decoder RNN with Bahdanau attention over given annotations.
#   enc : (B, S, E)  annotations       inp : (L, B, D) decoder inputs     s0 : (B, H)
#   e_tj    = va . tanh(s_{t-1} Wa + enc_j Ua)
#   alpha_t = softmax_j(e_t),   ctx_t = sum_j alpha_tj enc_j
#   s_t     = tanh(inp_t Wx + ctx_t Wc + s_{t-1} Ws + b)


def attend(s, enc, encUa, Wa, va):
    q = np.tanh((s @ Wa)[:, None, :] + encUa)            # (B, S, A)
    e = q @ va                                           # (B, S)
    w = np.exp(e - e.max(axis=1, keepdims=True))
    alpha = w / w.sum(axis=1, keepdims=True)
    ctx = np.einsum('bs,bse->be', alpha, enc)
    return ctx, alpha, q


def forward(enc, inp, s0, Wa, Ua, va, Wx, Wc, Ws, b):
    encUa = enc @ Ua
    s, out, tape = s0, [], []
    for t in range(inp.shape[0]):
        ctx, alpha, q = attend(s, enc, encUa, Wa, va)
        s_new = np.tanh(inp[t] @ Wx + ctx @ Wc + s @ Ws + b)
        tape.append([s, ctx, alpha, q, s_new])
        out.append(s_new)
        s = s_new
    return np.stack(out), [tape, enc, inp, Wa, Ua, va, Wx, Wc, Ws]


def backward(dout, cache):
    tape, enc, inp, Wa, Ua, va, Wx, Wc, Ws = cache
    denc = np.zeros_like(enc)
    dencUa = np.zeros(enc.shape[:2] + (Ua.shape[1],))
    dinp = np.zeros_like(inp)
    dWa, dva = np.zeros_like(Wa), np.zeros_like(va)
    dWx, dWc, dWs = np.zeros_like(Wx), np.zeros_like(Wc), np.zeros_like(Ws)
    db = np.zeros(Ws.shape[1])
    ds = np.zeros(dout.shape[1:])

    for t in range(len(tape))[::-1]:
        s_prev, ctx, alpha, q, s_new = tape[t]
        dz = (ds + dout[t]) * (1 - s_new ** 2)
        dWx += inp[t].T @ dz
        dWc += ctx.T @ dz
        dWs += s_prev.T @ dz
        db += dz.sum(axis=0)
        dinp[t] = dz @ Wx.T
        ds = dz @ Ws.T
        dctx = dz @ Wc.T

        # attention
        denc += alpha[:, :, None] * dctx[:, None, :]
        dalpha = np.einsum('be,bse->bs', dctx, enc)
        de = alpha * (dalpha - (alpha * dalpha).sum(axis=1, keepdims=True))
        dva += np.einsum('bs,bsa->a', de, q)
        dpre = de[:, :, None] * va * (1 - q ** 2)
        dencUa += dpre
        dsWa = dpre.sum(axis=1)
        dWa += s_prev.T @ dsWa
        ds += dsWa @ Wa.T

    dUa = np.einsum('bse,bsa->ea', enc, dencUa)
    denc += dencUa @ Ua.T
    return {'enc': denc, 'inp': dinp, 's0': ds, 'Wa': dWa, 'Ua': dUa, 'va': dva,
            'Wx': dWx, 'Wc': dWc, 'Ws': dWs, 'b': db}


def arguments():
    rng = np.random.default_rng(0)
    B, S, L, E, D, H, A = 2, 5, 3, 4, 2, 3, 6
    f = lambda *shape: rng.standard_normal(shape) * 0.7
    return (f(B, S, E), f(L, B, D), f(B, H), f(H, A), f(E, A), f(A),
            f(D, H), f(E, H), f(H, H), f(H))
