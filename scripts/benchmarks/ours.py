"""gradparity's backends, called as training and sampling call them."""

from typing import Any

import numpy as np

from benchmarks.cases import Case
from lstm_spec import load_backend


class NumPy:
    """The backend `numpy`, checks of its arguments included, its memory used again."""

    backend = "numpy"

    def __init__(self, case: Case, dtype: str, keep_every: int) -> None:
        import manual
        from lstm_spec import config_of

        self._backend: Any = load_backend(self.backend)
        self._params, self._batch = case.draw(dtype)
        shape = config_of(self._params), case.time, case.batch
        pieces = manual.Workspace.measured_pieces(*shape, True)
        self._workspace = manual.Workspace(
            *shape, keep_every or None, processes=True, pieces=pieces
        )

    def compile(self) -> None:
        """Nothing to do."""

    def step(self) -> float:
        """Loss and gradients."""
        return float(self._backend.loss_and_grads(self._params, self._batch, self._workspace).loss)

    def sample(self, length: int) -> int:
        """Greedy sampling."""
        return _greedy(self._backend.step, self._params, length)


class NumPyLiteral(NumPy):
    """The equations as they are written."""

    backend = "numpy-literal"


class JAXReference:
    """The backend `jax`, under the jit that training puts around it; what the peers return."""

    backend = "jax"

    def __init__(self, case: Case, dtype: str, keep_every: int) -> None:
        import jax

        self._backend: Any = load_backend(self.backend)
        self._arguments = jax.tree.map(jax.numpy.asarray, case.draw(dtype))
        options = {"keep_every": keep_every} if keep_every else {}
        self._step = jax.jit(lambda p, b: self._backend.loss_and_grads(p, b, **options)[:2])
        self._next = jax.jit(self._backend.step)
        self._compiled: Any = None

    def compile(self) -> None:
        """Compile ahead of time."""
        self._compiled = self._step.lower(*self._arguments).compile()

    def step(self) -> float:
        """Loss and gradients."""
        import jax

        loss, _ = jax.block_until_ready((self._compiled or self._step)(*self._arguments))
        return float(loss)

    def sample(self, length: int) -> int:
        """Greedy sampling."""
        return _greedy(self._next, self._arguments[0], length)


class JAXManual(JAXReference):
    """The backend `jax-manual`, likewise."""

    backend = "jax-manual"


def _greedy(step: Any, params: Any, length: int) -> int:
    """The loop of a program that prints each token as it comes."""
    tokens, state = np.zeros(1, np.int32), None
    for _ in range(length):
        logits, state = step(params, tokens, state)
        tokens = np.asarray(logits).argmax(0).astype(np.int32)
    return int(tokens[0])
