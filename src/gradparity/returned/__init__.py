"""Name the wrong equation in somebody's hand-written LSTM, from its returned gradients alone.

From below: `report` what is found, in words and figures; `call` a function in its own layout;
`search` from gradients to the fewest wrong equations; `words` and `lines` for what the search
found; `judge` the order of it all. `run.py` is the door.
"""
