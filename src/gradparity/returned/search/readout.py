"""B1–B3 before the cell: what may have made dv, and what then enters dh from outside the layer."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS, Mistake
from gradparity.lstm.film import Array, Film
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import Probe
from gradparity.returned.search.accumulation import Reading
from gradparity.returned.search.bank import Written
from gradparity.returned.search.explanation import B1, B3, Explanation
from gradparity.returned.search.replay import equal
from gradparity.returned.search.sums import explained


def logits(
    readout: Reading | None, films: Sequence[Film], true: Sequence[Film], tolerance: float
) -> Explanation:
    """B1 and B2: what is wrong there; leaves dv in the films."""
    if readout is None:
        return Explanation()
    start = explained(readout)
    dv = [np.where(np.isnan(d), t["dv"], d) for d, t in zip(readout.deltas, true, strict=True)]
    for film, array in zip(films, dv, strict=True):
        film["dv"] = array
    for mistakes in _choices(B1):
        plan = Plan(mistakes)
        made = [_logits_of(plan, film) for film in films]
        if all(equal(d, m, tolerance) for d, m in zip(readout.deltas, made, strict=True)):
            wrong = Explanation({B1: (Written(mistakes),)} if mistakes else {})
            return start.joined(wrong)
    return start.joined(Explanation(unknown=(B1,), given={"dv": dv}))


def outside(
    probes: Sequence[Probe], films: Sequence[Film]
) -> dict[tuple[Mistake, ...], list[Array]]:
    """dh_out under each way of writing what B3 takes from outside the layer."""
    found: dict[tuple[Mistake, ...], list[Array]] = (
        _through_readout(probes, films)
        if probes[0].W_v is not None
        else {(): [p.dh for p in probes]}
    )
    for film, right in zip(films, found[()], strict=True):
        film["dh_out"] = right
    for form in EQUATIONS[B3].slot("dh_out").forms[1:]:
        found[Mistake(*B3, "dh_out", form),] = [
            np.stack([form.value(film, t) for t in range(film.time)]) for film in films
        ]
    return found


def _through_readout(
    probes: Sequence[Probe], films: Sequence[Film]
) -> dict[tuple[Mistake, ...], list[Array]]:
    """The same of a model: what its readout sends back."""
    return {
        mistakes: [
            np.stack([p.W_v.T @ Plan(mistakes).product(B3, film, t) for t in range(film.time)])
            for p, film in zip(probes, films, strict=True)
        ]
        for mistakes in _choices(B3)
    }


def _choices(key: Key) -> list[tuple[Mistake, ...]]:
    """Ways of writing an equation with one slip, or two in different slots; none first."""
    slots = EQUATIONS[key].slots
    made = []
    for forms in product(*(slot.forms for slot in slots)):
        wrong = tuple(
            Mistake(*key, s.name, f) for s, f in zip(slots, forms, strict=True) if f.faults
        )
        made.append(wrong)
    return sorted(made, key=lambda ms: sum(m.form.faults for m in ms))


def _logits_of(plan: Plan, film: Film) -> Array:
    N = float(film["mask"].sum())
    return np.stack([plan.product(B1, film, t) * film["mask"][t] / N for t in range(film.time)])
