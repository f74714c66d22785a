"""Text from a model, token by token."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_spec import Backend, Config, InputError, Params, State, zero_state


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
        if not self.temperature > 0:
            raise InputError(f"--temperature: got {self.temperature}, expected above 0")
        if self.top_k < 0:
            raise InputError(f"--top-k: got {self.top_k}, expected 0 (all) or more")
        if not 0 < self.top_p <= 1:
            raise InputError(f"--top-p: got {self.top_p}, expected above 0 and at most 1")

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The distribution that is drawn from, `(vocab,)` float64, for logits `(vocab,)`."""
        scaled = np.asarray(logits, np.float64) / self.temperature
        order = np.argsort(-scaled, kind="stable")
        p = np.exp(scaled - scaled[order[0]])
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
    state = _start(params)
    logits: Any = None
    for token in prime:
        logits, state = backend.step(params, np.array([token]), state)
    for _ in range(length):
        p = choice.probabilities(np.asarray(logits)[:, 0])
        token = int(np.searchsorted(np.cumsum(p), rng.random() * p.sum(), side="right"))
        token = min(token, len(p) - 1)
        yield token
        logits, state = backend.step(params, np.array([token]), state)


def _start(params: Params) -> State:
    W_v = params.W_v
    vocab, hidden = W_v.shape
    return zero_state(Config(vocab, hidden, len(params.layers), W_v.dtype.name), 1)
