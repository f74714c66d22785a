"""Gradients that stand beside the equations: of a second bias, of an embedding."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradparity.lstm.film import Array
from gradparity.returned.call.probes import Gradients
from gradparity.returned.report.findings import Finding
from gradparity.returned.search.replay import Call, equal
from lstm_spec import GATES

SECOND = tuple(f"b_{gate}'" for gate in GATES)
EMBEDDING = "E"


def without(calls: Sequence[Call], paths: Sequence[str]) -> list[Call]:
    """The calls without some gradients."""
    return [
        replace(call, grads={k: g for k, g in call.grads.items() if k not in paths})
        for call in calls
    ]


def second_bias(calls: Sequence[Call], tolerance: float) -> list[Finding]:
    """A finding if a second bias's gradient is not the first's: both are the same sum."""
    differing = [
        path[:-1]
        for path in SECOND
        if any(path in c.grads and _differ(c.grads, path, tolerance) for c in calls)
    ]
    if not differing:
        return []
    zero = not any(c.grads[f"{path}'"].any() for c in calls for path in differing)
    what = "is zero" if zero else "is another"
    detail = f"both are added to the pre-activations, so both have one gradient; the second {what}"
    return [Finding("", "", (), f"the second bias of {', '.join(differing)}", detail)]


def _differ(grads: Gradients, path: str, tolerance: float) -> bool:
    return not equal(grads[path], grads[path[:-1]], tolerance)


def embedding(
    calls: Sequence[Call], made: Sequence[Array | None], tolerance: float, name: str
) -> list[Finding]:
    """A finding if the gradient of an embedding does not follow from dx.

    Args:
        calls: with the gradient.
        made: what it should be, given the subject's own deltas; None where that is not known.
        tolerance: relative.
        name: what the subject calls it.
    """
    right = [
        (call.probe.distinct, equal(call.grads[EMBEDDING], expected, tolerance))
        for call, expected in zip(calls, made, strict=True)
        if expected is not None
    ]
    if all(fits for _, fits in right):
        return []
    if all(fits for distinct, fits in right if distinct):
        detail = (
            "rows of tokens that occur more than once are not added up, as where += is used with "
            "a list of tokens instead of np.add.at"
        )
        return [Finding("", "", (), f"the gradient of {name}", detail)]
    shares = [
        float(np.abs(c.grads[EMBEDDING] - e).max() / np.abs(e).max())
        for c, e in zip(calls, made, strict=True)
        if e is not None and e.any()
    ]
    detail = f"it is not the sum of dx by token; off by up to {max(shares):.0e} of its largest"
    return [Finding("", "", (), f"the gradient of {name}", detail, known=False)]
