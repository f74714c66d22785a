"""The LSTM language model forward only: gradients by `jax.grad` over `lax.scan`.

The files mirror `manual`'s: `cell.py`, `sequence.py`, `stack.py`, `readout.py`,
`model.py`. This module is a backend: it has the functions of `lstm_spec.Backend`.
"""

from jax_ref.model import adjoints, loss, loss_and_grads, objective, step
from jax_ref.stack import vjp

__all__ = ["adjoints", "loss", "loss_and_grads", "objective", "step", "vjp"]
