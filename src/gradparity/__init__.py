"""Check hand-written gradients, and say which equation is wrong.

`diagnose(function, *arguments)` names the wrong lines of anybody's backward pass;
`compare(a, b)` holds any two trees of arrays to each other; the command
`gradparity check` holds the LSTM by hand to the one by autodiff.
"""

from gradparity.diagnosing import diagnose
from gradparity.record.report.recording import Recording
from gradparity.returned.call.layouts import Layout
from gradparity.returned.report.findings import Diagnosis, Finding
from gradparity.trees.compare import compare
from gradparity.trees.equal import Judgement
from gradparity.trees.errors import GradientError, ParityError
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
