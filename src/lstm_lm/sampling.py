"""Text from a model, token by token."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.tasks.table import notation_of
from lstm_spec import Backend, InputError, Params
from lstm_spec.corpus import UNKNOWN


@dataclass(frozen=True)
class Choice:
    """How the next token is chosen from the logits.

    Attributes:
        temperature: divides the logits; lower is bolder.
        top_k: only the k likeliest tokens; 0 for all.
        top_p: only the likeliest tokens that together have this probability; 1 for all.
        greedy: always the likeliest.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    greedy: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            hint = "; for the likeliest token always, --greedy" if self.temperature == 0 else ""
            raise InputError(f"--temperature: got {self.temperature}, expected above 0{hint}")
        if self.top_k < 0:
            raise InputError(f"--top-k: got {self.top_k}, expected 0 (all) or more")
        if not 0 < self.top_p <= 1:
            raise InputError(f"--top-p: got {self.top_p}, expected above 0 and at most 1")

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The distribution that is drawn from, `(vocab,)` float64, for logits `(vocab,)`."""
        below = np.asarray(logits, np.float64) - np.max(logits)
        order = np.argsort(-below, kind="stable")
        with np.errstate(over="ignore"):  # far below, at a low temperature: −∞, probability 0
            p = np.exp(below / self.temperature)
        p /= p.sum()
        keep = len(p) if self.top_k == 0 else min(self.top_k, len(p))
        # The nucleus: tokens before which less than top_p has been gathered.
        gathered = np.cumsum(p[order]) - p[order]
        keep = 1 if self.greedy else min(keep, int(np.sum(gathered < self.top_p)))
        kept = np.zeros_like(p)
        kept[order[:keep]] = p[order[:keep]]
        return kept / kept.sum()


def sample(
    backend: Backend, params: Params, prime: np.ndarray, length: int, choice: Choice, seed: int
) -> Iterator[int]:
    """Yield token ids that continue the prime.

    Args:
        backend: either.
        params: of the model.
        prime: `(n,)` ids to read first, at least one.
        length: how many tokens to yield.
        choice: how to choose each.
        seed: the same seed gives the same text.

    Raises:
        InputError: the prime is empty or has a token outside the vocabulary.
    """
    if len(prime) == 0:
        raise InputError("prime: empty, expected at least one token to begin with")
    rng = np.random.default_rng(seed)
    logits: Any = None
    state = None  # all zero
    for token in prime:
        logits, state = backend.step(params, np.array([token]), state)
    for _ in range(length):
        p = choice.probabilities(np.asarray(logits)[:, 0])
        token = int(np.searchsorted(np.cumsum(p), rng.random() * p.sum(), side="right"))
        token = min(token, len(p) - 1)
        yield token
        logits, state = backend.step(params, np.array([token]), state)


def continuation(
    found: Checkpoint, backend: Backend, prime: str | None, length: int, choice: Choice, seed: int
) -> Iterator[str]:
    """Yield a text piece by piece: the prime, then what the model adds, as it is printed.

    Args:
        found: the model.
        backend: to compute with.
        prime: what it begins with; None for the model's most frequent token.
        length, choice, seed: as in `sample`.

    Raises:
        InputError: the prime has no token, or one that a model without UNK does not know.
    """
    notation, symbols = notation_of(found.options), found.vocabulary.symbols
    if prime is None:
        prime = symbols[1 if symbols[0] == UNKNOWN and len(symbols) > 1 else 0]
    ids, _ = notation.encode(prime, found.vocabulary)
    added = sample(backend, found.training.params, ids, length, choice, seed)
    before = ""
    for symbol in chain(notation.split(prime), (symbols[token] for token in added)):
        yield notation.written(symbol, before)
        before = symbol
        if symbol == notation.end:
            break
