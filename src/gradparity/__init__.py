"""Check hand-written gradients, and say which equation is wrong.

`diagnose(function)` names the wrong equations of anybody's LSTM backward pass;
`compare(a, b)` holds any two trees of arrays to each other; the command
`gradparity check` holds the LSTM by hand to the one by autodiff.
"""

from gradparity.blocks import Judgement
from gradparity.diagnosis.findings import Diagnosis, Finding
from gradparity.diagnosis.run import diagnose
from gradparity.errors import ParityError
from gradparity.layouts import Layout
from gradparity.parity import compare
from lstm_spec import InputError

__all__ = [
    "Diagnosis",
    "Finding",
    "InputError",
    "Judgement",
    "Layout",
    "ParityError",
    "compare",
    "diagnose",
]
