"""A training step over a mesh of devices, by JAX's own engine; several processes may own them.

- `sizes.py`, `grid.py`: how many devices share the batch, and how many the weights; and which.
- `place.py`: which part of an array lies on which device, and back to NumPy.
- `passes.py`: loss and gradients of the whole batch.
- `group.py`: processes that find each other, agree, and notice when one is gone.
- `local.py`: processes of this machine, started together.
- `watch.py`: a process beside each, that puts into words what JAX's abort does not.
"""
