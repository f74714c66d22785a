"""
Bag-of-words text classifier
    tokens -> embedding -> average over the real tokens -> logits -> softmax
Token 0 is padding and is left out of the average.
"""
import numpy as np

FORM = 1
PAD = 0


def loss_and_grads(params, tokens, targets):
    E, W, b = params['E'], params['W'], params['b']
    nb, seq = tokens.shape

    # ---------- forward ----------
    keep = (tokens != PAD).astype(np.float64)          # (nb, seq)
    lengths = keep.sum(axis=1, keepdims=True)          # (nb, 1)
    vecs = E[tokens]                                   # (nb, seq, dim)
    avg = (vecs * keep[:, :, None]).sum(axis=1) / lengths
    logits = avg @ W + b

    mx = logits.max(axis=1, keepdims=True)
    lse = mx + np.log(np.exp(logits - mx).sum(axis=1, keepdims=True))
    logprobs = logits - lse
    loss = -logprobs[range(nb), targets].sum() / nb

    # ---------- backward ----------
    dlogits = np.exp(logprobs)
    dlogits[range(nb), targets] -= 1.0
    dlogits *= 1.0 / nb

    grads = {}
    grads['dW'] = avg.T @ dlogits
    grads['db'] = dlogits.sum(axis=0)

    davg = dlogits @ W.T
    dvecs = (davg / lengths)[:, None, :] * keep[:, :, None]
    dE = np.zeros_like(E)
    np.add.at(dE, tokens, dvecs)                       # tokens repeat!
    grads['dE'] = dE
    return loss, grads


def arguments():
    rng = np.random.default_rng(0)
    vocab, dim, classes = 6, 4, 3
    params = {
        'E': rng.normal(size=(vocab, dim)),
        'W': rng.normal(size=(dim, classes)),
        'b': rng.normal(size=classes) * 0.1,
    }
    tokens = np.array([[3, 1, 3, 5, 2],
                       [4, 4, 1, 0, 0],
                       [2, 3, 2, 2, 0]])
    targets = np.array([1, 2, 0])
    return params, tokens, targets
