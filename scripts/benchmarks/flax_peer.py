"""Flax: nn.RNN over OptimizedLSTMCell, a Dense readout and optax's cross-entropy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from benchmarks.cases import Case
from lstm_spec import GATES, Params


class Flax:
    """Batch-major, as Flax has it; time first."""

    def __init__(self, case: Case, dtype: str, keep_every: int) -> None:
        params, batch = case.draw(dtype)
        self._cell = nn.OptimizedLSTMCell(case.hidden, param_dtype=dtype, dtype=dtype)
        self._rnn = nn.RNN(self._cell, time_major=True)
        self._readout = nn.Dense(case.vocab, param_dtype=dtype, dtype=dtype)
        self._vocab, self._hidden, self._dtype = case.vocab, case.hidden, dtype
        self._arguments = (_weights(params), *map(jnp.asarray, (batch.tokens, batch.targets)))
        self._step = jax.jit(jax.value_and_grad(self._loss))
        self._next = jax.jit(self._predict)
        self._compiled: Any = None

    def _loss(self, weights: Any, tokens: Any, targets: Any) -> Any:
        x = jax.nn.one_hot(tokens, self._vocab, dtype=self._dtype)
        outputs = self._rnn.apply({"params": {"cell": weights["cell"]}}, x)
        logits = self._readout.apply({"params": weights["readout"]}, outputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

    def _predict(self, weights: Any, carry: Any, token: Any) -> Any:
        x = jax.nn.one_hot(token, self._vocab, dtype=self._dtype)
        carry, h = self._cell.apply({"params": weights["cell"]}, carry, x)
        logits = self._readout.apply({"params": weights["readout"]}, h)
        return carry, logits.argmax(1)

    def compile(self) -> None:
        """Compile ahead of time."""
        self._compiled = self._step.lower(*self._arguments).compile()

    def step(self) -> float:
        """Loss and gradients."""
        loss, _ = jax.block_until_ready((self._compiled or self._step)(*self._arguments))
        return float(loss)

    def sample(self, length: int) -> int:
        """Greedy sampling."""
        token = np.zeros(1, np.int32)
        carry = (jnp.zeros((1, self._hidden), self._dtype),) * 2
        for _ in range(length):
            carry, token = self._next(self._arguments[0], carry, token)
            token = np.asarray(token)
        return int(token[0])


def _weights(params: Params) -> dict:
    """Our parameters under Flax's names."""
    layer, hidden, cell = params.layers[0], params.W_v.shape[1], {}
    for gate in GATES:
        W, b = getattr(layer, f"W_{gate}"), getattr(layer, f"b_{gate}")
        cell[f"h{gate}"] = {"kernel": jnp.asarray(W[:, :hidden].T), "bias": jnp.asarray(b)}
        cell[f"i{gate}"] = {"kernel": jnp.asarray(W[:, hidden:].T)}
    readout = {"kernel": jnp.asarray(params.W_v.T), "bias": jnp.asarray(params.b_v)}
    return {"cell": cell, "readout": readout}
