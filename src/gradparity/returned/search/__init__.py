"""From returned gradients to the fewest wrong equations that reproduce them all.

`accumulation.py` and `sums.py` read off the deltas that were summed into the weights; `bank.py`
has all ways of writing an equation; `gates.py`, `hidden.py`, `cells.py` and `chain.py` ask which of
them yield those deltas; `replay.py` convicts. `case.py` is what all of them look at, `search.py`
the order.
"""
