"""Encoder-decoder (tanh RNNs), teacher forcing, token 0 is <s>."""
import numpy as np

FORM = 1


class Weights:
    """Just a bag of arrays; gradients come back in the same kind of bag."""

    def __init__(self, **arrays):
        self.__dict__.update(arrays)

    def empty_copy(self):
        return Weights(**{k: np.zeros_like(v) for k, v in vars(self).items()})


def encode(p, src):
    hs = [np.zeros((src.shape[0], p.enc_R.shape[0]))]
    for t in range(src.shape[1]):
        hs.append(np.tanh(src[:, t] @ p.enc_W + hs[-1] @ p.enc_R + p.enc_b))
    return hs


def decode(p, h, tokens_in):
    hs, probs = [h], []
    for t in range(tokens_in.shape[1]):
        h = np.tanh(p.emb[tokens_in[:, t]] @ p.dec_W + h @ p.dec_R + p.dec_b)
        logits = h @ p.out_W + p.out_b
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        hs.append(h)
        probs.append(e / e.sum(axis=1, keepdims=True))
    return hs, probs


def loss_and_grads(p, src, tgt):
    n, steps = tgt.shape
    rows = np.arange(n)
    # shift the target by one: the decoder sees the previous correct token
    tokens_in = np.hstack([np.zeros((n, 1), dtype=int), tgt[:, :-1]])
    enc = encode(p, src)
    dec, probs = decode(p, enc[-1], tokens_in)
    loss = 0.0
    for t in range(steps):
        loss -= np.log(probs[t][rows, tgt[:, t]]).sum()
    loss /= n * steps

    g = p.empty_copy()
    dh = np.zeros_like(enc[-1])
    for t in range(steps - 1, -1, -1):
        dlogits = probs[t].copy()
        dlogits[rows, tgt[:, t]] -= 1.0
        dlogits /= n * steps
        g.out_W += dec[t + 1].T @ dlogits
        g.out_b += dlogits.sum(axis=0)
        dh = dh + dlogits @ p.out_W.T
        da = dh * (1 - dec[t + 1] ** 2)
        g.dec_W += p.emb[tokens_in[:, t]].T @ da
        g.dec_R += dec[t].T @ da
        g.dec_b += da.sum(axis=0)
        np.add.at(g.emb, tokens_in[:, t], da @ p.dec_W.T)
        dh = da @ p.dec_R.T

    # what is left is the gradient of the last encoder state
    for t in range(src.shape[1] - 1, -1, -1):
        da = dh * (1 - enc[t + 1] ** 2)
        g.enc_W += src[:, t].T @ da
        g.enc_R += enc[t].T @ da
        g.enc_b += da.sum(axis=0)
        dh = da @ p.enc_R.T
    return loss, g


def arguments():
    rng = np.random.default_rng(0)
    n, t_src, t_tgt, feat, hid, emb, vocab = 2, 3, 4, 2, 4, 3, 5

    def r(*shape):
        return rng.normal(0.0, 0.7, shape)

    p = Weights(enc_W=r(feat, hid), enc_R=r(hid, hid), enc_b=r(hid),
                emb=r(vocab, emb), dec_W=r(emb, hid), dec_R=r(hid, hid), dec_b=r(hid),
                out_W=r(hid, vocab), out_b=r(vocab))
    return p, rng.normal(size=(n, t_src, feat)), rng.integers(1, vocab, (n, t_tgt))
