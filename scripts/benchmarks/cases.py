"""The sizes that are measured."""

import re
from dataclasses import dataclass

import numpy as np

from lstm_spec import Batch, Config, InputError, Params, init_params

NAMED = {
    "notebook": (20, 1, 50, 4),
    "minibatch": (20, 32, 50, 4),
    "charrnn": (50, 50, 128, 65),
    "medium": (64, 32, 256, 96),
    "large": (128, 64, 512, 96),
    "xl": (64, 128, 1024, 256),
}


@dataclass(frozen=True)
class Case:
    """One size: time × batch × hidden × vocab; and the seed of its parameters and tokens."""

    name: str
    time: int
    batch: int
    hidden: int
    vocab: int
    seed: int = 0

    @classmethod
    def of(cls, text: str) -> "Case":
        """A named case, or sizes written 64x32x256x96.

        Raises:
            InputError: it is neither.
        """
        if text in NAMED:
            return cls(text, *NAMED[text])
        sizes = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)[x×]([1-9]\d*)[x×]([1-9]\d*)", text)
        if sizes is None:
            known = ", ".join(NAMED)
            raise InputError(f"--case: got {text!r}, expected TIMExBATCHxHIDDENxVOCAB or {known}")
        return cls(text, *(int(size) for size in sizes.groups()))

    @property
    def operations(self) -> int:
        """Floating-point operations of a training step's matrix products, at the least."""
        products = 4 * self.hidden * self.hidden + self.hidden * self.vocab
        return 6 * self.time * self.batch * products

    @property
    def tokens(self) -> int:
        """Tokens of one training step."""
        return self.time * self.batch

    def sizes(self) -> str:
        """As a person writes them."""
        return f"{self.time} × {self.batch} × {self.hidden} × {self.vocab}"

    def draw(self, dtype: str) -> tuple[Params, Batch]:
        """The same parameters and tokens for every contender."""
        rng = np.random.default_rng(self.seed)
        tokens, targets = rng.integers(0, self.vocab, (2, self.time, self.batch))
        params = init_params(Config(self.vocab, self.hidden, 1, dtype), self.seed)
        return params, Batch(tokens, targets)
