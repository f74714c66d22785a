"""`gradparity.compare` on any two trees."""

import pickle
from collections import namedtuple
from dataclasses import dataclass, field

import jax
import numpy as np
import pytest

import gradparity
from gradparity import InputError, ParityError, compare

Point = namedtuple("Point", "x y")


@dataclass
class Weights:
    kernel: np.ndarray
    bias: np.ndarray


@jax.tree_util.register_pytree_with_keys_class
class Registered:
    def __init__(self, inner):
        self.inner = inner

    def tree_flatten_with_keys(self):
        return ((jax.tree_util.GetAttrKey("inner"), self.inner),), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def array(*values):
    return np.array(values, float)


def tree(x):
    return {
        "layers": [Point(x, 2 * x), (3 * x,)],
        "dense": Weights(x[:, None], x),
        "own": Registered(x),
        "absent": None,
        "number": 1.5,
        "count": 3,
    }


def test_equal_trees_of_every_kind():
    judgements = compare(tree(array(1, 2)), tree(array(1, 2)))
    assert [j.path for j in judgements] == [
        "layers.0.x", "layers.0.y", "layers.1.0", "dense.kernel", "dense.bias", "own.inner",
        "number", "count",
    ]  # fmt: skip
    assert all(j.ok and j.max_abs_error == 0 for j in judgements)


def test_numpy_and_jax_arrays_compare():
    compare({"a": array(1, 2)}, {"a": jax.numpy.array([1.0, 2.0])})


def test_rounding_passes_and_an_error_above_it_does_not():
    reference = array(1, 1000)
    compare(reference + array(0, 9e-7), reference)
    with pytest.raises(ParityError):
        compare(reference + array(0, 1.1e-6), reference)


def test_the_error_says_everything():
    reference = {"layers": [{"W_f": array(1, 2, 4)}]}
    got = {"layers": [{"W_f": array(1, 2.5, 4)}]}
    with pytest.raises(ParityError) as caught:
        compare(got, reference)
    error = caught.value
    assert isinstance(error, AssertionError)
    assert (error.path, error.index, error.values) == ("layers.0.W_f", (1,), (2.5, 2.0))
    assert error.error == 0.5
    assert error.tolerance == pytest.approx(4e-9)
    assert str(error) == (
        "a leaf differs:\n"
        "  layers.0.W_f[1]: got 2.5, expected 2.0, error 5.00e-01, tolerance 4.00e-09"
    )


def test_the_worst_leaf_comes_first_and_the_rest_are_counted():
    reference = {f"leaf{n:02}": array(1, 1) for n in range(12)}
    got = {path: leaf + 10.0**-n for n, (path, leaf) in enumerate(reference.items()) if n < 11}
    got["leaf11"] = reference["leaf11"]
    with pytest.raises(ParityError, match="10 of the leaves differ:") as caught:
        compare(got, reference)
    assert caught.value.path == "leaf00"
    assert "… and 2 more" in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_equal_nothing_not_even_themselves(value):
    with pytest.raises(ParityError, match="not finite"):
        compare(array(1, value), array(1, value))


@pytest.mark.parametrize(
    ("got", "reference", "message"),
    [
        ({"a": array(1)}, {"a": array(1), "b": array(1)}, "b: missing: expected shape"),
        ({"a": array(1), "b": array(1)}, {"a": array(1)}, "b: unexpected: got shape"),
        ({"a": array(1, 2)}, {"a": array(1)}, r"a: shape: got \(2,\), expected \(1,\)"),
        ({"a": array(1)}, {"a": array(1)[None]}, r"a: shape: got \(1,\), expected \(1, 1\)"),
        (
            {"a": np.ones(2, np.float32)},
            {"a": np.ones(2)},
            "a: dtype: got float32, expected float64",
        ),
        ({"a": array(0, 0)}, {"a": array(0, 0)}, r"a\[0\]: .*\(vacuous\)"),
        ({"n": 3}, {"n": 4}, "n: got 3, expected 4"),
        ({"n": np.array([True])}, {"n": np.array([False])}, r"n\[0\]: got True, expected False"),
    ],
)
def test_strictness(got, reference, message):
    with pytest.raises(ParityError, match=message):
        compare(got, reference)


def test_what_would_be_overlooked_is_refused():
    with pytest.raises(InputError, match="1: two leaves have this path"):
        compare({1: array(2), "1": array(1)}, {1: array(1), "1": array(1)})
    with pytest.raises(InputError, match=r"zeros: '\*\.b' fits no leaf"):
        compare({"a": array(1)}, {"a": array(1)}, zeros=["*.b"])
    with pytest.raises(ParityError, match="vacuous"):
        compare({"W": array(0), "b": array(0)}, {"W": array(0), "b": array(0)}, zeros="b*")
    for wrong in (-1.0, np.inf, np.nan):
        with pytest.raises(InputError, match="rtol: got"):
            compare(array(1), array(1), rtol=wrong)


def test_no_number_is_worse_than_any_error_and_the_error_travels():
    one = {name: array(1) for name in "abc"}
    with pytest.raises(ParityError) as caught:
        compare({"a": array(1 + 1e-6), "b": array(np.nan), "c": array(100)}, one)
    assert [failure.path for failure in caught.value.failures] == ["b", "c", "a"]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.path, str(again)) == ("b", str(caught.value))


def test_registered_dataclasses_are_taken_apart_as_jax_does():
    @jax.tree_util.register_dataclass
    @dataclass
    class Model:
        W: np.ndarray
        activation: object = field(metadata={"static": True})

    compare(Model(array(1), jax.numpy.tanh), Model(array(1), jax.numpy.tanh))


def test_zeros_can_be_declared_and_must_then_be_zero():
    compare({"b": array(0, 0)}, {"b": array(0, 0)}, zeros=["b"])
    with pytest.raises(ParityError):
        compare({"b": array(0, 1e-30)}, {"b": array(0, 0)}, zeros=["*"])


def test_empty_leaves_are_equal_and_an_empty_comparison_is_an_error():
    compare({"a": np.zeros((0, 3))}, {"a": np.zeros((0, 3))})
    with pytest.raises(InputError, match="neither tree has a leaf"):
        compare({}, {})
    with pytest.raises(InputError, match=r"a: got str of dtype <U3, expected numbers"):
        compare({"a": "one"}, {"a": "one"})


def test_float32_allows_its_own_rounding_and_large_integers_are_exact():
    ones = np.ones(3, np.float32)
    compare(ones * np.float32(1 + 2e-7), ones)
    with pytest.raises(ParityError):
        compare(ones * np.float32(1 + 2e-6), ones)
    compare(ones * np.float32(1 + 2e-6), ones, rtol=1e-5)
    with pytest.raises(ParityError, match=r"error 1\.00e"):
        compare(np.array([2**53 + 1]), np.array([2**53]))


def test_the_package_offers_what_it_documents():
    assert set(gradparity.__all__) <= set(dir(gradparity))
