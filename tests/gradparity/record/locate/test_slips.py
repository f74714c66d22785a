"""Slips that no value shows by itself: a carry, a place, another derivative."""

import pytest
from record.small_subjects import HEAD, RULES, blamed, judged, line_with, planted
from record.subject_files import loaded

from gradparity.record.examine.engine import examine
from gradparity.record.locate import looks
from gradparity.record.report.explain import recording_of
from gradparity.record.run.runs import Runner
from gradparity.record.subject.forms import form_of

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

COUNTED = """
def loss_and_grads(p, xs, ys):
    hs = [np.zeros((len(xs[0]), len(p["U"])))]
    loss, k = 0.0, 0
    while k < len(xs):
        hs.append(np.tanh(xs[k] @ p["W"] + hs[k] @ p["U"]))
        loss += 0.5 * np.sum((hs[k + 1] - ys[k]) ** 2)
        k += 1
    dW, dU, carry, k = 0, 0, 0, 0
    given, wanted, after, before = xs[::-1], ys[::-1], hs[:0:-1], hs[-2::-1]
    while k < len(xs):
        da = (after[k] - wanted[k] + carry) * (1 - after[k] ** 2)
        dW = dW + given[k].T @ da
        dU = dU + before[k].T @ da
        carry = da @ p["U"].T
        k = k + 1
    return loss, {"W": dW, "U": dU}

def case():
    p = {"W": numbers(3, 4), "U": numbers(4, 4)}
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

NORM = """
class Norm:
    def __init__(self):
        self.gamma = 1 + 0.3 * numbers(5)
        self.beta = numbers(5)

    def forward(self, x):
        mean = x.mean(axis=1, keepdims=True)
        centered = x - mean
        std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.cache = {"centered": centered, "std": std, "mean": mean, "xhat": centered / std}
        return self.gamma * self.cache["xhat"] + self.beta

    def backward(self, dout):
        centered = self.cache["centered"]
        xhat, std = self.cache["xhat"], self.cache["std"]
        count = dout.shape[1]
        self.dgamma = (dout * xhat).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        dxhat = dout * self.gamma
        dvar = np.sum(dxhat * centered, axis=1, keepdims=True) * -0.5 / std ** 3
        dmean = -dxhat.sum(axis=1, keepdims=True) / std
        dx = dxhat / std + 2 * dvar * centered / count + dmean / count
        return dx

def case():
    return Norm(), numbers(4, 5)
"""

BAG = """
def loss_and_grads(p, tokens, y):
    rows = p["E"][tokens]
    a = rows.mean(axis=1)
    q = 1 / (1 + np.exp(-a @ p["W"]))
    loss = 0.5 * np.sum((q - y) ** 2)
    slope = np.where(a > 0, 1.0, 0.5)
    loss += np.sum(slope * a ** 2)
    dz = (q - y) * q * (1 - q)
    dW = a.T @ dz
    da = dz @ p["W"].T + 2 * a * np.where(a > 0, 1.0, 0.5)
    drows = np.repeat(da[:, None] / tokens.shape[1], tokens.shape[1], axis=1)
    dE = np.zeros_like(p["E"])
    np.add.at(dE, tokens, drows)
    return loss, {"E": dE, "W": dW}

def case():
    p = {"E": numbers(7, 4), "W": numbers(4, 3)}
    return loss_and_grads, p, np.array([[1, 2, 2], [3, 6, 1]]), numbers(2, 3)
"""

LOOP = """
def loss_and_grads(p, xs, up):
    count, steps, width = up.shape
    hs = [np.zeros((count, width))]
    for t in range(steps):
        hs.append(np.tanh(xs[:, t] @ p["W"] + hs[-1] @ p["U"]))
    loss = sum(np.sum(up[:, t] * hs[t + 1]) for t in range(steps))
    dW, dU = np.zeros_like(p["W"]), np.zeros_like(p["U"])
    dh = np.zeros_like(hs[0])
    for t in range(steps - 1, -1, -1):
        dh = dh + up[:, t]
        slope = 1 - hs[t + 1] ** 2
        da = dh * slope
        dW += xs[:, t].T @ da
        dU += hs[t].T @ da
        dh = da @ p["U"].T
    return loss, {"W": dW, "U": dU}

def case():
    p = {"W": numbers(3, 4), "U": numbers(4, 4)}
    return loss_and_grads, p, numbers(2, 4, 3), numbers(2, 4, 4)
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
    "a sum's argument": (NORM, "np.sum(dxhat * centered, axis", "np.sum(std, axis", "dvar ="),
    "a product of two and a size": (
        NORM, "dxhat / std + 2 * dvar * centered / count + dmean", "dxhat / std + dmean", "dx =",
    ),
    "an entry of a cache": (
        NORM, 'centered = self.cache["centered"]', 'centered = self.cache["mean"]', "centered = s",
    ),
    "a number for an entry": (
        NORM, 'centered = self.cache["centered"]\n        xhat', "centered = 3\n        xhat",
        "centered = 3",
    ),
    "an array for a length": (NORM, "count = dout.shape[1]", "count = xhat[0]", "count ="),
    "the index of a scatter": (BAG, "dE, tokens, drows", "dE, -tokens, drows", "np.add.at"),
    "a condition": (
        BAG, "2 * a * np.where(a > 0, 1.0, 0.5)", "2 * a * np.where(0.5, 1.0, 0.5)", "da = dz",
    ),
    "what is returned": (BAG, '"W": dW}', '"W": dz}', "return loss, {"),
    "a sum at a loop's beginning": (LOOP, "dh = dh + up[:, t]\n", "pass\n", "da = dh"),
    "what a counter by hand indexes": (COUNTED, "dU + before[k].T", "dU + after[k].T", "dU = dU"),
    "where a range ends": (
        LOOP, "range(steps - 1, -1, -1)", "range(steps - 1, 0, -1)", "for t in range(steps - 1",
    ),
    "what an index leaves out": (LOOP, "up[:, t]\n        slope", "dh\n        slope", "dh + dh"),
}  # fmt: skip


@pytest.mark.parametrize("text", [RECURRENT, COUNTED, POOLING, GATES, NORM, BAG, LOOP])
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


def test_a_repair_stands_where_the_name_is_bound(tmp_path):
    found = judged(planted(NORM, "count = dout.shape[1]", "count = xhat[0]"), tmp_path)
    assert "dout.shape[1]" in found.findings[0].repair, str(found)


def test_a_fault_in_the_search_is_told_and_costs_no_verdict(tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("of ours")
        yield

    monkeypatch.setattr(looks, "rescaled_arrays", broken)
    path = tmp_path / "norm.py"
    text = planted(NORM, "dxhat = dout * self.gamma", "dxhat = dout")
    path.write_text(HEAD + text)
    function, *arguments = loaded(path).case()
    runner = Runner(form_of(function, tuple(arguments), {}))
    found = recording_of(examine(runner, RULES), runner)
    assert not found.ok
    assert blamed(found) == [line_with(text, "dxhat = dout")]
    assert any("ZeroDivisionError: of ours" in note for note in found.notes), found.notes
