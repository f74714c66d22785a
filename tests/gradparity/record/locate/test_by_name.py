"""Slips that names give away, and repairs where a value was made, not where it is read."""

import pytest
from record.small_subjects import blamed, judged, line_with, planted

GATED = """
def forward(x, Wf, Wi, bf, bi):
    f, i = np.tanh(x @ Wf + bf), 1 / (1 + np.exp(-(x @ Wi + bi)))
    return f * i, (x, Wf, Wi, f, i)

def backward(dout, cache):
    x, Wf, Wi, f, i = cache
    di = dout * f * i * (1 - i)
    df = dout * i * (1 - f * f)
    dWi = np.zeros_like(Wi)
    dWf = np.zeros_like(Wf)
    dbi = np.zeros(Wi.shape[1])
    dbf = np.zeros(Wf.shape[1])
    for n in range(len(x)):
        dWi += np.outer(x[n], di[n])
        dWf += np.outer(x[n], df[n])
        dbi += di[n]
        dbf += df[n]
    dx = np.zeros_like(x)
    dx += di @ Wi.T
    dx += df @ Wf.T
    return dx, dWf, dWi, dbf, dbi

def case():
    return (forward, backward), numbers(5, 3), numbers(3, 4), numbers(3, 4), numbers(4), numbers(4)
"""

CLIPPED = """
def clipped(grads, most):
    size = np.sqrt(sum(np.sum(g * g) for g in grads))
    return grads if size < most else [g * most / size for g in grads]

def loss_and_grads(p, x, y):
    w, b = p
    r = np.tanh(x @ w + b) - y
    da = r * (1 - (r + y) ** 2)
    return 0.5 * np.sum(r * r), clipped([x.T @ da, da.sum(0)], 1e6)

def case():
    return loss_and_grads, [numbers(3, 2), numbers(2)], numbers(4, 3), numbers(4, 2)
"""

STACK = """
class Net:
    def __init__(self):
        self.W = [numbers(3, 4), numbers(4, 2)]
        self.dW = [np.zeros((3, 4)), np.zeros((4, 2))]

    def forward(self, x):
        self.kept = [x]
        for w in self.W:
            self.kept.append(np.tanh(self.kept[-1] @ w))
        return self.kept[-1]

    def backward(self, d):
        for k in (1, 0):
            w, into = self.W[k], self.dW[k]
            da = d * (1 - self.kept[k + 1] ** 2)
            np.add(into, self.kept[k].T @ da, out=into)
            d = da @ w.T
        return d

def case():
    return Net(), numbers(5, 3)
"""

STEPS = """
def pulled(a, W, g):
    return (g * (1 - a * a)) @ W.T

def loss_and_grad(W, z, h):
    one = np.tanh(z @ W)
    two = np.tanh((z + h / 2 * one) @ W)
    loss = 0.5 * np.sum((z + h / 3 * one + h * 2 / 3 * two) ** 2)
    g = z + h / 3 * one + h * 2 / 3 * two
    dtwo = h * 2 / 3 * g
    dz2 = pulled(two, W, dtwo)
    done = h / 3 * g + h / 2 * dz2
    dW = z.T @ (done * (1 - one * one))
    dW += (z + h / 2 * one).T @ (dtwo * (1 - two * two))
    return loss, dW

def case():
    return loss_and_grad, numbers(3, 3), numbers(4, 3), 0.3
"""

SCAN = """
def forward(x, rate, w):
    a = np.exp(-rate)
    states = np.zeros((x.shape[0] + 1, *x.shape[1:]))
    for t in range(len(x)):
        states[t + 1] = a * states[t] + x[t]
    return states[1:] @ w, (x, rate, w, a, states)

def backward(dout, cache):
    x, rate, w, a, states = cache
    dw = np.einsum("tbh,tbo->ho", states[1:], dout)
    into = dout @ w.T
    ds = np.zeros_like(states)
    for t in reversed(range(len(x))):
        ds[t + 1] += into[t]
        ds[t] += a * ds[t + 1]
    da = np.sum(ds[1:] * states[:-1], axis=(0, 1))
    drate = -da * a
    scale = 1.0 * (np.abs(a) > 0)
    return ds[1:] * scale, drate, dw

def case():
    return (forward, backward), numbers(4, 5, 3), np.abs(numbers(3)) + 0.2, numbers(3, 2)
"""

SLIPS = {
    "unlike its sibling": (GATED, "dbi += di[n]", "dbi += 2 * di[n].mean()", "dbi +="),
    "a sibling left out": (GATED, "    dx += df @ Wf.T\n", "", "dx += di @"),
    "the length of a sum": (
        GATED, "dbi = np.zeros(Wi.shape[1])", "dbi = np.zeros(Wi.shape)", "dbi = np",
    ),
    "a name that is counted": (
        CLIPPED, "np.sum(g * g) for", "np.sum(most * most) for", "size = np",
    ),
    "one thing under two names": (
        STACK, "w, into = self.W[k]", "w, into = self.dW[k]", "w, into = ",
    ),
    "a total that is not added to": (STACK, "np.add(into, self", "np.add(w, self", "np.add("),
    "a term times a number": (STEPS, "done = h / 3 * g + ", "done = ", "done ="),
    "an index too many": (SCAN, "        ds[t] += a", "        ds[1:][t] += a", "ds[1:][t]"),
    "a sum where it was made": (SCAN, "states[:-1], axis=(0, 1)", "states[:-1], axis=0", "da ="),
    "a factor where it was made": (SCAN, "scale = 1.0 * (", "scale = 0.5 * (", "scale ="),
}  # fmt: skip


@pytest.mark.parametrize("text", [GATED, CLIPPED, STACK, STEPS, SCAN])
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


def test_what_nobody_reads_was_meant_to_be_read(tmp_path):
    """Mistakes of which none shows alone: with any of them all that follows is wrong."""
    text = planted(GATED, "dbi += di[n]", "dbi += df[n]")
    text = planted(text, "dx += di @ Wi.T", "dx += df @ Wi.T")
    text = planted(text, "np.outer(x[n], di[n])", "np.outer(x[n], df[n]) ")
    found = judged(text, tmp_path)
    pieces = ("np.outer(x[n], df[n]) ", "dbi += df[n]", "dx += df @ Wi.T")
    assert blamed(found) == [line_with(text, piece) for piece in pieces], str(found)
