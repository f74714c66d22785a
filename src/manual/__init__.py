"""The LSTM language model by hand: NumPy, no automatic differentiation.

Read `cell.py` first: the forward equations of a step (F2–F6), and under them the
backward ones (B4–B8, B10, B11). Then `sequence.py` (the loop over time), `stack.py` (layer upon
layer), `readout.py` (logits and loss) and `model.py` (all of it).
`docs/derivation.md` derives every line.

What stands in `fast/` arranges the same for speed, and none of these files needs it: the backend
`numpy-literal` is `model.py`. Only here, at the door of the backend `numpy`, is one chosen: `fast/`
for loss and gradients, the derivation for the rest.

This module is a backend: it has the functions of `lstm_spec.Backend`.
"""

from manual.fast.model import loss, loss_and_grads
from manual.fast.workspace import Workspace
from manual.model import adjoints, objective
from manual.sampling import step
from manual.stack import vjp

__all__ = ["Workspace", "adjoints", "loss", "loss_and_grads", "objective", "step", "vjp"]
