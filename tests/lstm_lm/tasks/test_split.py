"""A text that several processes read: each its own streams, and together what one would read."""

import numpy as np
import pytest

from lstm_lm.config.options import Options
from lstm_lm.tasks.sources import Index, Whole
from lstm_lm.tasks.table import make_task, notation_of
from lstm_spec import InputError
from lstm_spec.corpus import interpreter_text


class Some:
    """One of several processes, which needs some of the streams; process 0 tells it `index`."""

    several, leads, how_to_go_on = True, False, ""

    def __init__(self, index, low, high):
        self.index, self.low, self.high = index, low, high

    def shared(self, make):
        return self.index

    def columns(self, mesh, size):
        return range(min(self.low, size), min(self.high, size))


TEXTS = {
    "plain": interpreter_text()[:4000],
    "wide letters": "Größe, λ₁ and 数学 — «so», naïve 😀!\r\n\tEnd.\n" * 90,
}


@pytest.fixture(params=[(text, tokens) for text in TEXTS for tokens in ("chars", "words")])
def options(request, tmp_path):
    text, tokens = request.param
    path = tmp_path / "text"
    path.write_bytes(TEXTS[text].encode())
    return Options(
        data=path, tokens=tokens, batch=5, window=4, validation=0.2, test=0.13, min_count=2
    ).resolved()


def split(options, low, high):
    index = Index.of(Whole.of(options, notation_of(options)), options)
    return make_task(options, Some(index, low, high))


@pytest.mark.parametrize(("low", "high"), [(0, 2), (2, 4), (4, 5), (0, 5), (5, 5)])
def test_each_process_has_its_streams_and_zeros_elsewhere(options, low, high):
    whole, some = make_task(options), split(options, low, high)
    assert some.vocabulary.symbols == whole.vocabulary.symbols
    assert some.fingerprint == whole.fingerprint
    assert some.total_steps == whole.total_steps
    pairs = [(whole.batch(step), some.batch(step)) for step in (0, 1, whole.windows - 1)]
    for part in ("validation", "test"):
        pairs += zip(whole.held_out(part), some.held_out(part), strict=True)
    for one, other in pairs:
        size = one.tokens.shape[1]
        own = np.isin(np.arange(size), range(low, high))
        np.testing.assert_array_equal(other.tokens, one.tokens * own)
        np.testing.assert_array_equal(other.targets, one.targets * own)
        np.testing.assert_array_equal(other.mask, one.mask)


def test_of_the_file_nothing_else_is_read(options):
    """What is no UTF-8 would be refused; it stands wherever no stream of this process does."""
    index = Index.of(Whole.of(options, notation_of(options)), options)
    expected = make_task(options)
    content = options.data.read_bytes()
    spoilt = bytearray(b"\xff" * len(content))
    for bounds in index.bounds.values():
        (begin, _), (_, end) = bounds[1], bounds[min(3, len(bounds) - 1)]
        spoilt[begin:end] = content[begin:end]
    assert spoilt.count(0xFF) > len(content) / 3
    options.data.write_bytes(spoilt)
    some = make_task(options, Some(index, 1, 3))
    np.testing.assert_array_equal(some.batch(3).tokens[:, 1:3], expected.batch(3).tokens[:, 1:3])


def test_a_file_that_is_not_the_leading_ones(options):
    index = Index.of(Whole.of(options, notation_of(options)), options)
    options.data.write_text("a short one. " * 10)
    with pytest.raises(InputError, match=r"text: .*not the text that process 0 has read"):
        make_task(options, Some(index, 2, 4))
    options.data.unlink()
    with pytest.raises(InputError, match="text: cannot be read: No such file"):
        make_task(options, Some(index, 2, 4))
