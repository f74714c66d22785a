"""Functions that NumPy does not hand to an array's own protocol, recorded at the call."""

from collections.abc import Callable, Sequence

import numpy as np

from gradparity.record.frontend import computes, moves
from gradparity.record.frontend.array import holds_recorded

STRIDES = {
    np.lib.stride_tricks.as_strided: moves.as_strided,
}


def handler_of(function: Callable, arguments: Sequence, options: dict) -> Callable | None:
    """What records a call of SciPy's, or of NumPy's that has no protocol; None: it needs none."""
    if function in STRIDES:
        return STRIDES[function]
    module = getattr(function, "__module__", None) or ""
    if not module.startswith("scipy."):
        return None
    if isinstance(function, np.ufunc) or not holds_recorded([*arguments, *options.values()]):
        return None
    if module.startswith("scipy.signal"):
        return lambda *a, **o: computes.call(function, a, o, "signal")
    if module.startswith("scipy.special"):
        return lambda *a, **o: computes.call(function, a, o, "special")
    return None
