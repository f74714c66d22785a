"""Measured pieces: read, found again, never in the way; and the same numbers but for rounding."""

import json
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import manual
from lstm_spec import Batch, Config, InputError, init_params
from lstm_spec.tree import iter_leaves
from manual.fast import known, pieces, threads, trial
from manual.fast.known import Known, Product
from manual.fast.pieces import Factor, Piece

LARGE = Config(64, 256, 1, "float32"), 8, 32
PRODUCT = Product("float32", 16, Factor(256, 256))
size = st.integers(1, 64)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, a machine that nobody knows, two threads for BLAS."""
    monkeypatch.setattr(known, "kept_in", lambda: tmp_path / "cache" / "products.json")
    monkeypatch.setattr(known, "here", lambda: "a machine")
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)


@pytest.fixture
def tried(monkeypatch):
    """What was measured; in place of a measurement, pieces of 8 × 64 win."""
    asked = []

    def quickest(rows, factor, dtype):
        asked.append((rows, factor, dtype))
        return Piece(8, 64), 1.5

    monkeypatch.setattr(trial, "quickest", quickest)
    return asked


@given(st.dictionaries(st.builds(Factor, size, size.map(lambda n: n * 6)), st.sampled_from([
    Piece(1, 1), Piece(5, 2), Piece(64, 3), Piece(7, 6)])))  # fmt: skip
def test_what_is_written_is_read(found):
    assert pieces.read(pieces.written(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quick", "got 'quick', expected measured, rule or the like of 1024x1024:64x256"),
        ("256x256:8x60", "got 256x256:8x60, expected columns that divide 256"),
        ("256x256:0x64", "expected columns that divide 256"),
        ("256x256:8x64,", "got '256x256:8x64,'"),
    ],
)
def test_what_cannot_be_read(text, said):
    with pytest.raises(InputError, match=f"^pieces: .*{said}"):
        manual.Workspace(Config(4, 8), 3, 2, pieces=text)


@pytest.mark.parametrize("rows", [32, 23, 7])
def test_rows_are_those_that_divide_a_batch(rows):
    measured = {Factor(256, 256): Piece(8, 64)}
    expected = {32: Piece(8, 64), 23: Piece(23, 64), 7: Piece(7, 64)}[rows]
    assert pieces.piece(rows, Factor(256, 256), measured) == expected


@pytest.mark.parametrize("processes", [False, 2])
@pytest.mark.parametrize("batch", [33, 50])
def test_the_same_numbers_but_for_rounding(processes, batch):
    config = Config(40, 96, 2, "float64")
    rng = np.random.default_rng(3)
    tokens = rng.integers(40, size=(2, 5, batch))
    params, given = init_params(config, 1), Batch(*tokens)
    text = "96x96:5x32 193x96:4x48 96x192:11x16"
    found = [
        manual.loss_and_grads(
            params, given, manual.Workspace(config, 5, batch, processes=processes, pieces=cut)
        )
        for cut in ("rule", text)
    ]
    for (name, ours), (_, theirs) in zip(*map(iter_leaves, found), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-14, err_msg=name)


def test_large_products_are_measured_and_small_ones_are_not():
    assert known.products_of(*LARGE, processes=2) == [PRODUCT]
    assert known.products_of(Config(64, 64), 8, 32, processes=2) == []
    assert known.products_of(Config(64, 256), 8, 1, processes=False) == []
    two = known.products_of(replace(LARGE[0], num_layers=2), *LARGE[1:], processes=2)
    assert [p.factor for p in two] == [(256, 256), (513, 256), (256, 512)]
    whole = known.products_of(Config(64, 512, 1, "float32"), 8, 64, processes=True)
    assert [p.rows for p in whole] == [32]  # threads, where a step is so large


def test_what_was_measured_is_found_again(tried):
    text = manual.Workspace.measured_pieces(*LARGE, 2)
    assert text == "256x256:8x64"
    assert tried == [(16, (256, 256), np.float32)]
    assert manual.Workspace.measured_pieces(*LARGE, 2) == text
    assert known.known(PRODUCT) == Known("8x64", 1.5, known.kept_in())
    assert len(tried) == 1
    known.forget()
    assert known.known(PRODUCT) is None


def test_the_rule_is_kept_too(monkeypatch):
    monkeypatch.setattr(trial, "quickest", lambda *_: (Piece(16, 64), 1.0))
    assert manual.Workspace.measured_pieces(*LARGE, 2) == "rule"
    assert known.known(PRODUCT) == Known("rule", 1.0, known.kept_in())


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b"\xff", b'{"a machine": 3}', b'{"a machine": {"float32 16 256x256": 7}}',
     b'{"a machine": {"float32 16 256x256": ["x", 1]}}',
     b'{"a machine": {"float32 16 256x256": ["8x60", 2]}}'],
)  # fmt: skip
def test_a_damaged_file_is_measured_again(tried, content):
    known.kept_in().parent.mkdir()
    known.kept_in().write_bytes(content)
    assert manual.Workspace.measured_pieces(*LARGE, 2) == "256x256:8x64"
    assert len(tried) == 1
    entries = json.loads(known.kept_in().read_text())
    assert entries["a machine"] == {str(PRODUCT): ["8x64", 1.5]}


def test_a_folder_that_cannot_be_written_costs_the_measuring(tried, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder belongs")
    for times in (1, 2):
        assert manual.Workspace.measured_pieces(*LARGE, 2) == "256x256:8x64"
        assert len(tried) == times


def test_the_shipped_table_is_asked_first(tried, monkeypatch):
    monkeypatch.setattr(known, "shipped", lambda: {"a machine": {str(PRODUCT): ["4x32", 1.2]}})
    assert manual.Workspace.measured_pieces(*LARGE, 2) == "256x256:4x32"
    assert not tried


def test_every_line_of_the_shipped_table_can_be_read():
    entries = list(chain.from_iterable(table.items() for table in known.shipped().values()))
    assert entries
    for product, (piece, gain) in entries:
        dtype, rows, factor = product.split()
        assert (dtype in ("float32", "float64"), int(rows) > 0) == (True, True)
        assert gain >= trial.GAIN if piece != "rule" else gain == 1
        if piece != "rule":
            assert pieces.read(f"{factor}:{piece}")


@pytest.mark.parametrize(("factor", "wins"), [(0.5, True), (0.97, False), (1.2, False)])
def test_the_quickest_wins_if_it_is_clearly_quicker(monkeypatch, factor, wins):
    """By a clock of the test's own: one candidate takes so many times as long as the rule."""
    shape, other = Factor(256, 256), Piece(8, 32)
    rule = pieces.by_rule(16, shape)
    seconds = {rule: 1.0, other: factor}
    monkeypatch.setattr(trial, "_runs", lambda *given: {piece: piece for piece in given[3]})
    monkeypatch.setattr(trial, "_seconds", lambda piece, often: often * seconds.get(piece, 2.0))
    expected = (other, 1 / factor) if wins else (rule, 1.0)
    assert trial.quickest(16, shape, np.dtype("float32")) == expected


def test_a_trial_ends_with_a_piece_that_can_be_used():
    piece, gain = trial.quickest(4, Factor(96, 64), np.dtype("float64"))
    assert (4 % piece.rows, 64 % piece.columns) == (0, 0)
    assert gain == 1 or gain >= trial.GAIN
