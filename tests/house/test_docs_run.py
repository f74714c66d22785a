"""The Python that README and docs show does what they say, run as it stands there."""

import re
import sys

import numpy as np
import pytest
from running import ROOT

import gradparity

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page, kind="python"):
    """The fenced blocks of one kind in a page."""
    return [text for found, text in FENCE.findall((ROOT / page).read_text()) if found == kind]


def block(page, word):
    """The one block of Python that has a word in it."""
    (found,) = (text for text in blocks(page) if word in text)
    return found


def run(text, **names):
    """Run a block; the names that it leaves."""
    exec(compile(text, "a block of the docs", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    """Where the docs' commands are run."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == "examples"]:
        del sys.modules[name]


def test_readme_compares():
    trees = ({"layers": [{"W_f": np.array([1.0, value])}]} for value in (2.5, 2.0))
    text, (mine, theirs) = block("README.md", "compare("), trees
    with pytest.raises(gradparity.ParityError) as caught:
        run(text, my_gradients=mine, reference_gradients=theirs)
    said = f"{caught.type.__module__}.{caught.type.__qualname__}: {caught.value}\n"
    assert said in blocks("README.md", "")
    run(text, my_gradients=mine, reference_gradients=mine)


def test_readme_calls_both_backends():
    names = run(block("README.md", "by_autodiff"))
    gradparity.compare(names["by_hand"].grads, names["by_autodiff"].grads)


@pytest.mark.parametrize("form", [0, 1, 2])
def test_the_three_forms(form):
    """Each line of docs/diagnose.md, with code that is right for the names that it uses."""

    def forward(x, w, b):
        return x @ w + b, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout, dout.sum(0)

    def loss_and_grads(params, x, y):
        out, cache = forward(x, *params)
        return ((out - y) ** 2).sum() / 2, backward(out - y, cache)[1:]

    class Layer:
        def __init__(self):
            self.w, self.b = w, b

        def forward(self, x):
            out, self.cache = forward(x, self.w, self.b)
            return out

        def backward(self, dout):
            dx, self.dw, self.db = backward(dout, self.cache)
            return dx

    rng = np.random.default_rng(0)
    w, b, x, y = (rng.normal(size=shape) for shape in ((3, 2), 2, (4, 3), (4, 2)))
    head, *lines = block("docs/diagnose.md", "raise_if_wrong").strip().splitlines()
    line = [line for line in lines if line][form]
    code = {"forward": forward, "backward": backward, "loss_and_grads": loss_and_grads}
    run(f"{head}\n{line}", **code, w=w, b=b, x=x, y=y, params=[w, b], layer=Layer())


@pytest.mark.parametrize("form", ["function", "pair", "object"])
def test_the_page_of_each_form(form):
    """A test as it is shown fails with the report of the page's own command."""
    page = f"docs/diagnose_{form}.md"
    names = run(block(page, "def test_"))
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    with pytest.raises(gradparity.GradientError) as caught:
        test()
    shown = re.findall(r"^>\s+\d+ (.*)$", "".join(blocks(page, "")), re.MULTILINE)
    marked = re.findall(r"^>\s+\d+ (.*)$", str(caught.value), re.MULTILINE)
    assert marked == shown
    assert len(shown) >= 1


def test_the_glue_of_a_layout_is_the_examples():
    """docs/layout.md shows the last lines of an example, which are right."""
    source = (ROOT / "examples" / "pytorch_layer.py").read_text()
    documented = re.sub(r'\n    """The glue.*?"""', "", source)
    assert block("docs/layout.md", "def run(") in documented
    names = run(source)
    run(block("docs/layout.md", "layout="), run=names["run"])
