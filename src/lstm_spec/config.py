"""The sizes that fix a model."""

from dataclasses import dataclass, fields
from numbers import Integral

import numpy as np

from lstm_spec.errors import InputError


@dataclass(frozen=True)
class Config:
    """Sizes of an LSTM language model.

    Layer 0 reads one-hot tokens, so its input width is `vocab_size`; every
    deeper layer reads the `hidden_size` outputs of the layer below.

    Raises:
        InputError: a size is not a positive integer, or the dtype is not real.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int = 1
    dtype: str = "float64"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if field.name != "dtype" and not (whole and value > 0):
                raise InputError(f"Config.{field.name}: got {value!r}, expected a positive integer")
        if self.dtype not in ("float32", "float64", "complex128"):
            raise InputError(
                f"Config.dtype: got {self.dtype!r}, expected 'float32', 'float64' or 'complex128'"
            )

    @property
    def numpy_dtype(self) -> np.dtype:
        """The NumPy dtype that `dtype` names."""
        return np.dtype(self.dtype)

    def input_size(self, layer: int) -> int:
        """Width of x at a layer: the vocabulary at the bottom, `hidden_size` above."""
        return self.vocab_size if layer == 0 else self.hidden_size
