"""How a gradient reaches an operand: what is linear in it, without a difference."""

import numpy as np
import pytest

from gradparity.record.frontend.source import Program
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.expressions import Reader
from gradparity.record.locate.edits.purity import Purity
from gradparity.record.locate.trials.pull import pulled

LINEAR = (
    "a * b", "a / b - a * c[:, None]", "(a @ m).sum(axis=1)", "np.sum(a * b, axis=0)",
    "-(a.T * 2).mean(axis=0, keepdims=True)", "m.T @ a.reshape(4, 3) * 1.0", "np.dot(a, m)",
    "np.transpose(a)[1:] + 1", "c[:, None] * a.swapaxes(0, 1).T",
)  # fmt: skip


@pytest.mark.parametrize("expression", LINEAR)
def test_what_an_operand_does_is_known_without_a_difference(expression):
    rng = np.random.default_rng(0)
    names = {
        "np": np, "a": rng.normal(size=(3, 4)), "b": 1 + rng.random((3, 4)),
        "c": rng.normal(size=3), "m": rng.normal(size=(4, 4)),
    }  # fmt: skip
    root = Reader(names, Purity(Program())).read(write.expression(expression))
    (part, *_) = [p for p in root.all() if getattr(p.node, "id", "") == "a"]
    change, along = rng.normal(size=(3, 4)), rng.normal(size=(2, *np.shape(root.value)))
    moved = part.changed(part.value + change) - root.value
    wanted = [np.sum(row * moved) for row in along]
    got = [np.sum(row * change) for row in pulled(part, along)]
    np.testing.assert_allclose(got, wanted, rtol=1e-9)


@pytest.mark.parametrize("expression", ["np.exp(a)", "a.shape[0] * a.size", "1 / a"])
def test_what_is_not_linear_is_left_alone(expression):
    names = {"np": np, "a": np.ones((3, 4))}
    root = Reader(names, Purity(Program())).read(write.expression(expression))
    (part, *_) = [p for p in root.all() if getattr(p.node, "id", "") == "a"]
    assert pulled(part, np.ones((1, *np.shape(root.value)))) is None
