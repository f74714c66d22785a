"""Products in pieces are the same products; the pieces are the size that the kernels want."""

import numpy as np
import pytest

from manual.fast import gemm, threads
from manual.fast.gemm import matmul, piece_height, piece_width


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
