"""The same loss and gradients, sooner: what stands here exists for speed alone.

- `layer.py`, `weights.py`, `memory.py`: a layer's equations in few operations a step, the weights
  scaled for them, and side by side in memory what one operation treats together.
- `products.py`, `gemm.py`: the product of the four gates, in pieces that BLAS is quick at.
- `pieces.py`, `trial.py`, `known.py`, `processor.py`: other pieces, where measured quicker.
- `by_token.py`: gradients of looked-up weights, summed token by token.
- `readout.py`, `blocks.py`: logits and loss for a block of steps at once; how long a block is.
- `passes.py`, `tape.py`: all layers up and back down, keeping all states or few.
- `parts.py`, `threads.py`, `cut.py`: parts of a batch, each on a thread.
- `team.py`, `member.py`, `desk.py`, `shared.py`, `pipe.py`: parts in processes of their own.
- `model.py`, `workspace.py`: a pass over the whole batch, and the memory that the next one reuses.

`docs/performance.md` has what each gains.
"""
