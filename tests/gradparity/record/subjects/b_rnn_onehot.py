# char rnn, many to many. columns are one-hot vectors (a small batch of them)
import numpy as np

FORM = 1


def loss_and_grads(params, inputs, targets, hprev):
    Wxh, Whh, Why = params['Wxh'], params['Whh'], params['Why']
    bh, by = params['bh'], params['by']
    vocab_size = Wxh.shape[1]
    n = hprev.shape[1]

    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    # forward pass
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, n))
        xs[t][inputs[t], np.arange(n)] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]), axis=0)
        loss += np.sum(-np.log(ps[t][targets[t], np.arange(n)]))

    # backward pass
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t], np.arange(n)] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy.sum(axis=1, keepdims=True)
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw.sum(axis=1, keepdims=True)
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t - 1].T)
        dhnext = np.dot(Whh.T, dhraw)
    for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
        np.clip(dparam, -50, 50, out=dparam)  # against exploding gradients
    return loss, {'dWxh': dWxh, 'dWhh': dWhh, 'dWhy': dWhy, 'dbh': dbh, 'dby': dby}


def arguments():
    rng = np.random.default_rng(0)
    vocab_size, hidden_size, seq_length, n = 6, 4, 5, 3
    params = {
        'Wxh': rng.standard_normal((hidden_size, vocab_size)) * 0.5,
        'Whh': rng.standard_normal((hidden_size, hidden_size)) * 0.5,
        'Why': rng.standard_normal((vocab_size, hidden_size)) * 0.5,
        'bh': rng.standard_normal((hidden_size, 1)) * 0.1,
        'by': rng.standard_normal((vocab_size, 1)) * 0.1,
    }
    text = rng.integers(0, vocab_size, (seq_length + 1, n))
    hprev = rng.standard_normal((hidden_size, n)) * 0.2
    return params, text[:-1], text[1:], hprev
