"""The same loss and gradients, sooner: what stands here exists for speed alone.

- `layer.py`: the equations of a layer, arranged so that a step is few operations.
- `memory.py`: what one layer keeps, side by side if one operation treats it together.
- `products.py`, `gemm.py`: the four gates' product, in the pieces that BLAS is quickest at.
- `by_token.py`: gradients of looked-up weights, summed by token.
- `readout.py`: logits and loss, a block of steps at a time.
- `passes.py`, `tape.py`: all layers, up and back down, over all steps or segment by segment.
- `parts.py`, `threads.py`, `cut.py`: parts of a batch, each on a thread.
- `team.py`, `member.py`, `shared.py`, `pipe.py`: parts in processes of their own.
- `model.py`, `workspace.py`: the whole model, and the memory that its next pass uses again.

`docs/performance.md` has what each gains.
"""
