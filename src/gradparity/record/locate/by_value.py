"""Changes of expressions, weighed by their values before they are run."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest

import numpy as np

from gradparity.record.locate import clock
from gradparity.record.locate.case import Case
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.known.stages import Turns
from gradparity.record.locate.trials.probe import Again, Prober, Trial
from gradparity.record.locate.trials.repairs import PER_WORTH, Explanation
from gradparity.record.locate.trials.solve import MOST_TURNS, Solver, aims_of
from gradparity.record.locate.trials.weigh import Scales
from gradparity.record.run.runs import Plain

RUN_SECONDS = 1.5  # for running the most promising changes of a stage
FEWEST, MOST = 16, 160  # changes of a stage that are run
BETTER, MUCH = 0.5, 2.0  # by how much a repair has to improve
RIVAL = 3.0  # how much dearer a change may be that is held against one that helps
MOST_KNOWN = 6  # changes of a slot that make it known that are run
COUPLES_SECONDS = 5.0
SOLVING_SECONDS, MOST_SOLVED = 1.5, 24
SLIP = 2.7  # price of a change that may be one of two
Simpler = dict[int, dict[tuple, float]]


def local(
    case: Case, now: Explanation, turns: Turns, scales: Scales, kind: str, simpler: Simpler
) -> Iterator[Explanation]:
    """Changes that make a first unknown value a true quantity that was nowhere yet."""
    prober = probed(case, now, turns, kind)
    moving = [t for n in turns if n in case.moves for t in prober.trials[n].values()]
    gains = scales.gains(moving, prober)
    moving.sort(key=lambda t: t.price - PER_WORTH * gains.get(t, 0.0))
    shaped = sorted((t for t in moving if not t.values), key=lambda t: t.price)
    for trial in dict.fromkeys([*moving[:MOST_KNOWN], *shaped[:MOST_KNOWN]]):
        yield case.court.evaluated([*now.trials, trial])
    for number in turns:
        trials = prober.trials[number].values()
        for trial in _righting(case, number, trials, scales.scenery):
            yield case.court.evaluated([*now.trials, trial])
        dropping = scales.newly_known([t for t in trials if t.simplifies])
        for trial in sorted(dropping, key=lambda t: t.price)[:MOST_KNOWN]:
            found = case.court.evaluated([*now.trials, trial])
            if found.total < now.total - MUCH:  # else it may well be a step on the way
                yield found
        had = simpler.setdefault(number, {})
        had.update({_signature(t): t.price for t in dropping})
        known = scales.newly_known([t for t in trials if not t.simplifies])
        known = [t for t in known if _says_more(t) or t.price <= had.get(_signature(t), t.price)]
        most = MOST_KNOWN * (3 if kind == "twice" else 1)
        enough = float("inf")
        for trial in sorted(known, key=lambda t: t.price)[:most]:
            if trial.price > enough:
                break
            found = case.court.evaluated([*now.trials, trial])
            yield found
            if found.total < now.total - BETTER:
                enough = min(enough, trial.price + RIVAL)
            if found.complete:
                break


def _righting(case: Case, number: int, trials: Collection[Trial], scenery: Scenery) -> list[Trial]:
    """Changes that make a returned gradient what it should be, the likeliest first."""
    place = case.runner.code.program.slots[number].place
    path = scenery.returned.get(place)
    if path is None:
        return []
    right = case.right[path]
    found = [
        t
        for t in trials
        if any(case.court.equal(v, right) for v in (*t.values.values(), *t.reshaped.values()))
    ]
    return sorted(found, key=lambda t: t.price)[:2]


def tried(
    case: Case, now: Explanation, turns: Turns, scales: Scales, kind: str, hasty: bool = False
) -> Iterator[Explanation]:
    """The most promising changes of some slots, run; in haste only a few."""
    prober = probed(case, now, turns, kind)
    trials = _simplest([t for n in turns for t in prober.trials[n].values()])
    if kind == "deep":
        trials = scales.making_known(trials) + scales.solving(trials, prober)
    solving = scales.solving(trials, prober)
    most = solving[0].price + 0.5 if solving else None
    rivals = [t for t in trials if most is None or t.price <= most]
    gains = {} if solving else scales.gains(rivals, prober)
    solving += _repeated(case, now, rivals, gains, scales)
    if solving:
        cheapest = min(t.price for t in solving)
        chosen = [t for t in solving if t.price <= cheapest + 1.0]
    else:
        gaining = [t for t in rivals if gains.get(t, 0.0) > 1e-6]
        gaining.sort(key=lambda t: t.price - PER_WORTH * gains[t])
        silent = [t for t in trials if t.slot.place not in scales.scenery.counts]
        known = set(scales.making_known(silent))
        silent.sort(key=lambda t: (t not in known, t.price))
        chosen = [*gaining[: MOST // 2], *scales.reshaping(trials), *silent]
        if hasty:
            chosen = [*gaining[:FEWEST], *silent, *scales.reshaping(trials)[:FEWEST]]
        chosen = [*scales.recurring(trials), *chosen]
    budget = int(np.clip(RUN_SECONDS / case.court.pace, FEWEST, MOST))
    for trial in _distinct(chosen)[:budget]:
        if clock.now() < case.deadline:
            yield case.court.evaluated([*now.trials, trial])


def _repeated(
    case: Case, now: Explanation, trials: Sequence[Trial], gains: Mapping, scales: Scales
) -> list[Trial]:
    """Changes of often executed statements that solve when tried at every execution."""
    repeating = scales.worth_repeating(trials, gains, PER_WORTH)
    if not repeating:
        return []
    code, version = case.runner.code, case.court.version(now.trials)
    again = Again(code.program, code.files, version.patches, version.codes, repeating)
    case.runner.plain(again)
    return scales.solving([t for ts in repeating.values() for t in ts], again)


def couples(case: Case, now: Explanation, turns: Turns, scales: Scales) -> Iterator[Explanation]:
    """Two slips that put all right together, of which none does anything alone."""
    until = min(case.deadline, clock.now() + COUPLES_SECONDS)
    first = probed(case, now, turns, "slips")
    trials = [t for n in turns for t in first.trials[n].values() if scales.complete(t)]
    for one in _in_turns(trials):
        if clock.now() > until:
            return
        others = {n: t for n, t in turns.items() if n != one.slot.number}
        with_one = Explanation([*now.trials, one])
        try:
            prober, plain = _probed_run(case, with_one, others, "slips")
        except Exception:  # the subject cannot be run so
            continue
        wanted = scales.scenery.response.lacking(case.right, plain.gradients)
        if wanted is None:
            continue
        second = [t for n in others for t in prober.trials[n].values()]
        for two in scales.solving(second, prober, wanted)[:2]:
            yield case.court.evaluated([*now.trials, one, two])


def solved(
    case: Case, now: Explanation, among: Collection[int], scenery: Scenery
) -> Iterator[Explanation]:
    """Products in operands' places that do what the gradients lack."""
    wrong = sorted(frozenset(case.right) - now.right)
    slots = case.runner.code.program.slots
    counts = {n: scenery.counts[slots[n].place] for n in among}
    every = {n: frozenset(range(c)) for n, c in counts.items() if c <= MOST_TURNS}
    code, version = case.runner.code, case.court.version(now.trials)
    aims = aims_of(scenery, wrong)
    if not aims:  # the gradients have other shapes, so nothing can be held to them
        return
    solver = Solver(
        code.program, code.files, every, case.pure, version.patches, version.codes,
        min(case.deadline, clock.now() + SOLVING_SECONDS), "", case.table,
    ).asked(scenery, aims)  # fmt: skip
    case.runner.plain(solver)
    for trial in solver.found()[:MOST_SOLVED]:
        yield case.court.evaluated([*now.trials, trial])


