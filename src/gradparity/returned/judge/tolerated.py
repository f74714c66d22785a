"""What differs from the full gradient and is no mistake: truncation, and clips."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array
from gradparity.lstm.forms import Form
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import Gradients, shared, synthesize
from gradparity.returned.search.replay import Call

INPUTS = ("dx", "dh0", "dC0")
B10: Key = ("B10", "")
B11: Key = ("B11", "")


def tolerated(calls: Sequence[Call], true: Sequence[Gradients], tolerance: float) -> str:
    """The note to make, or "" if this is neither a truncation nor a clip."""
    return _clipped(calls, true, tolerance) or _truncated(calls, tolerance)


def _clipped(calls: Sequence[Call], true: Sequence[Gradients], tolerance: float) -> str:
    """Whether every gradient is the right one, cut to an interval or to a norm.

    Interval and norm are in the subject's own units. Gradients by the inputs may be left whole.
    """
    pairs = [
        (p, call.factor * g, call.factor * t[shared(p)])
        for call, t in zip(calls, true, strict=True)
        for p, g in call.grads.items()
    ]
    limit = max(float(np.abs(g).max()) for p, g, _ in pairs if p not in INPUTS)
    if limit > 0 and all(
        _close(g, np.clip(t, -limit, limit), tolerance) or (p in INPUTS and _close(g, t, tolerance))
        for p, g, t in pairs
    ):
        return f"gradients are clipped to ±{limit:.6g}"
    return _clipped_to_norm(calls, true, tolerance)


def _clipped_to_norm(calls: Sequence[Call], true: Sequence[Gradients], tolerance: float) -> str:
    norms = []
    for call, t in zip(calls, true, strict=True):
        paths = [p for p in call.grads if shared(p) in t]
        got = np.concatenate([call.grads[p].ravel() for p in paths])
        right = np.concatenate([t[shared(p)].ravel() for p in paths])
        factor = float(got @ right / (right @ right))
        if not 0 < factor <= 1 + 1e-6 or not _close(got, factor * right, tolerance):
            return ""
        if factor < 1 - 1e-6:
            norms.append(abs(call.factor) * float(np.linalg.norm(got)))
    if norms and max(norms) - min(norms) <= 1e-5 * max(norms):
        return f"gradients are clipped to a norm of {norms[0]:.6g}"
    return ""


def _truncated(calls: Sequence[Call], tolerance: float) -> str:
    """Whether the carries are cut every few steps, two or more."""
    longest = max(call.probe.time for call in calls)
    for words, cut in _cuts(longest):
        plan = Plan(_cut_carries(cut))
        if all(
            _same(call, synthesize(call.probe, plan, call.film)[0], tolerance) for call in calls
        ):
            return f"backpropagation is truncated: {words}"
    return ""


def _cuts(longest: int) -> Iterator[tuple[str, Callable[[int, int], bool]]]:
    """Whether nothing is carried back from step t of T."""

    def from_first(k: int) -> Callable[[int, int], bool]:
        return lambda t, T: t % k == 0

    def from_last(k: int) -> Callable[[int, int], bool]:
        return lambda t, T: (T - t) % k == 0

    def at_end(k: int) -> Callable[[int, int], bool]:
        return lambda t, T: T - t == k

    for k in range(2, longest):
        yield f"every {k} steps, counted from the first", from_first(k)
        yield f"every {k} steps, counted from the last", from_last(k)
        yield f"after {k} steps from the end", at_end(k)


def _cut_carries(cut: Callable[[int, int], bool]) -> list[Mistake]:
    sent = Form("cut", lambda c, t: np.asarray(0.0 if cut(t, c.time) and t else 1.0), "cut", 1)
    right = EQUATIONS[B11].slot("dC").right
    kept = Form(
        "cut", lambda c, t: right.value(c, t) * (0.0 if cut(t, c.time) and t else 1.0), "cut", 1
    )
    return [Mistake(*B10, "dh_next", sent), Mistake(*B11, "dC", kept)]


def _same(call: Call, made: Gradients, tolerance: float) -> bool:
    return all(_close(g, made[shared(p)], tolerance) for p, g in call.grads.items())


def _close(got: Array, expected: Array, tolerance: float) -> bool:
    return bool(np.abs(got - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-300))
