"""Changes of expressions in the place of what was granted, now that nothing else is wrong."""

from collections.abc import Callable, Iterator

import numpy as np

from gradparity.record.locate import clock
from gradparity.record.locate.by_running import computed
from gradparity.record.locate.by_value import probed
from gradparity.record.locate.case import Case
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.trials.grants import Grant, grants
from gradparity.record.locate.trials.probe import Trial
from gradparity.record.locate.trials.repairs import Explanation

SECONDS = 6.0  # for each granted value, and once more where two stand side by side
MOST_CHANGES = 3  # of a statement, that make it yield what was granted
ALL_SECONDS = 12.0
Step = Callable[[Explanation, Scenery], Explanation | None]


def refined(case: Case, found: Explanation, step: Step) -> Explanation:
    """An explanation with changes instead of grants, as far as there are any.

    Args:
        case: the subject.
        found: what explains its gradients.
        step: looks for the one repair that is missing.
    """
    waiting = [t for t in found.trials if isinstance(t, Grant)] if found.complete else []
    end = clock.now() + ALL_SECONDS
    while waiting and clock.now() < end:
        grant = waiting.pop()  # the last one hides what is before it
        case.deadline = max(case.deadline, clock.now()) + SECONDS
        others = [t for t in found.trials if t is not grant]
        now = case.court.evaluated(others)
        if now.complete or not now.runs:
            continue
        scenery = case.scenery(*case.recorded_with(others))
        better = step(now, scenery)
        if better is None or not better.complete:
            both = _side_by_side(case, now, grant, scenery)
            better = min(both, key=lambda e: e.price, default=None)
        if better is not None:
            waiting += [t for t in better.trials if isinstance(t, Grant) and t not in found.trials]
            found = better
    return found


def _side_by_side(
    case: Case, now: Explanation, grant: Grant, scenery: Scenery
) -> Iterator[Explanation]:
    """A change that yields what was granted once something before it is granted as well."""
    slots, until = case.runner.code.program.slots, clock.now() + SECONDS
    near, granted = scenery.near(0), {t.slot.number for t in now.trials if isinstance(t, Grant)}
    before = [n for n in sorted(case.backward) if slots[n].place in near or n in granted]
    before = [n for n in before if n != grant.slot.number]
    for other in grants(case.families, slots, computed(slots, before, scenery)):
        if clock.now() > until:
            return
        if _alike(other, grant):  # what is only handed on would do
            continue
        rest = [t for t in now.trials if not isinstance(t, Grant) or t.slot is not other.slot]
        with_other = Explanation([*rest, other])
        turns = {grant.slot.number: frozenset({0})}
        try:
            trials = probed(case, with_other, turns, "small").trials[grant.slot.number].values()
        except Exception:  # the subject cannot be run so
            continue
        right = [t for t in trials if _yields(t, grant, case)]
        for trial in sorted(right, key=lambda t: t.price)[:MOST_CHANGES]:
            found = case.court.evaluated([*with_other.trials, trial])
            if found.complete:
                yield found


def _alike(one: Grant, other: Grant) -> bool:
    first, second = one.values[0], other.values[0]
    return first.shape == second.shape and np.allclose(first, second)


def _yields(trial: Trial, grant: Grant, case: Case) -> bool:
    return 0 in trial.values and case.court.equal(trial.values[0], grant.values[0])
