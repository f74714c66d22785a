"""What a repair mends may have been made wrong before: a change there, if it explains more.

`dv = dv.T` behind a product with its axes exchanged, `2 * dx` behind one that was halved: such
repairs put the gradients right, and leave the value that they mend untrue.
"""

import ast
from collections.abc import Callable, Iterator, Sequence

from gradparity.record.frontend.source import Statement
from gradparity.record.locate import clock
from gradparity.record.locate.by_value import probed
from gradparity.record.locate.case import Case
from gradparity.record.locate.edits.statements import statement_edits
from gradparity.record.locate.known.recognise import FORWARD, SCALED, UNKNOWN, ZERO
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.known.stages import ALL_TURNS
from gradparity.record.locate.trials.probe import Trial
from gradparity.record.locate.trials.repairs import Explanation, Repair
from gradparity.record.locate.trials.weigh import Scales

SECONDS, STEP_SECONDS, EDITS_SECONDS = 5.0, 2.0, 1.0
MOST, FEW = 4, 2  # repairs of which one may belong elsewhere, and two may stand for one
MOST_SLOTS, MOST_CHANGES, MOST_STEPS = 6, 6, 2
RESHAPING = ("sum", "sum keep", "transpose", "no T", "index")  # changes of what has a wrong shape
SLIP = 2.4  # price of a change of what was not recorded that may be one of two
LESS = 0.1  # by how much an explanation has to be better
Step = Callable[[Explanation, Scenery], Explanation | None]


def upstream(case: Case, found: Explanation, step: Step) -> Explanation:
    """An explanation with repairs where wrong values are made, if it is better than the given.

    Args:
        case: the subject.
        found: what explains its gradients.
        step: looks for the one repair that is missing.
    """
    if not found.complete or len(found.trials) > MOST:
        return found
    until = clock.now() + SECONDS
    scenery = case.scenery(*case.recorded_with(found.trials))
    untrue = [t for t in found.trials if not _is_true(t, scenery)]
    for group in _groups(found, untrue):
        if clock.now() > until:
            break
        rest = case.court.evaluated([t for t in found.trials if t not in group])
        if not rest.runs:
            continue
        others = [e for e in _others(case, rest, group, untrue, step, until) if e.runs]
        better = min(others, key=lambda e: e.total, default=found)
        if better.total < found.total - LESS:
            return better
    return found


def _is_true(repair: Repair, scenery: Scenery) -> bool:
    """Whether what a repair changes is a true quantity then; of a statement nobody knows."""
    return not isinstance(repair, Trial) or scenery.known(repair.slot.place, 0)


def _groups(found: Explanation, untrue: Sequence[Repair]) -> list[list[Trial]]:
    """Repairs that may stand for others.

    Those that do the same, which may mend what one mistake has made; those that leave their own
    value untrue; each alone.
    """
    trials = [t for t in found.trials if isinstance(t, Trial)]
    keys: dict[tuple, list[Trial]] = {}
    for trial in trials:
        keys.setdefault(trial.change.key, []).append(trial)
    several = [*keys.values(), [t for t in trials if t in untrue]]
    return [*(group for group in several if len(group) > 1), *([t] for t in trials)]


def _others(
    case: Case,
    rest: Explanation,
    group: Sequence[Trial],
    untrue: Sequence[Repair],
    step: Step,
    until: float,
) -> Iterator[Explanation]:
    """Explanations with repairs of what repaired statements were given, or are, in their place."""
    scenery = case.scenery(*case.recorded_with(rest.trials))
    given = _given(case, group, untrue, scenery)
    steps = 0
    few = len(rest.trials) + len(group) <= FEW
    for trial in _tried(case, rest, given, scenery, few):
        if clock.now() > until:
            return
        both = case.court.evaluated([*rest.trials, trial])
        if both.complete:
            yield both
        elif steps < MOST_STEPS and _promises(both, rest, scenery):
            steps += 1
            yield from _completed(case, both, step)
    slots = case.runner.code.program.slots
    statements = list(dict.fromkeys(slots[n].statement for n in given)) if few else []
    end = min(until, clock.now() + EDITS_SECONDS)
    for edit in statement_edits(case.runner.code.program, statements):
        if clock.now() > end:
            return
        if len(case.court.right_with([*rest.trials, edit])) == len(case.right):
            yield case.court.evaluated([*rest.trials, edit])


