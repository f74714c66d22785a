"""Long sequences in bounded memory: keep the states between segments, and run each twice."""

from collections.abc import Callable
from typing import Any

import jax

from lstm_spec import State

# A segment's part of the objective and of the loss, and the state after it.
Part = Callable[[State, Any], tuple[Any, Any, State]]


def run(part: Part, state: State, window: Any, every: int) -> tuple[Any, Any, State]:
    """`part` over a window's steps, so many at a time; sums, and the last state.

    Of the forward pass only the states between segments are kept. The backward pass recomputes each
    segment before it goes back through it. Every array of `window` has time first.
    """
    again = jax.checkpoint(part)
    number = len(window.tokens) // every
    cut = number * every

    def one_segment(state: State, segment: Any) -> tuple[State, tuple]:
        value, loss, state = again(state, segment)
        return state, (value, loss)

    whole = jax.tree.map(lambda a: a[:cut].reshape(number, every, *a.shape[1:]), window)
    state, (values, losses) = jax.lax.scan(one_segment, state, whole)
    value, loss = values.sum(), losses.sum()
    if cut == len(window.tokens):
        return value, loss, state
    last_value, last_loss, state = again(state, jax.tree.map(lambda a: a[cut:], window))
    return value + last_value, loss + last_loss, state
