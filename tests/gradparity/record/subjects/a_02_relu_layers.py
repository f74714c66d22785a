# MLP, any number of layers. Last layer is linear and feeds softmax + NLL.
import numpy as np

FORM = 1


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward_pass(layers, x):
    acts = [x]
    for k, layer in enumerate(layers):
        z = acts[-1] @ layer["W"] + layer["b"]
        last = (k == len(layers) - 1)
        acts.append(z if last else np.maximum(z, 0))
    return acts


def loss_and_grads(layers, x, labels):
    acts = forward_pass(layers, x)
    m = len(labels)
    probs = softmax(acts[-1])
    loss = -np.log(probs[np.arange(m), labels]).mean()

    delta = probs                      # fused: p - onehot
    delta[np.arange(m), labels] -= 1
    delta /= m

    grads = [None] * len(layers)
    for k in reversed(range(len(layers))):
        inp = acts[k]
        grads[k] = {
            "W": inp.T @ delta,
            "b": delta.sum(0),
        }
        if k > 0:
            delta = delta @ layers[k]["W"].T
            delta[inp <= 0] = 0
    return loss, grads


def arguments():
    rng = np.random.default_rng(0)
    sizes = [5, 6, 4, 3]
    layers = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:]):
        layers.append({
            "W": rng.normal(size=(n_in, n_out)) * np.sqrt(2 / n_in),
            "b": rng.normal(size=n_out),
        })
    x = rng.normal(size=(4, 5))
    labels = np.array([2, 0, 1, 2])
    return layers, x, labels
