"""Sentence classification with an embedding and a simple RNN.

The class scores are computed from the last hidden state only.
"""
import numpy as np

FORM = 1


class _Tape(list):
    """list of (token ids, previous state, new state), one entry per step"""


def log_softmax(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def run_rnn(params, tokens):
    table, rnn = params["embedding"], params["rnn"]
    tape = _Tape()
    state = np.zeros((tokens.shape[0], rnn["W_rec"].shape[0]))
    for step in range(tokens.shape[1]):
        ids = tokens[:, step]
        new_state = np.tanh(table[ids] @ rnn["W_in"] + state @ rnn["W_rec"] + rnn["bias"])
        tape.append((ids, state, new_state))
        state = new_state
    return state, tape


def zeros_like_tree(tree):
    if isinstance(tree, dict):
        return {key: zeros_like_tree(sub) for key, sub in tree.items()}
    return np.zeros_like(tree)


def loss_and_grads(params, tokens, labels):
    batch = len(labels)
    last, tape = run_rnn(params, tokens)
    logp = log_softmax(last @ params["head"]["W"] + params["head"]["b"])
    loss = -logp[np.arange(batch), labels].mean()

    grads = zeros_like_tree(params)
    one_hot = np.eye(logp.shape[1])[labels]
    dscores = (np.exp(logp) - one_hot) / batch
    grads["head"]["W"] += last.T @ dscores
    grads["head"]["b"] += dscores.sum(axis=0)

    dstate = dscores @ params["head"]["W"].T
    for ids, prev, new in reversed(tape):
        dpre = dstate * (1.0 - new ** 2)
        grads["rnn"]["bias"] += dpre.sum(axis=0)
        grads["rnn"]["W_in"] += params["embedding"][ids].T @ dpre
        grads["rnn"]["W_rec"] += prev.T @ dpre
        # the same word can occur in several rows of the batch
        np.add.at(grads["embedding"], ids, dpre @ params["rnn"]["W_in"].T)
        dstate = dpre @ params["rnn"]["W_rec"].T
    return loss, grads


def arguments():
    rng = np.random.default_rng(0)
    words, emb, hid, classes = 7, 4, 5, 3
    params = {
        "embedding": rng.normal(0, 0.8, (words, emb)),
        "rnn": {
            "W_in": rng.normal(0, 0.5, (emb, hid)),
            "W_rec": rng.normal(0, 0.5, (hid, hid)),
            "bias": rng.normal(0, 0.1, hid),
        },
        "head": {"W": rng.normal(0, 0.6, (hid, classes)), "b": rng.normal(0, 0.1, classes)},
    }
    tokens = np.array([[1, 4, 1, 0], [5, 4, 2, 2]])
    labels = np.array([2, 0])
    return params, tokens, labels
