"""Gradients of a subject's own forward pass, by differences with error control.

Used where the forward pass is not the standard LSTM's, so that the equations do not
apply. A complex step would be more exact, but buffers often drop the imaginary part.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gradparity.lstm.film import Array
from gradparity.returned.call.probes import Gradients, Probe, shared
from lstm_spec import GATES

STEP = 2e-3
MOST_ENTRIES = 12  # of each leaf, those at which the returned gradient is largest, and some others


@dataclass(frozen=True)
class Estimate:
    """Derivatives of a leaf at some entries, and how far they can be trusted."""

    entries: tuple[tuple[int, ...], ...]
    values: Array
    errors: Array


def derivatives(
    objective: Callable[[Probe], float], probe: Probe, grads: Gradients
) -> dict[str, Estimate]:
    """Estimate the objective's derivative at a few entries of each leaf in `grads`."""
    found = {}
    for path, grad in grads.items():
        if path.endswith("'") or path == "E":
            continue
        entries = _entries(grad)
        pairs = [_derivative(objective, probe, path, entry) for entry in entries]
        values, errors = zip(*pairs, strict=True)
        found[path] = Estimate(entries, np.array(values), np.array(errors))
    return found


def disagreement(grad: Array, estimate: Estimate, tolerance: float) -> tuple[float, float]:
    """The largest difference beyond what the estimate's error allows, and the largest value."""
    got = np.array([grad[entry] for entry in estimate.entries])
    scale = float(np.abs(estimate.values).max(initial=0.0))
    excess = np.abs(got - estimate.values) - 4 * estimate.errors - max(tolerance, 1e-6) * scale
    return float(excess.max(initial=0.0)), scale


def _entries(grad: Array) -> tuple[tuple[int, ...], ...]:
    order = np.argsort(-np.abs(grad), axis=None)
    chosen = [*order[: MOST_ENTRIES // 2], *order[:: max(1, len(order) // (MOST_ENTRIES // 2))]]
    indices = {tuple(int(i) for i in np.unravel_index(n, grad.shape)) for n in chosen}
    return tuple(sorted(indices))


def _derivative(
    objective: Callable[[Probe], float], probe: Probe, path: str, entry: tuple[int, ...]
) -> tuple[float, float]:
    """Central differences at two steps, extrapolated; their difference bounds the error."""

    def difference(step: float) -> float:
        ahead, behind = (objective(_moved(probe, path, entry, s)) for s in (step, -step))
        return (ahead - behind) / (2 * step)

    coarse, middle, fine = (difference(STEP / k) for k in (1, 2, 4))
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return second, abs(second - first) + 1e-11


def _moved(probe: Probe, path: str, entry: tuple[int, ...], step: float) -> Probe:
    """The probe with one entry of a parameter or input moved."""
    if path == "W_v":
        return replace(probe, W_v=_stepped(probe.W_v, entry, step))
    if path == "b_v":
        return replace(probe, b_v=_stepped(probe.b_v, entry, step))
    if path == "dx":
        return replace(probe, x=_stepped(probe.x, entry, step))
    if path == "dh0":
        return replace(probe, h0=_stepped(probe.h0, entry, step))
    if path == "dC0":
        return replace(probe, C0=_stepped(probe.C0, entry, step))
    name, _, part = path.partition("[")
    leaf = getattr(probe.layer, name)
    if part.startswith("x"):
        entry = (entry[0], entry[1] + len(probe.h0))
    return replace(probe, layer=probe.layer._replace(**{name: _stepped(leaf, entry, step)}))


def _stepped(array: Array, entry: tuple[int, ...], step: float) -> Array:
    moved = array.copy()
    moved[entry] += step
    return moved


def gate_of(path: str) -> str:
    """The gate that a leaf belongs to, "W_v" for the readout, or ""."""
    name = shared(path.partition("[")[0])
    if name in ("W_v", "b_v"):
        return "W_v"
    return name[-1] if name[-1] in GATES and name[1:2] == "_" else ""
