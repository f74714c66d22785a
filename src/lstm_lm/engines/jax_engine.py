"""Updates in JAX: backend, clipping and optax under one jit."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lstm_lm.config.options import Options
from lstm_lm.engines.engine import Training, Update, first_sick_leaf, to_numpy
from lstm_lm.engines.optimizers import Moments
from lstm_spec import Batch, Params, State, load_backend


class JaxEngine:
    """As `lstm_lm.engines.engine.Engine`, with weights and moments kept as JAX arrays."""

    def __init__(self, options: Options) -> None:
        self._backend = load_backend(options.backend)
        self._rule = update_rule(options)
        self._dtype = options.dtype
        self._jitted = jax.jit(partial(_update, self._loss_and_grads, self._rule, options))

    def _loss_and_grads(self, params: Params, batch: Batch, **options: Any) -> Any:
        """The backend's, inside the update's jit."""
        return self._backend.loss_and_grads(params, batch, **options)

    def start(self, training: Training) -> Training:
        """JAX arrays."""
        return jax.tree.map(lambda leaf: jnp.asarray(leaf) if np.ndim(leaf) else leaf, training)

    def update(self, training: Training, batch: Batch, rate: float) -> Update:
        """As `Engine.update`."""
        new, loss, norm = self._jitted(training, batch, jnp.asarray(rate, self._dtype))
        if not np.isfinite(float(norm)):
            return Update(training, float(loss), float(norm))
        return Update(new, float(loss), float(norm))

    def loss(self, params: Params, batch: Batch) -> tuple[float, State]:
        """As `Engine.loss`."""
        result = self._backend.loss(params, batch)
        return float(result.loss), result.final_state

    def gradients(self, params: Params, batch: Batch) -> Params:
        """As `Engine.gradients`."""
        return self._backend.loss_and_grads(params, batch).grads

    def to_host(self, training: Training) -> Training:
        """As `Engine.to_host`."""
        return to_numpy(training)

    def first_sick(self, tree: Any) -> str | None:
        """As `Engine.first_sick`."""
        return first_sick_leaf(tree)


def _update(
    gradients: Any, rule: Any, options: Options, training: Training, batch: Batch, rate: Any
) -> tuple[Training, Any, Any]:
    few = {"keep_every": options.keep_every} if options.keep_every else {}
    result = gradients(training.params, batch, **few)
    norm = optax.tree.norm(result.grads)
    direction, moments = apply_rule(rule, options, result.grads, training.moments, training.params)
    params = jax.tree.map(lambda p, u: p + (-rate * u).astype(p.dtype), training.params, direction)
    return Training(params, moments, result.final_state), result.loss, norm


def update_rule(options: Options) -> optax.GradientTransformation:
    """Optax's own direction of descent, before the learning rate."""
    adam = optax.scale_by_adam(options.beta1, options.beta2, options.eps)
    rules = {
        "sgd": [optax.identity()],
        "momentum": [optax.trace(options.momentum)],
        "adam": [adam],
        "adamw": [adam, optax.add_decayed_weights(options.weight_decay)],
    }
    return optax.chain(*clipping(options), *rules[options.optimizer])


def clipping(options: Options) -> list[optax.GradientTransformation]:
    """Clipping by global norm is optax's; by the norm of each leaf it has none."""
    if options.clip == 0:
        return []
    if options.clip_by == "global":
        return [optax.clip_by_global_norm(options.clip)]
    return [optax.stateless_with_tree_map(partial(_clip_leaf, options.clip))]


def _clip_leaf(limit: float, grad: Any, _: Any) -> Any:
    norm = jnp.sqrt(jnp.sum(grad * grad))
    return jnp.where(norm < limit, grad, grad / norm * limit)


def apply_rule(
    rule: optax.GradientTransformation, options: Options, grads: Any, moments: Moments, params: Any
) -> tuple[Any, Moments]:
    """Run an optax rule on moments in the format that both engines share."""
    state = _to_optax(rule.init(params), moments)
    direction, state = rule.update(grads, state, params)
    return direction, _from_optax(state, moments)


def _to_optax(state: Any, moments: Moments) -> Any:
    def fill(part: Any) -> Any:
        if isinstance(part, optax.ScaleByAdamState):
            count = jnp.asarray(moments.made, part.count.dtype)
            return optax.ScaleByAdamState(count, moments.first, moments.second)
        return optax.TraceState(moments.first) if isinstance(part, optax.TraceState) else part

    return tuple(fill(part) for part in state)


def _from_optax(state: Any, moments: Moments) -> Moments:
    first, second = moments.first, moments.second
    for part in state:
        if isinstance(part, optax.ScaleByAdamState):
            first, second = part.mu, part.nu
        if isinstance(part, optax.TraceState):
            first = part.trace
    return Moments(moments.made + 1, first, second)
