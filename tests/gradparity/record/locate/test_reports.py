"""Mistakes that people have reported, and the same kinds of mistake in other code."""

from typing import NamedTuple

import pytest
from record.small_subjects import blamed, judged, line_with, planted


class Report(NamedTuple):
    """A source with right lines, what stands there instead, and what is to be told of it.

    The first piece of a mistake is right, the second wrong, the third must stand in the repair or
    in the cause; white space and quotes apart.
    """

    text: str
    mistakes: tuple[tuple[str, str, str], ...]


REPORTS = {
    "a residual added before the norm's backward pass": Report(
        """
def residual_block(theta, inputs, wanted):
    U, C = theta["U"], theta["C"]
    stream = inputs.dot(U)
    inv = (np.mean(stream * stream, axis=-1, keepdims=True) + 1e-6) ** -0.5
    normed = stream * inv
    result = normed.dot(C) + stream
    diff = result - wanted
    grad_C = normed.T.dot(diff)
    grad_normed = diff.dot(C.T)
    inner = np.mean(grad_normed * normed, axis=-1, keepdims=True)
    grad_stream = inv * (grad_normed - normed * inner) + diff
    grad_U = inputs.T.dot(grad_stream)
    return (diff ** 2).sum() / 2, {"U": grad_U, "C": grad_C}

def case():
    theta = {"U": numbers(5, 4), "C": numbers(4, 4)}
    return residual_block, theta, numbers(3, 5), numbers(3, 4)
""",
        (
            ("grad_normed = diff.dot(C.T)", "grad_normed = diff.dot(C.T) + diff", "diff.dot(C.T)"),
            ("normed * inner) + diff", "normed * inner)", "diff"),
        ),
    ),
    "a residual added before the gate's backward pass": Report(
        """
class GatedSkip:
    def __init__(self):
        self.wg, self.wv = numbers(4, 4), numbers(4, 4)

    def forward(self, x):
        self.x = x
        self.gate = 1 / (1 + np.exp(-x @ self.wg))
        self.val = x @ self.wv
        return x + self.gate * self.val

    def backward(self, up):
        dgate = up * self.val
        dval = up * self.gate
        dpre = dgate * self.gate * (1 - self.gate)
        self.dwg = self.x.T @ dpre
        self.dwv = self.x.T @ dval
        down = dpre @ self.wg.T + dval @ self.wv.T + up
        return down

def case():
    return GatedSkip(), numbers(5, 4)
""",
        (
            ("dval = up * self.gate", "dval = up * self.gate + up", "up * self.gate"),
            ("dval @ self.wv.T + up", "dval @ self.wv.T", "up"),
        ),
    ),
    "layer norm: the mean subtracted twice": Report(
        """
def layer_norm_model(weights, data, goal):
    act = data @ weights["proj"]
    center = act - act.mean(axis=1, keepdims=True)
    scale = np.sqrt((center ** 2).mean(axis=1, keepdims=True) + 1e-5)
    unit = center / scale
    residue = weights["gain"] * unit + weights["shift"] - goal
    g_shift = residue.sum(axis=0)
    g_gain = (residue * unit).sum(axis=0)
    g_unit = residue * weights["gain"]
    first = g_unit.mean(axis=1, keepdims=True)
    second = (g_unit * unit).mean(axis=1, keepdims=True)
    g_act = (g_unit - first - unit * second) / scale
    g_proj = data.T @ g_act
    return 0.5 * np.sum(residue ** 2), {"proj": g_proj, "gain": g_gain, "shift": g_shift}

def case():
    weights = {"proj": numbers(5, 4), "gain": numbers(4), "shift": numbers(4)}
    return layer_norm_model, weights, numbers(3, 5), numbers(3, 4)
""",
        (("g_unit - first - unit", "g_unit - 2 * first - unit", "g_unit - first - unit"),),
    ),
    "batch norm: the projection on the normalised values doubled": Report(
        """
def batchnorm(x, gamma, beta):
    mu, var = x.mean(0), x.var(0)
    xhat = (x - mu) / np.sqrt(var + 1e-5)
    return gamma * xhat + beta, (xhat, gamma, var)

def batchnorm_back(dout, cache):
    xhat, gamma, var = cache
    N = len(dout)
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    dxhat = dout * gamma
    dx = N * dxhat - dxhat.sum(0) - xhat * np.sum(dxhat * xhat, axis=0)
    dx /= N * np.sqrt(var + 1e-5)
    return dx, dgamma, dbeta

def case():
    return (batchnorm, batchnorm_back), numbers(6, 3), numbers(3), numbers(3)
""",
        (
            ("- xhat * np.sum(dxhat", "- 2 * xhat * np.sum(dxhat", "- xhat * np.sum"),
            ("- dxhat.sum(0) -", "- 2 * dxhat.sum(0) -", "- dxhat.sum(0) -"),
        ),
    ),
    "an LSTM's gate for its delta": Report(
        """
def logistic(v):
    return 1 / (1 + np.exp(-v))

def sequence(net, tokens, labels):
    size, words = net["Af"].shape[0], len(net["cy"])
    hid, cell, log, cost = np.zeros((size, 1)), np.zeros((size, 1)), [], 0.0
    for token, label in zip(tokens, labels):
        hot = np.zeros((words, 1))
        hot[token] = 1
        both = np.concatenate([hid, hot])
        gates = {k: logistic(net["A" + k] @ both + net["c" + k]) for k in "fio"}
        cand = np.tanh(net["Ag"] @ both + net["cg"])
        before = cell
        cell = gates["f"] * before + gates["i"] * cand
        hid = gates["o"] * np.tanh(cell)
        score = net["Ay"] @ hid + net["cy"]
        prob = np.exp(score - score.max())
        prob /= prob.sum()
        cost -= np.log(prob[label, 0])
        log.append((both, gates, cand, before, cell, hid, prob, label))
    grads = {k: np.zeros(v.shape) for k, v in net.items()}
    dhid, dcell = np.zeros((size, 1)), np.zeros((size, 1))
    while log:
        both, gates, cand, before, cell, hid, prob, label = log.pop()
        dscore = prob.copy()
        dscore[label] -= 1
        grads["Ay"] += dscore @ hid.T
        grads["cy"] += dscore
        dhid = dhid + net["Ay"].T @ dscore
        dcell = dcell + dhid * gates["o"] * (1 - np.tanh(cell) ** 2)
        delta = {
            "o": dhid * np.tanh(cell) * gates["o"] * (1 - gates["o"]),
            "f": dcell * before * gates["f"] * (1 - gates["f"]),
            "i": dcell * cand * gates["i"] * (1 - gates["i"]),
            "g": dcell * gates["i"] * (1 - cand ** 2),
        }
        for k, value in delta.items():
            grads["A" + k] += value @ both.T
            grads["c" + k] += value
        from_f = net["Af"].T @ delta["f"]
        from_i = net["Ai"].T @ delta["i"]
        from_o = net["Ao"].T @ delta["o"]
        from_g = net["Ag"].T @ delta["g"]
        dhid = (from_f + from_i + from_o + from_g)[:size]
        dcell = dcell * gates["f"]
    return cost, grads

def case():
    net = {"A" + k: numbers(4, 9) for k in "fiog"} | {"c" + k: numbers(4, 1) for k in "fiog"}
    return sequence, net | {"Ay": numbers(5, 4), "cy": numbers(5, 1)}, [2, 0, 4], [0, 4, 1]
""",
        (('net["Ai"].T @ delta["i"]', 'net["Ai"].T @ gates["i"]', "delta['i']"),),
    ),
    "a GRU's gate for its delta": Report(
        """
def gru(w, xs, goal):
    squash = lambda a: 1 / (1 + np.exp(-a))
    h, tape = np.zeros(3), []
    for x in xs:
        z = squash(w["Wz"] @ x + w["Uz"] @ h)
        r = squash(w["Wr"] @ x + w["Ur"] @ h)
        n = np.tanh(w["Wn"] @ x + w["Un"] @ (r * h))
        tape.append((x, h, z, r, n))
        h = z * h + (1 - z) * n
    err = h - goal
    g = {k: np.zeros_like(v) for k, v in w.items()}
    dh = err
    for x, h, z, r, n in reversed(tape):
        dn = dh * (1 - z) * (1 - n * n)
        dz = dh * (h - n) * z * (1 - z)
        drh = w["Un"].T @ dn
        dr = drh * h * r * (1 - r)
        g["Wn"] += np.outer(dn, x)
        g["Un"] += np.outer(dn, r * h)
        g["Wz"] += np.outer(dz, x)
        g["Uz"] += np.outer(dz, h)
        g["Wr"] += np.outer(dr, x)
        g["Ur"] += np.outer(dr, h)
        by_z = w["Uz"].T @ dz
        by_r = w["Ur"].T @ dr
        dh = dh * z + drh * r + by_z + by_r
    return 0.5 * err @ err, g

def case():
    w = {"W" + k: numbers(3, 2) for k in "zrn"} | {"U" + k: numbers(3, 3) for k in "zrn"}
    return gru, w, numbers(4, 2), numbers(3)
""",
        (
            ('w["Uz"].T @ dz', 'w["Uz"].T @ z', "@ dz"),
            ('w["Ur"].T @ dr', 'w["Ur"].T @ r', "@ dr"),
        ),
    ),
    "an activation's upstream gradient left out": Report(
        """
class InverseRoot:
    def __call__(self, v):
        self.root = (1 + np.minimum(v, 0.0) ** 2) ** -0.5
        return self.root * v

    def grad(self, up):
        return up * self.root ** 3

def fit(p, x, y):
    act = InverseRoot()
    hidden = x @ p["first"]
    out = act(hidden) @ p["last"]
    delta = out - y
    last = act(hidden).T @ delta
    first = x.T @ act.grad(delta @ p["last"].T)
    return 0.5 * (delta * delta).sum(), {"first": first, "last": last}

def case():
    return fit, {"first": numbers(5, 4), "last": numbers(4, 2)}, numbers(3, 5), numbers(3, 2)
""",
        (("return up * self.root ** 3", "return self.root ** 3", "up"),),
    ),
    "a scale layer's upstream gradient left out": Report(
        """
class Softplus:
    def forward(self, a):
        self.a = a
        return np.log1p(np.exp(a))

    def backward(self, grad):
        return grad / (1 + np.exp(-self.a))

class Scale:
    def __init__(self):
        self.s = numbers(4)

    def forward(self, a):
        self.a = a
        return a * self.s

    def backward(self, grad):
        self.ds = (grad * self.a).sum(0)
        return grad * self.s

def case():
    return [Scale(), Softplus(), Scale()], numbers(3, 4)
""",
        (
            ("return grad / (1 + np", "return 1 / (1 + np", "grad"),
            ("self.ds = (grad * self.a).sum(0)", "self.ds = self.a.sum(0)", "grad"),
        ),
    ),
    "two stray factors in a perceptron": Report(
        """
def three_layers(net, feats, flags):
    count = feats.shape[1]
    pre1 = net["M1"].dot(feats) + net["k1"]
    out1 = np.where(pre1 > 0, pre1, 0)
    pre2 = net["M2"].dot(out1) + net["k2"]
    out2 = np.where(pre2 > 0, pre2, 0)
    guess = 1 / (1 + np.exp(-net["M3"].dot(out2) - net["k3"]))
    price = -np.sum(flags * np.log(guess) + (1 - flags) * np.log(1 - guess)) / count
    e3 = guess - flags
    gM3 = e3.dot(out2.T) / count
    gk3 = e3.sum(axis=1, keepdims=True) / count
    e2 = net["M3"].T.dot(e3) * (out2 > 0)
    gM2 = e2.dot(out1.T) / count
    gk2 = e2.sum(axis=1, keepdims=True) / count
    e1 = net["M2"].T.dot(e2) * (out1 > 0)
    gM1 = e1.dot(feats.T) / count
    gk1 = e1.sum(axis=1, keepdims=True) / count
    return price, dict(M1=gM1, k1=gk1, M2=gM2, k2=gk2, M3=gM3, k3=gk3)

def case():
    net = dict(M1=numbers(4, 5), k1=numbers(4, 1), M2=numbers(3, 4), k2=numbers(3, 1))
    net |= dict(M3=numbers(1, 3), k3=numbers(1, 1))
    return three_layers, net, numbers(5, 6), np.array([[1.0, 0, 0, 1, 1, 0]])
""",
        (
            ("gM2 = e2.dot(out1.T) / count", "gM2 = e2.dot(out1.T) / count * 2", "/ count"),
            (
                "gk1 = e1.sum(axis=1, keepdims=True) / count",
                "gk1 = 4 * e1.sum(axis=1, keepdims=True) / count",
                "/ count",
            ),
        ),
    ),
    "two stray factors in a factorisation": Report(
        """
def factors(users, items, bias, ratings):
    guess = users @ items.T + bias
    error = guess - ratings
    loss = 0.5 * np.mean(error ** 2) + 0.05 * np.sum(users ** 2) + 0.05 * np.sum(items ** 2)
    derror = error / error.size
    dusers = derror @ items + 0.1 * users
    ditems = derror.T @ users + 0.1 * items
    dbias = derror.sum(axis=0)
    return loss, (dusers, ditems, dbias)

def case():
    return (lambda p, r: factors(*p, r)), (numbers(4, 2), numbers(5, 2), numbers(5)), numbers(4, 5)
""",
        (
            ("derror @ items + 0.1", "derror @ items * 3 + 0.1", "derror @ items"),
            ("dbias = derror.sum(axis=0)", "dbias = derror.sum(axis=0) / 7", "derror.sum(axis=0)"),
        ),
    ),
    "a response norm: a sum over channels left out": Report(
        """
def response_norm(p, x, y):
    feat = np.einsum("bnd,dc->bnc", x, p["mix"])
    size = np.sqrt(np.sum(feat ** 2, axis=1, keepdims=True))
    avg = size.mean(axis=2, keepdims=True) + 1e-6
    rel = size / avg
    gap = p["gain"] * feat * rel + p["off"] + feat - y
    dgain = np.einsum("bnc,bnc->c", gap, feat * rel)
    doff = np.einsum("bnc->c", gap)
    drel = (gap * p["gain"] * feat).sum(axis=1, keepdims=True)
    chans = feat.shape[2]
    dsize = drel / avg - (drel * size).sum(axis=2, keepdims=True) / avg ** 2 / chans
    dfeat = gap * p["gain"] * rel + gap + dsize * feat / size
    dmix = np.einsum("bnd,bnc->dc", x, dfeat)
    return 0.5 * np.sum(gap ** 2), {"mix": dmix, "gain": dgain, "off": doff}

def case():
    p = {"mix": numbers(5, 4), "gain": numbers(4), "off": numbers(4)}
    return response_norm, p, numbers(2, 3, 5), numbers(2, 3, 4)
""",
        (("(drel * size).sum(axis=2, keepdims=True)", "drel * size", "sum"),),
    ),
    "a softmax: a sum over classes left out": Report(
        """
def weigh(x, w):
    a = x @ w
    e = np.exp(a - a.max(-1, keepdims=True))
    s = e / e.sum(-1, keepdims=True)
    return s * a, (x, w, a, s)

def weigh_back(up, cache):
    x, w, a, s = cache
    ds = up * a
    total = (ds * s).sum(axis=-1, keepdims=True)
    da = s * (ds - total) + up * s
    return da @ w.T, x.T @ da

def case():
    return (weigh, weigh_back), numbers(5, 3), numbers(3, 4)
""",
        (("(ds * s).sum(axis=-1, keepdims=True)", "ds * s", "sum"),),
    ),
    "an embedding assigned for repeated ids": Report(
        """
def bag(par, words, aim):
    vec = par["table"][words]
    code = np.tanh(vec.dot(par["mix"]))
    mean = code.sum(axis=0) / len(words)
    gap = mean - aim
    dcode = np.ones((len(words), 1)) * gap / len(words)
    dpre = dcode * (1 - code ** 2)
    dmix = vec.T.dot(dpre)
    dvec = dpre.dot(par["mix"].T)
    dtable = np.zeros(par["table"].shape)
    np.add.at(dtable, words, dvec)
    return 0.5 * gap.dot(gap), {"table": dtable, "mix": dmix}

def case():
    return bag, {"table": numbers(6, 3), "mix": numbers(3, 4)}, [5, 0, 5, 2], numbers(4)
""",
        (("np.add.at(dtable, words, dvec)", "dtable[words] += dvec", "add.at"),),
    ),
    "a scatter over edges assigned for repeated nodes": Report(
        """
def messages(h, w, src, dst):
    sent = np.tanh(h @ w)[src]
    out = np.zeros((len(h), w.shape[1]))
    for k, node in enumerate(dst):
        out[node] += sent[k]
    return out, (h, w, src, dst)

def messages_back(dout, cache):
    h, w, src, dst = cache
    dsent = dout[dst]
    dact = np.zeros_like(dout)
    for k, node in enumerate(src):
        dact[node] += dsent[k]
    dz = dact * (1 - np.tanh(h @ w) ** 2)
    return dz @ w.T, h.T @ dz

def case():
    src, dst = np.array([0, 1, 1, 3, 0]), np.array([1, 2, 3, 0, 2])
    return (messages, messages_back), numbers(4, 3), numbers(3, 2), src, dst
""",
        (("dact[node] += dsent[k]", "dact[node] = dsent[k]", "+="),),
    ),
}
TOGETHER = (
    "a residual added before the norm's backward pass",
    "a residual added before the gate's backward pass",
    "two stray factors in a perceptron",
    "two stray factors in a factorisation",
)
SINGLE = [
    pytest.param(name, (mistake,), id=f"{name}-{number}")
    for name, report in REPORTS.items()
    for number, mistake in enumerate(report.mistakes)
    if name not in TOGETHER
]
WHOLE = [pytest.param(name, REPORTS[name].mistakes, id=name) for name in TOGETHER]


def told(text):
    """Text to compare: without white space, and with one kind of quotes."""
    return "".join(text.split()).replace('"', "'")


@pytest.mark.parametrize("name", REPORTS)
def test_without_the_mistake_it_is_right(name, tmp_path):
    found = judged(REPORTS[name].text, tmp_path)
    assert found.ok, str(found)


# What docs/diagnose_limits.md tells of: wrong, but a line that uses the wrong value is named.
AT_THE_USE = (
    "a softmax: a sum over classes left out",
    "a residual added before the gate's backward pass",
)


@pytest.mark.parametrize(("name", "mistakes"), SINGLE + WHOLE)
def test_the_lines_are_named_and_repaired(name, mistakes, tmp_path):
    text = REPORTS[name].text
    for right, wrong, _ in mistakes:
        text = planted(text, right, wrong)
    found = judged(text, tmp_path)
    assert found.verdict == "wrong"
    if name in AT_THE_USE:
        return
    lines = [line_with(text, wrong) for _, wrong, _ in mistakes]
    assert blamed(found) == sorted(lines), str(found)
    for finding, (_, _, piece) in zip(found.findings, mistakes, strict=True):
        assert told(piece) in told(finding.repair + finding.cause), str(found)
