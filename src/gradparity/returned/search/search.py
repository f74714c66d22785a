"""From returned gradients to the fewest wrong equations that reproduce them all.

Readings and chains suggest explanations; a simulated backward pass with exactly these
mistakes convicts, if it reproduces every gradient on every probe.
"""

from collections.abc import Callable, Iterable, Sequence

from gradparity.returned.search.case import Case
from gradparity.returned.search.clock import Clock
from gradparity.returned.search.explanation import ONE_UNKNOWN, TWO_EQUATIONS, Cost, Explanation
from gradparity.returned.search.proposals import MOST_PROPOSED, before_activation, proposed
from gradparity.returned.search.repairs import Repairs

Propose = Callable[[], Iterable[Explanation]]


def explanations(case: Case, clock: Clock) -> list[Explanation]:
    """Explanations that reproduce everything, the simplest first; may be empty."""
    repairs, quick = Repairs(case.replay), proposed(case, clock, thorough=False)
    convicted = _convicted(case, clock, _near(repairs, quick), TWO_EQUATIONS)
    if not any(e.cost <= TWO_EQUATIONS for e in convicted):
        slow = quick + proposed(case, clock, thorough=True)
        suggested = sorted(slow, key=lambda e: e.cost)[:MOST_PROPOSED]
        ways = (
            *_near(repairs, suggested),
            lambda: before_activation(case, suggested),
            repairs.singles,
            lambda: repairs.with_one_more(suggested),
        )
        convicted += _convicted(case, clock, ways, ONE_UNKNOWN)
    convicted.sort(key=lambda e: e.cost)
    return [e for e in convicted if e.cost <= convicted[0].cost]


def _near(repairs: Repairs, suggested: Sequence[Explanation]) -> tuple[Propose, ...]:
    """What was proposed, and small changes to it."""
    return (
        lambda: suggested,
        lambda: repairs.repaired(suggested),
        lambda: repairs.replaced(suggested),
    )


def _convicted(
    case: Case, clock: Clock, ways: Sequence[Propose], enough: Cost
) -> list[Explanation]:
    """Explanations that reproduce everything; once one is simple enough, no further way."""
    found: list[Explanation] = []
    for number, propose in enumerate(ways):
        for explanation in propose():
            if number and clock.spent():  # what was proposed is judged in any case
                return found
            if case.replay.reproduces(explanation):
                found.append(explanation)
        if any(e.cost <= enough for e in found):
            break
    return found
