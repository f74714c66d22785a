"""Texts as integers: vocabularies, splits, streams, windows, padding."""

import numpy as np
import pytest

from lstm_lm.config.options import Options
from lstm_lm.engines.dropout import dropout_factors
from lstm_lm.tasks.table import AnBn, Text, make_task, notation_of
from lstm_spec import InputError


def task(tmp_path, text, **options):
    path = tmp_path / "text"
    path.write_text(text, encoding="utf-8")
    settings = {"batch": 3, "window": 4, "validation": 0.2, "test": 0.1} | options
    return make_task(Options(data=path, **settings).resolved())


ALPHABET = "".join(chr(ord("a") + n % 26) for n in range(200))


def test_streams_are_contiguous_across_windows(tmp_path):
    found = task(tmp_path, ALPHABET)
    assert found.windows == (140 - 1) // 12
    assert [found.carries_state(step) for step in range(found.windows + 1)] == (
        [False] + [True] * (found.windows - 1) + [False]
    )
    batches = [found.batch(step) for step in range(found.windows)]
    tokens = np.concatenate([batch.tokens for batch in batches])
    targets = np.concatenate([batch.targets for batch in batches])
    np.testing.assert_array_equal(tokens[1:], targets[:-1])
    read = "".join(found.vocabulary.symbols[i] for i in tokens.T.reshape(-1))
    length = len(tokens)
    for column in range(3):
        assert read[column * length : (column + 1) * length] in ALPHABET


def test_the_held_out_part_is_covered_once_and_not_trained_on(tmp_path):
    found = task(tmp_path, ALPHABET)
    windows = found.held_out("validation")
    assert {window.tokens.shape for window in windows} == {(4, 3)}
    counted = sum(int(window.mask.sum()) for window in windows)
    assert counted == (40 - 1) // 3 * 3
    columns = [
        [i for w in windows for i, m in zip(w.tokens[:, c], w.mask[:, c], strict=True) if m]
        for c in range(3)
    ]
    read = "".join(found.vocabulary.symbols[i] for column in columns for i in column)
    assert ALPHABET[140:180].startswith(read)
    assert found.parts["training"].tokens == 140
    assert found.parts["test"].tokens == 20


def test_rare_tokens_become_unknown_and_only_training_text_counts(tmp_path):
    found = task(tmp_path, "ab" * 60 + "c" + "z" * 40, min_count=2)
    assert set(found.vocabulary.symbols[1:]) == {"a", "b"}
    assert (found.parts["validation"].ids == 0).any()


def test_words(tmp_path):
    found = task(tmp_path, "the cat, the dog.\n" * 40, tokens="words")
    assert set(found.vocabulary.symbols[1:]) == {"the", "cat", ",", "dog", ".", "\n"}
    ids, unknown = notation_of(found.options).encode("the dog!", found.vocabulary)
    assert ids.tolist() == [*map(found.vocabulary.symbols.index, ("the", "dog")), 0]
    assert unknown == ["!"]


def test_a_text_that_is_too_short_says_how_much_is_needed(tmp_path):
    with pytest.raises(InputError, match=r"text: 7 tokens to train on, expected at least 13"):
        task(tmp_path, "abcdefghij")


def test_no_held_out_part(tmp_path):
    assert task(tmp_path, ALPHABET, validation=0.0, test=0.0).held_out("validation") == []


def test_anbn_batches_have_one_shape_and_depend_on_seed_and_step_alone():
    one, same = (AnBn(Options(seed=3).resolved()) for _ in range(2))
    for step in (0, 7):
        assert one.batch(step).tokens.shape == (22, 22)
        np.testing.assert_array_equal(one.batch(step).tokens, same.batch(step).tokens)
    assert not np.array_equal(one.batch(0).tokens, one.batch(7).tokens)
    other = AnBn(Options(seed=4).resolved())
    assert not np.array_equal(one.batch(0).tokens, other.batch(0).tokens)
    notation = notation_of(one.options)
    for text in ("a a b", "aab"):
        assert notation.encode(text, one.vocabulary)[0].tolist() == [0, 0, 1]


def test_dropout_factors():
    options = Options(layers=3, hidden=40, batch=50, dropout=0.25, dtype="float64").resolved()
    factors = dropout_factors(options, 5, 7)
    assert factors.shape == (2, 7, 40, 50)
    assert set(np.unique(factors)) == {0, 1 / 0.75}
    assert factors.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(factors, dropout_factors(options, 5, 7))
    assert not np.array_equal(factors, dropout_factors(options, 6, 7))
    assert dropout_factors(Options(layers=1, dropout=0.5).resolved(), 0, 7) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dropout": 1.0}, "--dropout: got 1.0, expected at least 0 and below 1"),
        ({"hidden": 0}, "--hidden: got 0, expected 1 or more"),
        ({"learning_rate": 0.0}, "--learning-rate: got 0.0, expected above 0"),
        ({"validation": 0.6, "test": 0.5}, "expected a sum below 1"),
        ({"steps": 0}, r"--steps: got 0, expected 1 or more \(aⁿbⁿ has no epochs\)"),
    ],
)
def test_options_are_checked(wrong, message):
    with pytest.raises(InputError, match=message):
        Options(**wrong).resolved()


def test_options_survive_json(tmp_path):
    options = Options(data=tmp_path / "t", out=tmp_path, hidden=7).resolved()
    assert Options.from_json(options.to_json()) == options
    with pytest.raises(InputError, match="unknown entries color"):
        Options.from_json({"color": "red"})
    assert isinstance(make_task(Options().resolved()), AnBn)
    assert Text is not None
