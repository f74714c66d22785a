"""Plain `jax.grad` over `lax.scan`: what one writes without thinking about the backward pass."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Case
from lstm_spec import GATES


class Literal:
    """A product for each gate."""

    def __init__(self, case: Case, dtype: str, keep_every: int) -> None:
        params, batch = case.draw(dtype)
        self._vocab, self._hidden, self._dtype = case.vocab, case.hidden, dtype
        weights = jax.tree.map(jnp.asarray, self._weights(params))
        self._arguments = (weights, jnp.asarray(batch.tokens), jnp.asarray(batch.targets))
        self._step = jax.jit(jax.value_and_grad(self._loss))
        self._next = jax.jit(self._predict)
        self._compiled: Any = None

    def _weights(self, params: Any) -> Any:
        return params

    def _cell(self, weights: Any, h: Any, C: Any, x: Any) -> tuple[Any, Any]:
        p, z = weights.layers[0], jnp.concatenate([h, x])
        f = jax.nn.sigmoid(p.W_f @ z + p.b_f[:, None])
        i = jax.nn.sigmoid(p.W_i @ z + p.b_i[:, None])
        g = jnp.tanh(p.W_g @ z + p.b_g[:, None])
        o = jax.nn.sigmoid(p.W_o @ z + p.b_o[:, None])
        C = f * C + i * g
        return o * jnp.tanh(C), C

    def _readout(self, weights: Any, h: Any) -> Any:
        return jnp.einsum("vh,...hb->...vb", weights.W_v, h) + weights.b_v[:, None]

    def _loss(self, weights: Any, tokens: Any, targets: Any) -> Any:
        x = jax.nn.one_hot(tokens, self._vocab, axis=1, dtype=self._dtype)
        zero = jnp.zeros((self._hidden, tokens.shape[1]), self._dtype)

        def one_step(carry: Any, x: Any) -> Any:
            h, C = self._cell(weights, *carry, x)
            return (h, C), h

        _, h = jax.lax.scan(one_step, (zero, zero), x)
        log_y = jax.nn.log_softmax(self._readout(weights, h), axis=1)
        return -jnp.take_along_axis(log_y, targets[:, None, :], axis=1).mean()

    def _predict(self, weights: Any, h: Any, C: Any, token: Any) -> Any:
        x = jax.nn.one_hot(token, self._vocab, axis=0, dtype=self._dtype)
        h, C = self._cell(weights, h, C, x)
        return h, C, self._readout(weights, h).argmax(0)

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
        h = C = jnp.zeros((self._hidden, 1), self._dtype)
        for _ in range(length):
            h, C, token = self._next(self._arguments[0], h, C, token)
            token = np.asarray(token)
        return int(token[0])


class Fused(Literal):
    """One product for all four gates."""

    def _weights(self, params: Any) -> Any:
        layer = params.layers[0]
        W = np.concatenate([getattr(layer, f"W_{gate}") for gate in GATES])
        b = np.concatenate([getattr(layer, f"b_{gate}") for gate in GATES])
        return {"W": W, "b": b, "W_v": params.W_v, "b_v": params.b_v}

    def _cell(self, weights: Any, h: Any, C: Any, x: Any) -> tuple[Any, Any]:
        a = weights["W"] @ jnp.concatenate([h, x]) + weights["b"][:, None]
        a_f, a_i, a_g, a_o = jnp.split(a, 4)
        C = jax.nn.sigmoid(a_f) * C + jax.nn.sigmoid(a_i) * jnp.tanh(a_g)
        return jax.nn.sigmoid(a_o) * jnp.tanh(C), C

    def _readout(self, weights: Any, h: Any) -> Any:
        return jnp.einsum("vh,...hb->...vb", weights["W_v"], h) + weights["b_v"][:, None]
