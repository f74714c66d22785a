"""B2 and B9 first: how deltas were summed into gradients, and the deltas read back out.

With G = Σ_t δ_t ζ_tᵀ, where ζ_t holds what each delta is paired with (h, x, and 1 for
the bias), δ = G · pinv(ζ) whenever the ζ_t are independent. What is left over, G − δ ζᵀ,
must vanish. It does so only if the ζ are those that were used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array, Film
from gradparity.returned.call.probes import Gradients, Probe

FEWEST_ROWS = 1e-9  # singular values below this share of the largest are none


@dataclass(frozen=True)
class Reading:
    """One way in which the gradients of a gate (or the readout) can have been summed.

    Attributes:
        key: B9 and the gate, or B2.
        mistakes: what is wrong; empty if nothing is.
        unknown: parts ("h", "x", "b") that fit no form and were left out of account.
        deltas: for each probe `(time, rows, batch)`; NaN at steps that left no trace.
    """

    key: Key
    mistakes: tuple[Mistake, ...]
    unknown: tuple[str, ...]
    deltas: tuple[Array, ...]

    @property
    def wrong(self) -> bool:
        """Whether the equation is to blame."""
        return bool(self.mistakes or self.unknown)

    @property
    def kind(self) -> tuple:
        """What it supposes, whatever the gate."""
        gate = f"_{self.key[1]}"
        return tuple((m.slot, m.form.code.replace(gate, "")) for m in self.mistakes), self.unknown

    @property
    def complete(self) -> bool:
        """Whether the delta of every step is known."""
        return all(np.isfinite(delta).all() for delta in self.deltas)


def read(
    key: Key,
    probes: Sequence[Probe],
    films: Sequence[Film],
    grads: Sequence[Gradients],
    tolerance: float,
) -> list[Reading]:
    """The simplest readings that fit every probe; none if none does.

    In the readout an h that is one step off may be read as a dv that is; so readings with
    one slip are given as well as the one without.

    Args:
        key: B9 and a gate, or B2.
        probes, films: calls in which no token repeats, and their forward passes.
        grads: what was returned.
        tolerance: relative to each part's largest value.
    """
    names = _part_names(key)
    present = [part for part in names if all(names[part] in g for g in grads)]

    def fitting(hypotheses: Sequence[Hypothesis]) -> list[Reading]:
        found = []
        for mistakes, unknown in hypotheses:
            parts = [part for part in present if part not in unknown]
            deltas = [
                _solve(key, mistakes, [(part, g[names[part]]) for part in parts], p, f, tolerance)
                for p, f, g in zip(probes, films, grads, strict=True)
            ]
            known = tuple(delta for delta in deltas if delta is not None)
            if len(known) == len(deltas):
                found.append(Reading(key, mistakes, unknown, known))
        return found

    right, *slips = _known(key, present)
    found = fitting(right)
    if found and key[1] != "v":
        return found
    for level in slips if not found else slips[:1]:
        found += fitting(level)
        if found:
            break
    if any(not reading.wrong for reading in found):
        return found
    for level in _unknown(key, present):
        more = fitting(level)
        if more:
            return found + sorted(more, key=lambda reading: not reading.complete)
    return found


def _part_names(key: Key) -> dict[str, str]:
    gate = key[1]
    if gate == "v":
        return {"h": "W_v", "b": "b_v"}
    return {"h": f"W_{gate}[h]", "x": f"W_{gate}[x]", "b": f"b_{gate}"}


# Slots that decide what a delta is paired with, and for which part.
_PAIRED = {
    "h": ("h", "steps", "number"),
    "x": ("x", "steps", "number"),
    "b": ("bias steps", "bias number"),
}


Hypothesis = tuple[tuple[Mistake, ...], tuple[str, ...]]


def _singles(key: Key, present: Sequence[str]) -> dict[str, list[Mistake]]:
    """Mistakes with one slip, by slot."""
    slots = {name for part in present for name in _PAIRED[part]}
    if key[1] == "v":
        slots -= {"x"}
    return {
        slot: [Mistake(*key, slot, f) for f in EQUATIONS[key].slot(slot).forms[1:] if f.faults == 1]
        for slot in sorted(slots)
    }


def _known(key: Key, present: Sequence[str]) -> list[list[Hypothesis]]:
    """Without a slip, with one, with two in different slots."""
    singles = _singles(key, present)
    pairs = [
        (pair, ())
        for one, other in combinations(singles, 2)
        for pair in product(singles[one], singles[other])
    ]
    return [[((), ())], [((m,), ()) for found in singles.values() for m in found], list(pairs)]


def _unknown(key: Key, present: Sequence[str]) -> list[list[Hypothesis]]:
    """Some parts left out of account; then with a slip in another; then two parts left out."""
    alone = [(part,) for part in present if len(present) > 1]
    parts = [unknown for unknown in [*alone, ("h", "x")] if set(unknown) < set(present)]
    besides = [
        ((m,), (part,))
        for part in present
        if len(present) > 1
        for slot, found in _singles(key, present).items()
        if slot not in _PAIRED[part]
        for m in found
    ]
    twice = [((), pair) for pair in combinations(present, 2) if len(present) > 2]
    return [[((), unknown) for unknown in parts], list(besides), list(twice)]


def _solve(
    key: Key,
    mistakes: tuple[Mistake, ...],
    parts: list[tuple[str, Array]],
    probe: Probe,
    film: Film,
    tolerance: float,
) -> Array | None:
    """Deltas `(time, rows, batch)` under a hypothesis, or None if it does not fit."""
    written = {m.slot: m.form for m in mistakes}

    def value(slot: str, t: int) -> Array:
        form = written.get(slot) or EQUATIONS[key].slot(slot).right
        return np.asarray(form.value(film, t))

    def paired(part: str, t: int) -> Array:
        if part == "b":
            weight = value("bias steps", t) * value("bias number", t)
            return np.full((1, probe.batch), weight)
        return value("steps", t) * value("number", t) * value(part, t)

    zeta = np.concatenate(
        [np.concatenate([paired(part, t) for t in range(probe.time)], axis=1) for part, _ in parts]
    )
    G = np.concatenate([g if g.ndim == 2 else g[:, None] for _, g in parts], axis=1)
    inverse = np.linalg.pinv(zeta.T, rcond=FEWEST_ROWS)
    delta = G @ inverse
    if not _fits(G, delta @ zeta.T, [g.reshape(len(G), -1).shape[1] for _, g in parts], tolerance):
        return None
    # Steps that G does not determine: those whose unit vector is not in the row space of ζ.
    delta[:, np.abs(np.diagonal(zeta.T @ inverse) - 1) > 1e-6] = np.nan
    return delta.reshape(len(G), probe.time, probe.batch).transpose(1, 0, 2)


def _fits(G: Array, again: Array, widths: list[int], tolerance: float) -> bool:
    """Whether each part is reproduced, in units of its own largest value."""
    ends = np.cumsum(widths)[:-1]
    rounding = 1e-14 * np.abs(G).max()  # a part that is zero is so but for the solution's rounding
    return all(
        np.abs(one - other).max()
        <= tolerance * max(np.abs(one).max(), np.abs(other).max()) + rounding
        for one, other in zip(np.split(G, ends, axis=1), np.split(again, ends, axis=1), strict=True)
    )
