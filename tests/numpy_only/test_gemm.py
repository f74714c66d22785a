"""Products in pieces are the same products; the pieces are the size that the kernels want."""

import numpy as np
import pytest

from manual import gemm, threads
from manual.gemm import Product, matmul, piece_height, piece_width


@pytest.fixture(params=[True, False], ids=["small kernels", "none"])
def kernels(request, monkeypatch):
    """Whether the machine has small kernels."""
    monkeypatch.setattr(gemm, "has_small_kernels", lambda: request.param)
    return request.param


@pytest.fixture
def with_kernels(monkeypatch):
    monkeypatch.setattr(gemm, "has_small_kernels", lambda: True)


@pytest.mark.parametrize(
    ("width", "piece"),
    [
        (256, 64), (144, 48), (96, 48), (80, 16),  # whole vectors
        (100, 50), (136, 34),  # else the largest divisor
        (97, 97), (130, 26), (122, 61), (65, 65),  # else, below one vector, no pieces
        (64, 64), (50, 50), (7, 7), (1, 1),
    ],
)  # fmt: skip
def test_width_of_a_piece(with_kernels, width, piece):
    assert piece_width(width) == piece


@pytest.mark.parametrize(
    ("height", "inner", "width", "piece"),
    [(50, 229, 64, 50), (100, 200, 64, 50), (8, 3125, 64, 4), (6, 3125, 64, 6), (7, 10**6, 64, 7)],
)
def test_height_of_a_piece(with_kernels, height, inner, width, piece):
    """As many rows as make 100³ multiplications, but not fewer than four."""
    assert piece_height(height, inner, width) == piece


def test_no_pieces_without_small_kernels(monkeypatch):
    monkeypatch.setattr(gemm, "has_small_kernels", lambda: False)
    assert (piece_width(256), piece_height(100, 200, 64)) == (256, 100)


def test_whether_there_are_small_kernels(monkeypatch):
    for name, expected in (("SkylakeX", True), ("Haswell", False), ("", False)):
        monkeypatch.setattr(threads, "blas_architecture", lambda name=name: name)
        assert gemm.has_small_kernels.__wrapped__() is expected


@pytest.mark.parametrize("rows", [1, 4, 100, 130])
@pytest.mark.parametrize(("inner", "width"), [(200, 96), (256, 128), (7, 5)])
def test_rows_in_pieces(kernels, rows, inner, width):
    rng = np.random.default_rng(0)
    z, W = rng.normal(size=(rows, inner)), rng.normal(size=(inner, width))
    out = np.full((rows, width), np.nan)
    matmul(z, W, out)
    np.testing.assert_allclose(out, z @ W, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize(
    ("batch", "inner", "width", "flat"),
    [(1, 6, 5, True), (1, 6, 5, False), (3, 6, 5, False), (100, 200, 96, False),
     (24, 900, 128, False)],
)  # fmt: skip
def test_products_of_all_gates(kernels, batch, inner, width, flat, sums, dtype):
    rng = np.random.default_rng(1)
    product = Product(batch, inner, width, flat=flat, sums=sums)
    W = rng.normal(size=(4, inner, width)).astype(dtype)
    weights = product.new_weights(np.dtype(dtype))
    place = product.by_gate(weights)
    place[...] = W.reshape(place.shape)
    assert weights.dtype == dtype
    assert weights.size == W.size
    z = rng.normal(size=(4, batch, inner) if sums else (batch, inner)).astype(dtype)
    out = np.full((batch, width) if flat and sums else (4, batch, width), np.nan, dtype)
    product.multiply(product.of_z(z), weights, out=product.of_out(out))
    expected = np.einsum("kbi,kiw->kbw" if sums else "bi,kiw->kbw", z, W)
    tolerance = 1e-3 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(
        out, expected.sum(axis=0) if flat and sums else expected, rtol=tolerance, atol=tolerance
    )
    if batch == 24 and kernels:  # both cut
        assert product.of_out(out).shape[1:3] == (2, 24 // piece_height(24, 900, 64))
        assert piece_height(24, 900, 64) == 12


def test_one_sequence_needs_one_product():
    assert Product(1, 6, 5, flat=True, sums=False).multiply is np.dot
    assert Product(2, 6, 5, flat=False, sums=False).multiply is np.matmul
