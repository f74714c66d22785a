"""Check hand-written gradients, and say which equation is wrong.

`compare(a, b)` holds any two trees of arrays to each other; the command
`gradparity check` holds the LSTM by hand to the one by autodiff.
"""

from gradparity.blocks import Judgement
from gradparity.errors import ParityError
from gradparity.parity import compare
from lstm_spec import InputError

__all__ = ["InputError", "Judgement", "ParityError", "compare"]