def _tried(
    case: Case, rest: Explanation, given: Sequence[int], scenery: Scenery, few: bool
) -> Iterator[Trial]:
    """The most promising changes of some slots."""
    scales = Scales(scenery, case.table, case.rules, case.court.scale)
    slots = case.runner.code.program.slots
    for number in given:
        turns = min(ALL_TURNS, scenery.counts.get(slots[number].place, 1))
        prober = probed(case, rest, {number: frozenset(range(turns))}, "small")
        trials = sorted(prober.trials[number].values(), key=lambda t: t.price)
        kinds = [scales.solving(trials, prober), scales.reshaping(trials)]
        if few:
            kinds.append(scales.making_known(trials))
        if slots[number].place not in scenery.counts:
            kinds.append(trials)
        yield from dict.fromkeys(t for found in kinds for t in found[:MOST_CHANGES])


def _promises(both: Explanation, rest: Explanation, scenery: Scenery) -> bool:
    """Whether a repair that is not all may be one of two: its value is known, or says nothing."""
    trial = both.trials[-1]
    assert isinstance(trial, Trial)
    silent = trial.slot.place not in scenery.counts and trial.price <= SLIP and both.score >= 0
    return silent or both.own > rest.own + 0.5


def _completed(case: Case, both: Explanation, step: Step) -> Iterator[Explanation]:
    case.deadline = clock.now() + STEP_SECONDS
    further = step(both, case.scenery(*case.recorded_with(both.trials)))
    if further is not None and further.complete:
        needless = case.court.right_with([t for t in further.trials if t is not both.trials[-1]])
        if len(needless) < len(case.right):
            yield further


def _given(
    case: Case, group: Sequence[Trial], untrue: Sequence[Repair], scenery: Scenery
) -> list[int]:
    """Slots of what repaired statements read: values none of which is true, the nearest first.

    A step on the way is none either; so where the repair is an ordinary one, only true gradients
    times a number are suspicious.

    Before them those of names whose values were not recorded or are zero, or which all of several
    statements read.
    """
    slots, own = case.runner.code.program.slots, [t.statement for t in group]
    computed = [n for n in sorted(case.backward) if slots[n].statement not in own]
    read = set.intersection(*(_names(s, ast.Load) for s in own))
    binding = [n for n in computed if _names(slots[n].statement) & read]
    if len(own) == 1:
        places = {n: slots[n].place for n in binding}
        recorded = scenery.counts.keys() - scenery.still
        binding = [n for n in binding if places[n] not in recorded]
    found = [*binding, *(t.slot.number for t in group if t in untrue)]
    doubtful = len(group) > 1 or any(t in untrue or t.change.key[0] in RESHAPING for t in group)
    wrong = (SCALED, UNKNOWN, FORWARD, ZERO) if doubtful else (SCALED,)
    for place in _before(scenery, {t.slot.place for t in group}, wrong):
        found += [n for n in computed if slots[n].place == place and slots[n].kind != "after"]
    return list(dict.fromkeys(found))[:MOST_SLOTS]


def _before(scenery: Scenery, places: set[int], states: Sequence[int]) -> list[int]:
    """Slots of the values of some states that were computed on the way to some slots."""
    waiting = [k for (place, _), k in scenery.position.items() if place in places]
    passed, found = set(waiting), dict[int, None]()
    for number in waiting:
        for k in scenery.parents[number] - passed:
            passed.add(k)
            waiting.append(k)
            if scenery.states[k] in states:
                found[scenery.record.seen[k].slot] = None
    return list(found)


def _names(statement: Statement, context: type = ast.Store) -> set[str]:
    parts = (n for n in ast.walk(statement.node) if isinstance(n, ast.Name))
    return {n.id for n in parts if isinstance(n.ctx, context)}
