"""The gates' products are the same in every arrangement; which one is chosen when."""

import numpy as np
import pytest

from lstm_spec import Config
from manual.fast import gemm, products
from manual.fast.gemm import piece_height
from manual.fast.products import ONE_HOT, Arrangement, Columns, Pieces, Single, kind, looks_up


@pytest.fixture(params=[True, False], ids=["small kernels", "none"])
def kernels(request, monkeypatch):
    """Whether the machine has small kernels."""
    monkeypatch.setattr(gemm, "has_small_kernels", lambda: request.param)
    return request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize(
    ("arrangement", "batch", "inner", "width"),
    [
        (Single, 1, 6, 5),
        (Columns, 1, 6, 5), (Columns, 3, 6, 5), (Columns, 16, 55, 50),
        (Pieces, 1, 6, 5), (Pieces, 3, 6, 5), (Pieces, 100, 200, 96), (Pieces, 24, 900, 128),
    ],
)  # fmt: skip
def test_products_of_all_gates(kernels, arrangement, batch, inner, width, sums, dtype):
    rng = np.random.default_rng(1)
    product = arrangement(batch, inner, width, sums=sums)
    W = rng.normal(size=(4, inner, width)).astype(dtype)
    weights = product.new_weights(np.dtype(dtype))
    place = product.by_gate(weights)
    place[...] = W.reshape(place.shape)
    assert (weights.dtype, weights.size) == (dtype, W.size)
    z = rng.normal(size=(4, batch, inner) if sums else (batch, inner)).astype(dtype)
    expected = np.einsum("kbi,kiw->kbw" if sums else "bi,kiw->kbw", z, W)
    if sums and arrangement.adds_up:
        expected = expected.sum(axis=0)

    def turned(array):
        return array.swapaxes(-1, -2).copy() if arrangement.turned else array

    out = turned(np.full(expected.shape, np.nan, dtype))
    product.multiply(product.of_z(turned(z)), weights, out=product.of_out(out))
    tolerance = 1e-3 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(turned(out), expected, rtol=tolerance, atol=tolerance)


def test_pieces_are_cut_both_ways(monkeypatch):
    monkeypatch.setattr(gemm, "has_small_kernels", lambda: True)
    out = Pieces(24, 900, 128, sums=False).of_out(np.zeros((4, 24, 128)))
    assert piece_height(24, 900, 64) == 12
    assert out.shape == (4, 2, 2, 12, 64)


@pytest.mark.parametrize(
    ("vocab", "hidden", "layers", "batch", "expected"),
    [
        (4, 50, 1, 1, Single), (300, 50, 1, 1, Single),
        (4, 50, 1, 2, Columns), (4, 50, 1, 16, Columns),
        (4, 50, 1, 90, Columns), (4, 50, 1, 91, Pieces),  # 4·50·55·91 is more than 100³
        (4, 50, 2, 49, Columns), (4, 50, 2, 50, Pieces),  # as is 4·50·101·50
        (ONE_HOT, 50, 1, 2, Columns), (ONE_HOT + 1, 50, 1, 2, Pieces),
        (4, 64, 1, 2, Columns), (4, 128, 1, 2, Pieces), (4, 130, 1, 2, Columns),
    ],
)  # fmt: skip
def test_which_arrangement(vocab, hidden, layers, batch, expected):
    assert kind(Config(vocab, hidden, layers), batch) is expected


def test_small_vocabularies_are_multiplied():
    assert not looks_up(Config(ONE_HOT, 6), 0)
    assert looks_up(Config(ONE_HOT + 1, 6), 0)
    assert not looks_up(Config(ONE_HOT + 1, 6, num_layers=2), 1)


def test_one_product_a_step_for_one_sequence():
    for product in products.products(Config(300, 6), 0, 1, Arrangement(Single)):
        assert product.multiply is np.dot
