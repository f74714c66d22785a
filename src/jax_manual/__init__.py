"""The LSTM language model in JAX with its backward pass by hand: B1–B11 as `jax.custom_vjp`.

`sequence.py` has one layer over time, `readout.py` the logits and the loss, `model.py` all of it.
What is differentiated by JAX is only what lies between: stacking the gates' weights, dropout, sums.
A single step for sampling, which has no way back, is that of `jax_ref`.

This module is a backend: it has the functions of `lstm_spec.Backend`.
"""

from jax_manual.model import adjoints, loss, loss_and_grads, objective
from jax_manual.stack import vjp
from jax_ref import step

__all__ = ["adjoints", "loss", "loss_and_grads", "objective", "step", "vjp"]
