"""Name the wrong equation in somebody's hand-written backward pass.

`probes.py` what a subject is run on, `subject.py` how it is called, `forward.py` is its
forward pass the standard one, `accumulation.py`, `chain.py`, `search.py` from gradients to
wrong equations, `naming.py` in words, `judge.py` the order of it all.
"""
