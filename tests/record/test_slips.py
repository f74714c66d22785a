"""Slips that no value shows by itself: a carry, a place, another derivative."""

import pytest

from record.small_subjects import blamed, judged, line_with, planted

RECURRENT = """
def tanh_slope(h):
    return 1 - h ** 2

def loss_and_grads(p, xs, ys):
    hs = [np.zeros((len(xs[0]), len(p["U"])))]
    loss = 0.0
    for x, y in zip(xs, ys):
        hs.append(np.tanh(x @ p["W"] + hs[-1] @ p["U"] + p["b"]))
        loss += 0.5 * np.sum((hs[-1] - y) ** 2) / len(y)
    g = {name: np.zeros_like(value) for name, value in p.items()}
    carry = np.zeros_like(hs[0])
    size = xs[0].shape[0]
    for t in reversed(range(len(xs))):
        dh = (hs[t + 1] - ys[t]) / size + carry
        da = dh * tanh_slope(hs[t + 1])
        g["W"] += xs[t].T @ da
        g["U"] += hs[t].T @ da
        g["b"] += da.sum(0)
        carry = da @ p["U"].T
    return loss, g

def case():
    p = {"W": numbers(3, 4), "U": numbers(4, 4), "b": numbers(4)}
    return loss_and_grads, p, [numbers(5, 3) for _ in range(3)], [numbers(5, 4) for _ in range(3)]
"""

POOLING = """
def forward(x, k):
    n, h, w = x.shape
    out = np.zeros((n, h // k, w // k))
    for i in range(h // k):
        for j in range(w // k):
            out[:, i, j] = (x[:, i * k:i * k + k, j * k:j * k + k] ** 2).sum((1, 2))
    return out, (x, k)

def backward(dout, cache):
    x, k = cache
    dx = np.zeros_like(x)
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            part = x[:, i * k:i * k + k, j * k:j * k + k]
            dx[:, i * k:i * k + k, j * k:j * k + k] += 2 * part * dout[:, i, j, None, None]
    return dx

def case():
    return (forward, backward), numbers(2, 4, 6), 2
"""

GATES = """
def forward(x, W):
    a = x @ W
    n = a.shape[1] // 3
    s = 1 / (1 + np.exp(-a[:, :2 * n]))
    g = np.tanh(a[:, 2 * n:])
    i, o = s[:, :n], s[:, n:]
    c = i * g
    return o * np.tanh(c), (x, W, i, o, g, c)

def backward(dh, cache):
    x, W, i, o, g, c = cache
    n = g.shape[1]
    da = np.zeros((len(x), 3 * n))
    q = np.tanh(c)
    dc = dh * o * (1 - q ** 2)
    da[:, :n] = dc * g * i * (1 - i)
    da[:, n:2 * n] = dh * q * o * (1 - o)
    da[:, 2 * n:] = dc * i * (1 - g ** 2)
    return da @ W.T, x.T @ da

def case():
    return (forward, backward), numbers(5, 3), numbers(3, 12)
"""

SLIPS = {
    "a carry left out": (RECURRENT, 'carry = da @ p["U"].T', "pass", 'g["b"]'),
    "a derivative left out": (
        RECURRENT, "da = dh * tanh_slope(hs[t + 1])", "da = dh * 1", "da = dh",
    ),
    "a slice too large": (
        POOLING, "dx[:, i * k:i * k + k, j * k:j * k + k] +=", "dx[:, i * k:i * k + k, :2] +=",
        "dx[:, i * k",
    ),
    "another gate's derivative": (
        GATES, "dc * i * (1 - g ** 2)", "dc * i * (1 - o) ** 2", "da[:, 2 * n:]",
    ),
    "another gate's place": (GATES, "da[:, n:2 * n] = ", "da[:, :n] = ", "dh * q * o"),
    "a gate's slice": (GATES, "q = np.tanh(c)", "q = np.tanh(g)", "q = "),
}  # fmt: skip


@pytest.mark.parametrize("text", [RECURRENT, POOLING, GATES])
def test_they_are_right_as_they_stand(text, tmp_path):
    found = judged(text, tmp_path)
    assert found.ok, str(found)


@pytest.mark.parametrize("name", SLIPS)
def test_the_line_is_named_with_what_belongs_there(name, tmp_path):
    text, right, wrong, piece = SLIPS[name]
    text = planted(text, right, wrong)
    found = judged(text, tmp_path)
    assert blamed(found) == [line_with(text, piece)], str(found)
    assert all(f.repair for f in found.findings)
