"""Check hand-written gradients, and say which equation is wrong.

`diagnose(function, *arguments)` names the wrong lines of anybody's backward pass;
`compare(a, b)` holds any two trees of arrays to each other; the command
`gradparity check` holds the LSTM by hand to the one by autodiff.
"""

from gradparity.blocks import Judgement
from gradparity.diagnosing import diagnose
from gradparity.diagnosis.findings import Diagnosis, Finding
from gradparity.errors import GradientError, ParityError
from gradparity.layouts import Layout
from gradparity.parity import compare
from gradparity.record.findings import Recording
from lstm_spec import InputError

__all__ = [
    "Diagnosis",
    "Finding",
    "GradientError",
    "InputError",
    "Judgement",
    "Layout",
    "ParityError",
    "Recording",
    "compare",
    "diagnose",
]
