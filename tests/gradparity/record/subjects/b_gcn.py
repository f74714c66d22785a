"""Two-layer graph convolution for node classification (only labelled nodes count)."""
import numpy as np

FORM = 1


def normalise(adj):
    a = adj + np.eye(len(adj))
    deg = a.sum(axis=1)
    return a / np.sqrt(deg[:, None] * deg[None, :])


class GraphConv:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def __call__(self, a_hat, h):
        self.agg = a_hat @ h
        self.a_hat = a_hat
        return self.agg @ self.weight + self.bias

    def pullback(self, dz):
        d_weight = self.agg.T @ dz
        d_bias = dz.sum(axis=0)
        dh = self.a_hat.T @ (dz @ self.weight.T)
        return dh, (d_weight, d_bias)


def masked_cross_entropy(logits, labels, mask):
    logits = logits - logits.max(axis=1)[:, None]
    logp = logits - np.log(np.exp(logits).sum(axis=1))[:, None]
    picked = logp[range(len(labels)), labels]
    loss = -(picked * mask).sum() / mask.sum()
    d = np.exp(logp)
    d[range(len(labels)), labels] -= 1
    return loss, d * mask[:, None] / mask.sum()


def loss_and_grads(params, adj, features, labels, mask):
    a_hat = normalise(adj)
    conv1 = GraphConv(*params[0])
    conv2 = GraphConv(*params[1])

    z1 = conv1(a_hat, features)
    h1 = np.maximum(z1, 0)
    loss, dz2 = masked_cross_entropy(conv2(a_hat, h1), labels, mask)

    dh1, g2 = conv2.pullback(dz2)
    _, g1 = conv1.pullback(dh1 * (z1 > 0))
    return loss, [g1, g2]


def arguments():
    rng = np.random.default_rng(0)
    nodes, feats, hidden, classes = 6, 3, 5, 4
    adj = np.zeros((nodes, nodes))
    for i, j in [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 5), (1, 5)]:
        adj[i, j] = adj[j, i] = 1
    features = rng.standard_normal((nodes, feats))
    params = [
        (2 * rng.standard_normal((feats, hidden)), 1.5 * rng.standard_normal(hidden)),
        (rng.standard_normal((hidden, classes)), rng.standard_normal(classes)),
    ]
    labels = rng.integers(0, classes, nodes)
    mask = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    return params, adj, features, labels, mask