def probed(case: Case, now: Explanation, turns: Turns, kind: str) -> Prober:
    """What changes of some slots would yield, in a run with some repairs."""
    return _probed_run(case, now, turns, kind)[0]


def _probed_run(case: Case, now: Explanation, turns: Turns, kind: str) -> tuple[Prober, Plain]:
    code, version = case.runner.code, case.court.version(now.trials)
    prober = Prober(
        code.program, code.files, turns, case.pure, version.patches, version.codes,
        case.deadline, kind, case.table,
    )  # fmt: skip
    return prober, case.runner.plain(prober)


def _in_turns(trials: Sequence[Trial]) -> Iterator[Trial]:
    """The likeliest of every slot, then the second likeliest, and so on."""
    slots: dict[int, list[Trial]] = defaultdict(list)
    for trial in sorted(trials, key=lambda t: t.price):
        if trial.price <= SLIP:
            slots[trial.slot.number].append(trial)
    for row in zip_longest(*slots.values()):
        yield from sorted((t for t in row if t is not None), key=lambda t: t.price)


def _simplest(trials: Sequence[Trial]) -> list[Trial]:
    """Without changes that only make what leaving something out makes as well."""
    had: dict[tuple, float] = {}
    for t in trials:
        if t.simplifies:
            key = (t.slot.number, *_signature(t))
            had[key] = min(t.price, had.get(key, t.price))
    if not had:
        return list(trials)
    known = ((t, had.get((t.slot.number, *_signature(t)), t.price)) for t in trials)
    return [t for t, price in known if t.simplifies or _says_more(t) or t.price <= price]


def _says_more(trial: Trial) -> bool:
    """Whether it may differ from leaving something out later: a carry is zero to begin with."""
    return trial.change.key[0] == "replace"


def _signature(trial: Trial) -> tuple:
    """Tells changes apart by what they make of a slot's values."""
    values = sorted({**trial.reshaped, **trial.values}.items())
    return tuple((turn, np.round(v, 9).tobytes()) for turn, v in values)


def _distinct(trials: Sequence[Trial]) -> list[Trial]:
    found: dict[tuple, Trial] = {}
    for t in trials:
        found.setdefault((t.slot.number, t.key), t)
    return list(found.values())
