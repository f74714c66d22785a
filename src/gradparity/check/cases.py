"""What `gradparity check` runs: real sequences, over a matrix of shapes."""

from dataclasses import dataclass

import numpy as np

from lstm_spec import Batch, Config, Cotangents, InputError, Params, State, init_params
from lstm_spec.corpus import ANBN_LONGEST, ANBN_TOKENS, Vocabulary, anbn, padded_batch
from lstm_spec.tree import tree_map

LARGEST_VOCABULARY = 96


@dataclass(frozen=True)
class Case:
    """One shape, run with several seeds.

    Attributes:
        name: how reports call it.
        source: "anbn" or "text".
        time, batch, hidden, layers: its sizes.
        weights: "random" (gain 1, biases up to 1) or "initial" (as training starts).
        masked: sequences of unequal lengths, or positions left out anywhere.
        dropout: random factors between the layers.
        bare: no mask, initial state or cotangents, as training without them.
        runs: how many seeds.
    """

    name: str
    source: str
    time: int
    batch: int
    hidden: int
    layers: int = 1
    weights: str = "random"
    masked: bool = False
    dropout: bool = False
    bare: bool = False
    runs: int = 4


LONGEST = 2 * ANBN_LONGEST  # time steps of the longest aⁿbⁿ sequence
CASES = (
    Case("one step", "text", 1, 3, 5, runs=8),
    Case("two steps, 2 layers", "text", 2, 2, 8, layers=2, masked=True, runs=8),
    Case("three steps, 3 layers", "text", 3, 4, 6, layers=3, dropout=True, runs=8),
    Case("hidden 1, batch 1", "text", 3, 1, 1, runs=8),
    Case("aⁿbⁿ", "anbn", LONGEST, 11, 50, masked=True, runs=4),
    Case("aⁿbⁿ, initial weights", "anbn", LONGEST, 11, 50, weights="initial", masked=True, runs=4),
    Case("aⁿbⁿ, notebook", "anbn", LONGEST, 1, 50, masked=True, runs=4),
    Case("aⁿbⁿ, 2 layers", "anbn", LONGEST, 5, 16, layers=2, masked=True, dropout=True, runs=4),
    Case("text", "text", 20, 4, 32, masked=True, runs=4),
    Case("text, bare", "text", 20, 4, 32, bare=True, runs=2),
    Case("text, 3 layers", "text", 20, 3, 12, layers=3, masked=True, dropout=True, runs=3),
    Case("text, 3 layers, initial", "text", 20, 3, 12, layers=3, weights="initial",
         masked=True, dropout=True, runs=3),
    Case("long text", "text", 100, 2, 64, runs=2),
    Case("long text, 2 layers", "text", 100, 3, 24, layers=2, masked=True, runs=2),
    Case("wide text, initial weights", "text", 20, 8, 128, weights="initial", runs=2),
    Case("text, training size", "text", 20, 50, 128, masked=True, runs=1),
)  # fmt: skip
FLOAT32_CASES = tuple(c for c in CASES if c.name in ("aⁿbⁿ", "text, 3 layers", "long text"))


@dataclass(frozen=True)
class Text:
    """A text as integers, and its vocabulary."""

    ids: np.ndarray
    vocabulary: Vocabulary

    @classmethod
    def of(cls, text: str) -> "Text":
        """By characters, the most frequent ones.

        Raises:
            InputError: the text has but one character, so there is nothing to predict.
        """
        vocabulary = Vocabulary.of(text, largest=LARGEST_VOCABULARY)
        if len(set(text)) < 2:
            raise InputError("text: one character only, expected at least two different ones")
        return cls(vocabulary.encode(text), vocabulary)


def draw(case: Case, text: Text, seed: int) -> tuple[Params, Batch]:
    """Parameters and batch of one run, float64; every path of the gradient carries signal."""
    rng = np.random.default_rng([seed, *case.name.encode()])
    vocab = len(ANBN_TOKENS) if case.source == "anbn" else len(text.vocabulary)
    config = Config(vocab, case.hidden, case.layers)
    params = init_params(config, int(rng.integers(2**31)))
    if case.weights == "random":
        params = tree_map(lambda leaf: _random_leaf(rng, leaf.shape), params)
    batch = _anbn_batch(case, rng) if case.source == "anbn" else _text_batch(case, text, rng)
    return params, batch if case.bare else _with_signal(case, rng, batch)


def _random_leaf(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Gain 1 over fan-in, biases up to 1: beyond that the recurrence can be chaotic."""
    if len(shape) == 1:
        return rng.uniform(-1, 1, shape)
    return rng.standard_normal(shape) / np.sqrt(shape[1])


def _anbn_batch(case: Case, rng: np.random.Generator) -> Batch:
    """One longest sequence, so that every run has the case's shape, and others as they fall."""
    lengths = rng.integers(1, ANBN_LONGEST, case.batch, endpoint=True)
    lengths[rng.integers(case.batch)] = ANBN_LONGEST
    return padded_batch([anbn(n) for n in lengths])


def _text_batch(case: Case, text: Text, rng: np.random.Generator) -> Batch:
    """Windows of the text, repeated if it is shorter; if masked, with gaps."""
    starts = rng.integers(0, len(text.ids), case.batch)
    windows = np.take(text.ids, starts + np.arange(case.time + 1)[:, None], mode="wrap")
    mask = _mask_with_gaps(rng, case.time, case.batch) if case.masked else None
    return Batch(windows[:-1], windows[1:], mask)


def _mask_with_gaps(rng: np.random.Generator, time: int, batch: int) -> np.ndarray:
    """Any positions left out, but in each column and each row one at least that counts."""
    mask = rng.random((time, batch)) < 0.7
    mask[rng.integers(0, time, batch), np.arange(batch)] = True
    mask[np.arange(time), rng.integers(0, batch, time)] = True
    return mask


def _with_signal(case: Case, rng: np.random.Generator, batch: Batch) -> Batch:
    """Non-zero states, cotangents on every output, and dropout between layers."""
    state = (case.layers, case.hidden, case.batch)
    steps = (case.layers, case.time, case.hidden, case.batch)
    initial = State(rng.uniform(-1, 1, state), rng.standard_normal(state))
    scale = 1 / (case.time * case.batch)  # of the order of the loss's own gradient
    cotangents = Cotangents(*(scale * rng.standard_normal(s) for s in (steps, state, state)))
    dropout = rng.binomial(1, 0.8, (case.layers - 1, *steps[1:])) / 0.8 if case.dropout else None
    return batch._replace(initial_state=initial, cotangents=cotangents, dropout=dropout)
