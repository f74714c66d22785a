"""Gradients that nobody returns: updates in place, a module's names, and names that say nothing."""

import numpy as np
import pytest

from gradparity.record.examine.engine import examine
from gradparity.record.run.runs import Runner
from gradparity.record.subject.forms import form_of
from lstm_spec import InputError
from record.small_subjects import HEAD, RULES, blamed, judged, line_with, planted
from record.subject_files import loaded

NET = """
W1, b1, W2, b2 = numbers(4, 5), np.zeros(5), numbers(5, 3), np.zeros(3)

def passed(W1, b1, W2, b2, x, y):
    h = np.tanh(x @ W1 + b1)
    out = h @ W2 + b2
    return h, out - y
"""
DATA = "numbers(6, 4), numbers(6, 3)"

OBJECT = f"""
class Net:
    def __init__(self, lr=0.1):
        self.W1, self.b1, self.W2, self.b2 = numbers(4, 5), np.zeros(5), numbers(5, 3), np.zeros(3)
        self.lr = lr
    def train_step(self, x, y):
        h = np.tanh(x @ self.W1 + self.b1)
        d = h @ self.W2 + self.b2 - y
        dh = d @ self.W2.T * (1 - h ** 2)
        self.W2 -= self.lr * h.T @ d
        self.b2 -= self.lr * d.sum(0)
        self.W1 -= self.lr * x.T @ dh
        self.b1 -= self.lr * dh.sum(0)
        return 0.5 * np.sum(d ** 2)

def case():
    return Net().train_step, {DATA}
"""

ARGUMENTS = f"""
def step(params, x, y):
    h = np.tanh(x @ params['W1'])
    d = (h @ params['W2'] - y) / len(x)
    dh = d @ params['W2'].T * (1 - h ** 2)
    params['W2'] -= 0.2 * h.T @ d
    params['W1'] -= 0.2 * x.T @ dh
    return 0.5 * np.sum(d ** 2) * len(x)

def case():
    return step, {{'W1': numbers(4, 5), 'W2': numbers(5, 3)}}, {DATA}
"""

MODULE = (
    NET
    + f"""
def train(x, y):
    global dW1, db1, dW2, db2
    h, d = passed(W1, b1, W2, b2, x, y)
    dW2 = h.T @ d
    db2 = d.sum(0)
    dh = d @ W2.T * (1 - h ** 2)
    dW1 = x.T @ dh
    db1 = dh.sum(0)
    return 0.5 * np.sum(d ** 2)

def case():
    return train, {DATA}
"""
)

REBOUND = (
    NET
    + f"""
def train(x, y, lr=0.01):
    global W1, b1, W2, b2
    h, d = passed(W1, b1, W2, b2, x, y)
    dh = d @ W2.T * (1 - h ** 2)
    W2, b2 = W2 - lr * h.T @ d, b2 - lr * d.sum(0)
    W1, b1 = W1 - lr * x.T @ dh, b1 - lr * dh.sum(0)
    return 0.5 * np.sum(d ** 2)

def case():
    return train, {DATA}
"""
)

RETURNED = (
    NET
    + f"""
def loss_and_gradients(x, y):
    h, d = passed(W1, b1, W2, b2, x, y)
    dW2 = h.T @ d
    db2 = d.sum(0)
    dh = d @ W2.T * (1 - h ** 2)
    dW1 = x.T @ dh
    db1 = dh.sum(0)
    return 0.5 * np.sum(d ** 2), dW1, db1, dW2, db2

def case():
    return loss_and_gradients, {DATA}
"""
)

PAIR = (
    NET
    + """
def forward(x):
    h, out = passed(W1, b1, W2, b2, x, 0.0)
    return out, (x, h)

def backward(dout, cache):
    x, h = cache
    dW2 = h.T @ dout
    db2 = dout.sum(0)
    dh = dout @ W2.T * (1 - h ** 2)
    dW1 = x.T @ dh
    db1 = dh.sum(0)
    dx = dh @ W1.T
    return dx, dW1, db1, dW2, db2

def case():
    return (forward, backward), numbers(6, 4)
"""
)

NAMELESS = """
class Affine:
    def __init__(self):
        self.first, self.second = numbers(4, 5), numbers(5, 3)
    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.first)
        return self.h @ self.second
    def backward(self, up):
        self.slope_b = self.h.T @ up
        dh = up @ self.second.T * (1 - self.h ** 2)
        self.slope_a = self.x.T @ dh
        return dh @ self.first.T

def case():
    return Affine(), numbers(6, 4)
"""

