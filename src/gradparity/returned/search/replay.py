"""Simulated backward passes against what the subject returned: this convicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradparity.lstm.film import Array, Film
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import Gradients, Probe, shared, synthesize
from gradparity.returned.search.explanation import Explanation
from lstm_spec import GATES


@dataclass(frozen=True, eq=False)
class Call:
    """A probe and what the subject returned for it, its loss's scale taken out.

    Attributes:
        number: among those in which no token repeats, for which arrays may be given.
    """

    probe: Probe
    film: Film
    grads: Gradients
    factor: float = 1.0
    number: int = 0


class Replay:
    """All calls of a subject, to hold explanations to.

    Args:
        calls: all probes.
        tolerance: relative difference that is the subject's own noise.

    Attributes:
        close: the calls in which no token repeats.
    """

    def __init__(self, calls: Sequence[Call], tolerance: float) -> None:
        self.calls, self.tolerance = calls, tolerance
        self.close = [call for call in calls if call.probe.distinct]

    def reproduces(
        self,
        explanation: Explanation,
        calls: Sequence[Call] | None = None,
        leaves: tuple[str, ...] = (),
    ) -> bool:
        """Whether a backward pass with these mistakes returns what the subject returned.

        Args:
            explanation: the mistakes.
            calls: all, unless given.
            leaves: the gradients to compare; all, unless given.
        """
        free = _free_leaves(explanation)
        for call in self.calls if calls is None else calls:
            if explanation.unknown and not call.probe.distinct:
                continue
            made, film = apply(explanation, call)
            for path, array in call.grads.items():
                if path in free or (leaves and path not in leaves):
                    continue
                if equal(array, made[shared(path)], self.tolerance):
                    continue
                # Code that forms dx and dh apart may have either right.
                if path != "dx" or not equal(array, _right_dx(film), self.tolerance):
                    return False
        return True


def _right_dx(film: Film) -> Array:
    """The input's part of B10 from a film's own deltas, `(time, inputs, batch)`."""
    hidden = film["h"].shape[1]
    return np.stack([
        np.sum([film.weight(k)[:, hidden:].T @ film[f"da_{k}"][t] for k in GATES], axis=0)
        for t in range(film.time)
    ])  # fmt: skip


def apply(explanation: Explanation, call: Call, *, keep: bool = False) -> tuple[Gradients, Film]:
    """A simulated backward pass with an explanation's mistakes, and its film.

    Args:
        explanation: the mistakes.
        call: the probe.
        keep: do not replace anything by what is given.
    """
    film = Film(call.film.params, dict(call.film.values))
    if not keep:
        film.given = {symbol: arrays[call.number] for symbol, arrays in explanation.given.items()}
    return synthesize(call.probe, Plan(explanation.mistakes), film)


def equal(got: Array, made: Array, tolerance: float) -> bool:
    """Whether two gradients are the same wherever the first is known."""
    known = np.isfinite(got)
    scale = max(np.abs(got[known]).max(initial=0.0), np.abs(made[known]).max(initial=0.0))
    return bool(np.abs(got[known] - made[known]).max(initial=0.0) <= tolerance * scale)


def _free_leaves(explanation: Explanation) -> set[str]:
    """Gradients that an unknown mistake in B2 or B9 leaves free."""
    free: set[str] = set()
    for part in explanation.parts:
        if ":" not in part:
            free.add(part)
            continue
        gate, _, block = part.partition(":")
        names = {"h": "W_v", "b": "b_v"} if gate == "v" else {
            "h": f"W_{gate}[h]", "x": f"W_{gate}[x]", "b": f"b_{gate}"
        }  # fmt: skip
        free.add(names.get(block, ""))
        if block == "b":
            free.add(f"{names['b']}'")
    return free
