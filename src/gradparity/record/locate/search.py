"""From wrong gradients to the statements that are wrong, and what should stand there."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

from gradparity.record.frontend.source import Statement
from gradparity.record.locate import clock
from gradparity.record.locate.by_running import rescaled_arrays
from gradparity.record.locate.case import Case
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.known.stages import ANY, LIKELY
from gradparity.record.locate.looks import BETTER, CHEAP, MUCH, Look, Looks
from gradparity.record.locate.refine import refined
from gradparity.record.locate.trials.definitions import at_definition, at_use
from gradparity.record.locate.trials.grants import Grant
from gradparity.record.locate.trials.probe import Trial
from gradparity.record.locate.trials.repairs import Explanation, Repair, only_moves
from gradparity.record.locate.upstream import upstream

MOST_REPAIRS = 12
FEW_REPAIRS, AS_WELL = 2, 0.5  # of fewer repairs: how many, how much less may be known with them
FITTING = 1.0  # how much more it may cost where exactly the wrong gradients depend on it
SURELY = 6.0  # by how much a repair that puts no gradient right has to improve
KNOWN = 0.7  # what it costs to change what was a true quantity
MERGING_SECONDS = 3.0
TIE = 0.3  # by how little a repair may be worse than one of a later statement
SURE = 4.5  # price of a repair up to which it is told although it is not all
HOPE = 2.5  # by how much a repair may be worse whose own value becomes known
HELPS = 1.2  # how much more is known with it
Better = Callable[[Case, Explanation], Explanation]


def explained(case: Case, start: Sequence[Repair] = ()) -> Explanation:
    """The best explanation that was found.

    Args:
        start: repairs to begin with.
    """
    now = case.court.evaluated(list(start))
    record, truth = case.recorded_with(start) if start else (case.record, case.truth)
    while not now.complete and len(now.trials) < MOST_REPAIRS:
        following = _step(case, now, case.scenery(record, truth))
        if following is None:
            break
        now = following
        if not now.complete:
            record, truth = case.recorded_with(now.trials)
    found = _safely(_refined, case, _fewest(case, now))
    found = _fewest(case, _pruned(case, found))
    return _defined(case, _safely(_upstream, case, _safely(_merged, case, found)))


def rescaled(case: Case, trials: Sequence[Repair]) -> Explanation:
    """With the division by a size that all gradients lack, if one puts them right."""
    now = case.court.evaluated(trials)
    record, truth = case.recorded_with(trials)
    for better in rescaled_arrays(case, now, case.scenery(record, truth)):
        return better
    return now


def certain(case: Case, trials: Sequence[Repair]) -> list[Repair]:
    """The repairs that are told although they are not all: without each, less is right."""
    kept = [t for t in trials if t.price <= SURE or isinstance(t, Grant)]
    for trial in list(kept):
        whole = case.court.evaluated(kept)
        fewer = case.court.evaluated([t for t in kept if t is not trial])
        if len(fewer.right) >= len(whole.right) and fewer.score >= whole.score - HELPS:
            kept.remove(trial)
    return kept


def _fewest(case: Case, found: Explanation) -> Explanation:
    """One or two of the repairs that do as well alone: they explain what the others guessed."""
    if not found.complete:
        return found
    for size in range(1, min(FEW_REPAIRS, len(found.trials) - 1) + 1):
        fewer = [case.court.evaluated(some) for some in combinations(found.trials, size)]
        equals = [e for e in fewer if e.complete and e.score >= found.score - AS_WELL]
        if equals:
            return min(equals, key=lambda e: e.total)
    return found


def _merged(case: Case, found: Explanation) -> Explanation:
    """One repair in the place of some alike that mend what came from one mistake before."""
    edits = [t for t in found.trials if isinstance(t, Trial)] if found.complete else []
    for one in edits:
        alike = [t for t in edits if _alike(one, t)]
        if len(alike) < 2 or alike[0] is not one:
            continue
        rest = case.court.evaluated([t for t in found.trials if t not in alike])
        if rest.runs:
            case.deadline = max(case.deadline, clock.now() + MERGING_SECONDS)
            scenery = case.scenery(*case.recorded_with(rest.trials))
            single = _alone(case, rest, scenery)
            if single is not None and single.complete and single.price < found.price:
                return single
    return found


def _alike(one: Trial, other: Trial) -> bool:
    """Whether two repairs do the same: a sign, a factor, an operator."""
    signs = {("negate",), ("no sign",), ("op", "Add"), ("op", "Sub")}
    keys = one.change.key, other.change.key
    return keys[0] == keys[1] or signs.issuperset(keys)


def _pruned(case: Case, found: Explanation) -> Explanation:
    """Without repairs that a later one has made needless; a grant hides what is before it."""
    for trial in list(found.trials):
        hidden = any(isinstance(t, Grant) for t in found.trials if t is not trial)
        if len(found.trials) > 1 and not (hidden and isinstance(trial, Grant)):
            fewer = case.court.evaluated([t for t in found.trials if t is not trial])
            if fewer.right >= found.right and fewer.total <= found.total + BETTER:
                found = fewer
    return found


def _defined(case: Case, found: Explanation) -> Explanation:
    """With what was put in for a name where that is bound, if it was bound to another one."""
    for trial in found.trials:
        program = case.runner.code.program
        if isinstance(trial, Trial) and trial.slot.number in case.moves:
            edit = at_use(program, trial)
            if edit is not None:
                moved = case.court.evaluated([edit if t is trial else t for t in found.trials])
                found = moved if moved.right >= found.right else found
                continue
        edit = at_definition(program, trial) if isinstance(trial, Trial) else None
        if edit is not None and not _known_without(case, found, trial, edit.statement):
            moved = case.court.evaluated([edit if t is trial else t for t in found.trials])
            if moved.right >= found.right:
                found = moved
    return found


def _known_without(case: Case, found: Explanation, trial: Repair, statement: Statement) -> bool:
    """Whether all that a statement yields is true without a repair behind it, and whole."""
    if isinstance(trial, Trial) and trial.adds:
        return False
    others = [t for t in found.trials if t is not trial]
    if not case.court.evaluated(others).runs:
        return False
    record, truth = case.recorded_with(others)
    scenery, slots = case.scenery(record, truth), case.runner.code.program.slots
    places = {s.place for s in slots if s.statement is statement and s.kind == "value"}
    return bool(places) and not places & set(scenery.first)


def _safely(better: Better, case: Case, found: Explanation) -> Explanation:
    """A better explanation; after a fault of ours in looking for it, which is told, the same."""
    try:
        return better(case, found)
    except Exception as error:
        case.failed(error)
        return found


def _refined(case: Case, found: Explanation) -> Explanation:
    return refined(case, found, partial(_alone, case))


def _upstream(case: Case, found: Explanation) -> Explanation:
    return upstream(case, found, partial(_alone, case))


def _alone(case: Case, now: Explanation, scenery: Scenery) -> Explanation | None:
    return _step(case, now, scenery, alone=True)


def _step(
    case: Case, now: Explanation, scenery: Scenery, alone: bool = False
) -> Explanation | None:
    """One more repair, or several that do not depend on each other.

    Args:
        now: what explains the gradients so far.
        scenery: of it.
        alone: one repair more is known to be enough.
    """
    better: list[Explanation] = []
    hopeful: list[Explanation] = []
    for look in Looks(case, now, scenery, better, alone).all():
        for found in _found(case, look):
            if found.total < now.total - BETTER and not _in_vain(found, scenery):
                better.append(found)
                cheap = found.price - now.price <= CHEAP and not _spoils(found, scenery)
                if cheap and found.complete:
                    return found
            elif _hopeful(found, now, scenery):
                hopeful.append(found)
        better[:] = _simplest(better)
        better.sort(key=lambda e: (round(e.total, 1), e.trials[-1].statement.number))
        if better and _convinces(case, better[0], now, scenery, look):
            break
        if clock.now() > case.deadline:
            break
    if better:
        return _combined(case, better, scenery)
    onwards = hopeful if now.trials and not alone else []
    return min(onwards, key=lambda e: e.total, default=None)


def _hopeful(found: Explanation, now: Explanation, scenery: Scenery) -> bool:
    """Whether it makes a value known although nothing follows: the next mistake may hide it."""
    likely = found.total < now.total + HOPE and found.own > now.own + 0.5
    return likely and not _spoils(found, scenery) and not _in_vain(found, scenery)


def _found(case: Case, look: Look) -> Iterator[Explanation]:
    """What a look finds; a fault of ours in it ends it, and is told."""
    try:
        yield from look.found
    except Exception as error:
        case.failed(error)


def _in_vain(found: Explanation, scenery: Scenery) -> bool:
    """Whether the last repair changes a returned gradient itself and leaves it wrong.

    Or makes nothing of what is computed once: without a wrong value more is true, but no repair.
    """
    repair = found.trials[-1]
    if not isinstance(repair, Trial) or found.complete:
        return False
    once = scenery.counts.get(repair.slot.place) == 1
    if once and repair.values and not any(v.any() for v in repair.values.values()):
        return True
    returned = scenery.returned.get(repair.slot.place)
    return returned is not None and returned not in found.right


def _combined(case: Case, better: Sequence[Explanation], scenery: Scenery) -> Explanation:
    """The best, with the other ones that improve on it still."""
    best = better[0]
    if best.complete:
        complete = [e for e in better if e.complete]
        weighed = [(e.total + KNOWN * _was_known(e, scenery), e) for e in complete]
        least = min(total for total, _ in weighed)
        equals = [(e.trials[-1].statement.number, total, e) for total, e in weighed]
        within = [e for e in equals if e[1] <= least + TIE]
        return min(within, key=lambda e: e[:2])[2]
    taken = {best.trials[-1].statement.number}
    for other in better[1:]:
        repair = other.trials[-1]
        if repair.statement.number in taken:
            continue
        taken.add(repair.statement.number)
        both = case.court.evaluated([*best.trials, repair])
        enough = BETTER if both.right > best.right else MUCH
        if both.total < best.total - enough and both.right >= best.right:
            best = both
    return best


def _convinces(
    case: Case, best: Explanation, now: Explanation, scenery: Scenery, look: Look
) -> bool:
    """Whether it is not worth looking further."""
    if look.enough < ANY and (_spoils(best, scenery) or only_moves(best.trials[-1])):
        return False
    if not best.complete:
        more, better = len(best.right) - len(now.right), now.total - best.total
        likely = best.price - now.price <= max(look.enough, look.partly)
        helps = more >= look.rights or (more >= 0 and better > SURELY)
        return likely and better > look.gain and helps
    repair = best.trials[-1]
    wrong = frozenset(case.right) - now.right
    fits = isinstance(repair, Trial) and not scenery.misfit(repair.slot.place, wrong)
    bonus = FITTING if fits and look.enough >= LIKELY else 0.0
    return best.price - now.price <= look.enough + bonus


def _simplest(better: Sequence[Explanation]) -> list[Explanation]:
    """Of repairs that make a slot yield the same, the cheapest, with the best score of them."""
    groups: dict[Hashable, list[Explanation]] = defaultdict(list)
    for found in better:
        groups[found.made or id(found)].append(found)
    simplest = []
    for group in groups.values():
        cheapest = min(group, key=lambda e: (e.price, e.total))
        alike = [e.score for e in group if e.right == cheapest.right]
        simplest.append(replace(cheapest, score=max(alike)))
    return simplest


def _was_known(found: Explanation, scenery: Scenery) -> bool:
    """Whether the last repair changes what was a true quantity when it was executed first.

    A sum that lacks a term is a true quantity too: a part of the gradient.
    """
    repair = found.trials[-1]
    if not isinstance(repair, Trial) or repair.adds:
        return False
    return scenery.first.get(repair.slot.place) != 0


def _spoils(found: Explanation, scenery: Scenery) -> bool:
    """Whether the last repair changes what was a true quantity into what is none."""
    repair = found.trials[-1]
    known = isinstance(repair, Trial) and repair.slot.place not in scenery.first
    return known and found.own < len(found.trials) - 0.01