KEPT = {
    "object": OBJECT, "arguments": ARGUMENTS, "module": MODULE, "rebound": REBOUND,
    "returned": RETURNED, "pair": PAIR, "nameless": NAMELESS,
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_gradients_are_found_wherever_they_are_left(name, tmp_path):
    found = judged(KEPT[name], tmp_path)
    assert found.ok, str(found)
    held = {g.parameter.rpartition(".")[2] for g in found.gradients}
    expected = {"nameless": {"first", "second", "x"}, "arguments": {"W1", "W2"}}
    assert held >= expected.get(name, {"W1", "b1", "W2", "b2"}), held


@pytest.mark.parametrize("name", KEPT)
def test_and_a_wrong_line_behind_them_is_named(name, tmp_path):
    text = planted(KEPT[name], "(1 - ", "(2 - ")
    found = judged(text, tmp_path)
    assert blamed(found) == [line_with(text, "(2 - ")], str(found)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("object", "0.1 (lr)"),
        ("arguments", "0.2, a rate that fits: a factor that all lack would not show"),
        ("rebound", "0.01 (lr)"),
    ],
)
def test_by_what_an_update_was_scaled_is_told(name, told, tmp_path):
    (note,) = [n for n in judged(KEPT[name], tmp_path).notes if "taken from the updates" in n]
    assert note.endswith(f"/ {told}")


def test_a_rate_with_a_name_hides_no_factor(tmp_path):
    text = planted(OBJECT, "return 0.5 * np.sum(d ** 2)", "return 0.5 * np.mean(d ** 2)")
    assert not judged(text, tmp_path).ok


def test_how_a_gradient_was_known_is_told(tmp_path):
    text = planted(NAMELESS, "self.x.T @ dh", "self.x.T @ up @ self.second.T")
    found = judged(text, tmp_path)
    assert {g.parameter: g.found_at for g in found.gradients} == {
        "first": "slope_a, by shape", "second": "slope_b, by value", "x": "",
    }  # fmt: skip


def test_a_parameter_that_has_no_gradient_is_told(tmp_path):
    text = planted(NAMELESS, "self.slope_a = self.x.T @ dh", "pass")
    found = judged(text, tmp_path)
    assert "no gradient was found for first" in found.notes


def test_a_parameter_that_is_changed_before_it_is_used(tmp_path):
    line = "        self.W2 -= self.lr * h.T @ d\n"
    text = planted(OBJECT, line, "")
    text = planted(text, "        dh = d @ self.W2.T", line + "        dh = d @ self.W2.T")
    text = planted(
        text, "        dh = d @", "        self.b2 -= self.lr * d.sum(0)\n        dh = d @"
    )
    text = planted(text, "(1 - h ** 2)\n        self.b2 -= self.lr * d.sum(0)\n", "(1 - h ** 2)\n")
    found = judged(text, tmp_path)
    (finding,) = found.findings
    assert finding.line == line_with(text, "self.W2 -="), str(found)
    assert finding.repair.startswith(f"behind line {line_with(text, 'dh = d @')}: ")


def test_a_rate_of_zero_hides_an_update(tmp_path):
    with pytest.raises(InputError, match="learning rate of 0"):
        judged(planted(OBJECT, "lr=0.1", "lr=0.0"), tmp_path)


@pytest.mark.parametrize("text", [REBOUND, MODULE])
def test_the_module_is_left_as_it_was(text, tmp_path):
    (tmp_path / "subject.py").write_text(HEAD + text, encoding="utf-8")
    module = loaded(tmp_path / "subject.py")
    before = {n: np.copy(v) for n, v in vars(module).items() if isinstance(v, np.ndarray)}
    function, *arguments = module.case()
    assert examine(Runner(form_of(function, tuple(arguments), {})), RULES).ok
    after = {n: v for n, v in vars(module).items() if isinstance(v, np.ndarray)}
    assert after.keys() == before.keys()
    assert all(np.array_equal(after[n], v) for n, v in before.items())


def test_an_update_of_repeated_words(tmp_path):
    text = """
E = numbers(9, 4)
W = numbers(4)

def step(words, lr=0.05):
    global W
    u = E[words].copy()
    d = np.tanh(u @ W)
    dW = u.T @ (d * (1 - d ** 2))
    np.subtract.at(E, words, lr * np.outer(d * (1 - d ** 2), W))
    W = W - lr * dW
    return 0.5 * np.sum(d ** 2)

def case():
    return step, np.array([1, 7, 1, 2])
"""
    assert judged(text, tmp_path).ok
    line = "np.subtract.at(E, words, lr * np.outer(d * (1 - d ** 2), W))"
    text = planted(text, line, "E[words] -= lr * np.outer(d * (1 - d ** 2), W)")
    (finding,) = judged(text, tmp_path).findings
    assert finding.repair == line


def test_sequences_where_arrays_belong_are_recorded(tmp_path):
    text = """
def f(p, q, x):
    h = x @ p
    dp = 2 * x.T @ h + 0 * (p @ range(4))[:, None]
    dq = 2 * q + 0 * np.tensordot(q.shape, q, axes=1)
    return (h ** 2).sum() + (q ** 2).sum(), dp, dq

def case():
    return f, numbers(3, 4), numbers(3, 2, 3), numbers(5, 3)
"""
    assert judged(text, tmp_path).ok
    text = planted(text, "2 * q + 0", "2 * q + 1")
    assert blamed(judged(text, tmp_path)) == [line_with(text, "dq = ")]
