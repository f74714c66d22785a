"""Gradients that people add up in arrays of an object's or a module's, and reset elsewhere."""

import pytest

from record.small_subjects import blamed, judged, line_with, planted

LAYER = """
class Layer:
    def __init__(self):
        self.W = numbers(3, 4)
        self.dW = np.zeros((3, 4))

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W)
        return self.h

    def backward(self, d):
        da = d * (1 - self.h ** 2)
        self.dW += self.x.T @ da
        return da @ self.W.T

def case():
    return Layer(), numbers(5, 3)
"""

MODULE = """
W = numbers(3, 4)
dW = np.zeros((3, 4))

def loss_and_grads(x, y):
    global dW
    h = np.tanh(x @ W)
    da = (h - y) * (1 - h * h)
    dW += x.T @ da
    return 0.5 * np.sum((h - y) ** 2)

def case():
    return loss_and_grads, numbers(5, 3), numbers(5, 4)
"""

HELD = "self.dW += self.x.T @ da"
STYLES = {
    "a sum": HELD,
    "in place": "self.dW[...] = self.dW + self.x.T @ da",
    "into the array": "np.add(self.dW, self.x.T @ da, out=self.dW)",
    "a new array": "self.dW = self.dW + self.x.T @ da",
}


def in_a(kind):
    """The layer with its arrays in a list or a dict."""
    empty, key = {"list": ("[{}]", "[0]"), "dict": ("{{'W': {}}}", "['W']")}[kind]
    text = LAYER.replace("self.W = numbers(3, 4)", f"self.p = {empty.format('numbers(3, 4)')}")
    text = text.replace(
        "self.dW = np.zeros((3, 4))", f"self.dp = {empty.format('np.zeros((3, 4))')}"
    )
    return text.replace("self.W", f"self.p{key}").replace("self.dW", f"self.dp{key}")


@pytest.mark.parametrize("style", STYLES)
def test_what_is_added_up_begins_with_nothing(style, tmp_path):
    found = judged(LAYER.replace(HELD, STYLES[style]), tmp_path)
    assert found.ok, str(found)
    assert any("adds to what dW held" in note for note in found.notes), found.notes


@pytest.mark.parametrize("text", [in_a("list"), in_a("dict"), MODULE])
def test_wherever_it_is_held(text, tmp_path):
    found = judged(text, tmp_path)
    assert found.ok, str(found)
    assert len(found.gradients) >= 1


def test_what_an_object_holds_already_counts_for_nothing(tmp_path):
    found = judged(planted(LAYER, "np.zeros((3, 4))", "numbers(3, 4)"), tmp_path)
    assert found.ok, str(found)


def test_what_is_replaced_is_not_told(tmp_path):
    found = judged(planted(LAYER, HELD, "self.dW = self.x.T @ da"), tmp_path)
    assert found.ok, str(found)
    assert not any("held" in note for note in found.notes), found.notes


def test_a_mistake_in_what_is_added_is_named(tmp_path):
    text = planted(LAYER, HELD, "self.dW += self.x.T @ d")
    found = judged(text, tmp_path)
    assert blamed(found) == [line_with(text, "self.dW += self.x.T @ d")], str(found)
