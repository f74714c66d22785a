"""Bringing one's own code: the three forms in Python and at the command line, and bad input."""

import json

import numpy as np
import pytest

import gradparity
from gradparity.cli import main

SOURCE = """
import numpy as np

def forward(x, w):
    out = np.tanh(x @ w)
    return out, (x, w, out)

def backward(dout, cache):
    x, w, out = cache
    da = dout * (1 - out)
    return da @ w.T, x.T @ da

class Layer:
    def __init__(self):
        self.w = np.random.default_rng(0).normal(size=(3, 4))
    def forward(self, x):
        self.out, self.cache = forward(x, self.w)
        return self.out
    def backward(self, dout):
        dx, self.dw = backward(dout, self.cache)
        return dx

def loss_and_grads(params, x):
    out, cache = forward(x, params["w"])
    dx, dw = backward(out, cache)
    return 0.5 * (out ** 2).sum(), {"w": dw}

def numbers(*shape):
    return np.random.default_rng(1).normal(size=shape)

def case():
    return loss_and_grads, {"w": numbers(3, 4)}, numbers(2, 3)

def pair():
    return (forward, backward), numbers(2, 3), numbers(3, 4)

def layer():
    return Layer(), numbers(2, 3)

def arguments():
    return numbers(2, 3), numbers(3, 4)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def run(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(["diagnose", *map(str, words)])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    "words", [("case",), ("pair",), ("layer",), ("forward", "--backward", "backward")]
)
def test_every_form_at_the_command_line(words, file, capsys):
    name, *rest = words
    code, out, err = run(capsys, f"{file}:{name}", *rest)
    assert (code, err) == (1, "")
    assert "line 10 is at fault" in out
    assert "repair: da = dout * (1 - out ** 2)" in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_figure_and_annotations(file, tmp_path, capsys):
    figure = tmp_path / "d.png"
    code, _, _ = run(capsys, f"{file}:case", "--json", tmp_path / "d.json", "--figure", figure)
    assert figure.read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "d.json").read_text())
    assert (code, found["verdict"], found["findings"][0]["line"]) == (1, "wrong", 10)
    code, out, _ = run(capsys, f"{file}:case", "--format", "github")
    assert out.startswith("::error file=")
    assert "line=10" in out


def forward(x, w):
    return x @ w, (x, w)


def backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout


def test_a_pair_in_python():
    x, w = np.ones((2, 3)), np.zeros((3, 4))
    found = gradparity.diagnose(forward, x, w, backward=backward)
    assert found.ok
    found.raise_if_wrong()
    assert (x == 1).all()
    assert (w == 0).all()


def raising(params):
    raise ValueError("no such luck")


def no_gradient(params):
    return float((params**2).sum())


def constant(params):
    return (params * 0).sum(), np.zeros(3)


BAD = {
    raising: "it raised ValueError: no such luck",
    no_gradient: "no gradient was found",
}


@pytest.mark.parametrize("function", BAD)
def test_what_cannot_be_judged_says_why(function):
    with pytest.raises(gradparity.InputError, match=BAD[function]):
        gradparity.diagnose(function, np.ones(3))


def hanging(params):
    while True:
        pass


def test_what_hangs_is_stopped():
    with pytest.raises(gradparity.InputError, match="took more than 1 s"):
        gradparity.diagnose(hanging, np.ones(3), timeout=1.0)


def test_a_name_that_is_not_there(file, capsys):
    code, _, err = run(capsys, f"{file}:nothing")
    assert code == 2
    assert "no nothing, expected one of" in err
    assert "Traceback" not in err
