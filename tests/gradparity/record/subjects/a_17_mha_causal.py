"""Causal multi-head self attention, everything with einsum.

Letters: b batch, t query position, s key position, d model, h head, k head dim.
"""
import numpy as np

FORM = 2


def forward(x, wq, wk, wv, wo):
    seq = x.shape[1]
    scale = 1 / np.sqrt(wq.shape[-1])

    q = np.einsum('btd,dhk->bhtk', x, wq)
    k = np.einsum('bsd,dhk->bhsk', x, wk)
    v = np.einsum('bsd,dhk->bhsk', x, wv)

    scores = np.einsum('bhtk,bhsk->bhts', q, k) * scale
    future = np.triu(np.ones((seq, seq), dtype=bool), k=1)
    scores = np.where(future, -np.inf, scores)
    scores = scores - scores.max(axis=-1, keepdims=True)
    att = np.exp(scores)
    att /= att.sum(axis=-1, keepdims=True)

    ctx = np.einsum('bhts,bhsk->bhtk', att, v)
    y = np.einsum('bhtk,hkd->btd', ctx, wo)
    return y, (x, wq, wk, wv, wo, q, k, v, att, ctx, scale)


def backward(dy, cache):
    x, wq, wk, wv, wo, q, k, v, att, ctx, scale = cache

    dwo = np.einsum('bhtk,btd->hkd', ctx, dy)
    dctx = np.einsum('btd,hkd->bhtk', dy, wo)

    datt = np.einsum('bhtk,bhsk->bhts', dctx, v)
    dv = np.einsum('bhts,bhtk->bhsk', att, dctx)

    # masked entries have att == 0, so they drop out by themselves
    dscores = att * (datt - np.einsum('bhts,bhts->bht', datt, att)[..., None])
    dscores *= scale

    dq = np.einsum('bhts,bhsk->bhtk', dscores, k)
    dk = np.einsum('bhts,bhtk->bhsk', dscores, q)

    dwq = np.einsum('btd,bhtk->dhk', x, dq)
    dwk = np.einsum('bsd,bhsk->dhk', x, dk)
    dwv = np.einsum('bsd,bhsk->dhk', x, dv)

    dx = np.einsum('bhtk,dhk->btd', dq, wq)
    dx += np.einsum('bhsk,dhk->bsd', dk, wk)
    dx += np.einsum('bhsk,dhk->bsd', dv, wv)
    return dx, dwq, dwk, dwv, dwo


def arguments():
    rng = np.random.default_rng(0)
    B, T, D, H, K = 2, 4, 5, 2, 3
    x = rng.standard_normal((B, T, D))
    wq = rng.standard_normal((D, H, K)) * 0.5
    wk = rng.standard_normal((D, H, K)) * 0.5
    wv = rng.standard_normal((D, H, K)) * 0.5
    wo = rng.standard_normal((H, K, D)) * 0.5
    return x, wq, wk, wv, wo
