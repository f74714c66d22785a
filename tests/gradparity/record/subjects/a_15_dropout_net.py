import numpy as np
from types import SimpleNamespace

FORM = 1


def loss_and_grads(net, x, y, masks, p_drop=0.25):
    """Binary classifier, inverted dropout on the input and on the hidden units.

    The masks are drawn outside, True = unit survives.
    """
    keep = 1.0 - p_drop
    m_in, m_hid = masks
    n = x.shape[0]

    x_d = x * m_in / keep
    z1 = x_d @ net.w1 + net.b1
    a1 = np.where(z1 > 0, z1, 0.1 * z1)       # leaky relu
    a1_d = a1 * m_hid / keep
    z2 = (a1_d @ net.w2).ravel() + net.b2[0]
    prob = 1 / (1 + np.exp(-z2))
    loss = -np.mean(y * np.log(prob) + (1 - y) * np.log(1 - prob))

    g = SimpleNamespace()
    dz2 = (prob - y)[:, None] / n
    g.w2 = a1_d.T @ dz2
    g.b2 = dz2.sum(axis=0)
    da1_d = dz2 @ net.w2.T
    da1 = da1_d * m_hid / keep
    slope = np.ones_like(z1)
    slope[z1 <= 0] = 0.1
    dz1 = da1 * slope
    g.w1 = x_d.T @ dz1
    g.b1 = dz1.sum(axis=0)
    return loss, g


def arguments():
    rng = np.random.default_rng(0)
    net = SimpleNamespace(
        w1=rng.standard_normal((4, 5)),
        b1=rng.standard_normal(5) * 0.5,
        w2=rng.standard_normal((5, 1)),
        b2=rng.standard_normal(1),
    )
    x = rng.standard_normal((3, 4)) * 1.5
    y = np.array([1, 0, 1])
    masks = (rng.random((3, 4)) > 0.25, rng.random((3, 5)) > 0.25)
    return net, x, y, masks
