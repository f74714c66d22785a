"""The LSTM language model in JAX with its backward pass by hand: B1–B11 as `jax.custom_vjp`.

`sequence.py` has one layer over time, `readout.py` the logits and the loss, `model.py` all of it.
What is differentiated by JAX is only what lies between: stacking the gates' weights, dropout, sums.

This module is a backend: it has the functions of `lstm_spec.Backend`.
"""

from jax_manual.model import adjoints, loss, loss_and_grads, objective, step
from jax_manual.stack import vjp

__all__ = ["adjoints", "loss", "loss_and_grads", "objective", "step", "vjp"]
