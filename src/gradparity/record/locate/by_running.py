"""Changes that no value shows: statements left out, moved or replaced, judged by running alone."""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from gradparity.record.frontend.source import Program, Slot, Statement
from gradparity.record.locate import clock
from gradparity.record.locate.case import Case
from gradparity.record.locate.edits.added import handed_on, rescalings
from gradparity.record.locate.edits.by_name import readings, siblings
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.edits.statements import statement_edits
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.known.stages import FEW, Turns
from gradparity.record.locate.trials.carried import Carrier, joined, loops_of
from gradparity.record.locate.trials.grants import grants
from gradparity.record.locate.trials.missing import Gatherer, additions, last_slots
from gradparity.record.locate.trials.repairs import Explanation, mended_statement

STATEMENT_SECONDS, NAMING_SECONDS, GRANTING_SECONDS = 4.5, 1.0, 1.5
SIBLING_SECONDS = 1.0
MOST = 160  # changes of a kind that are run
BESIDE = 1.0  # what a change costs more where no value of the backward pass is
NAMES = (ast.Name, ast.Attribute, ast.Subscript)  # what only hands a value on
Edits = Callable[[Program, Sequence[Statement]], Iterator[StatementEdit]]


def unused(case: Case, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
    """Statements that hand on what is computed, true, and used by nobody."""
    slots = case.runner.code.program.slots
    taken = {t.statement.number for t in now.trials}
    dead = [
        slots[n].statement
        for n in sorted(case.backward)
        if slots[n].kind in ("value", "element")
        and slots[n].place in scenery.counts
        and not scenery.acts(slots[n].place)
        and scenery.known(slots[n].place, 0)
        and slots[n].statement.number not in taken
    ]
    still = {slots[n].statement for n in scenery.still}
    for statement in dict.fromkeys(dead):
        for edit in islice(handed_on(statement, still), MOST):
            yield case.court.evaluated([*now.trials, edit])


def unread(case: Case, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
    """What is computed and depends on parameters, but no gradient on it, read where it may be."""
    slots = case.runner.code.program.slots
    dead = [
        slots[n].statement
        for n in sorted(case.backward)
        if slots[n].kind in ("value", "element", "addend")
        and slots[n].place in scenery.counts
        and slots[n].place not in scenery.still
        and not scenery.acts(slots[n].place)
    ]
    taken = {t.statement.number for t in now.trials}
    end = clock.now() + NAMING_SECONDS
    for edit in readings(case.runner.code.program, list(dict.fromkeys(dead))):
        if clock.now() > end:
            return
        if edit.statement.number not in taken:
            yield case.court.evaluated([*now.trials, edit])


def left_out(case: Case, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
    """Statements that add what gradients lack."""
    code, version, graph = (
        case.runner.code,
        case.court.version(now.trials),
        scenery.record.graph,
    )
    lacking = [
        truly - graph.values(scenery.record.gradients[p])
        for p, truly in case.right.items()
        if p not in now.right and scenery.record.gradients[p].shape == truly.shape
    ]
    slots = last_slots(code.program, case.backward)
    shapes = {lack.shape for lack in lacking}
    gathered = Gatherer(code.program, code.files, version.patches, version.codes, slots, shapes)
    case.runner.plain(gathered)
    for edit in islice(additions(gathered, lacking), MOST):
        yield from case.if_more_right(now, edit)
    loops = loops_of(code.program, case.backward)
    carrier = Carrier.of(code, version, loops, case.table)
    case.runner.plain(carrier)
    for edit in carrier.found[:MOST]:
        yield from case.if_more_right(now, edit)


def left_out_of_loops(case: Case, now: Explanation) -> Iterator[Explanation]:
    """Sums left out at the beginning of a loop."""
    for edit in islice(joined(case.runner.code.program, case.backward), MOST):
        yield from case.if_more_right(now, edit)


def rescaled_arrays(case: Case, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
    """A size by which an array was to be divided, where all gradients lack the same factor."""
    factor = _common_factor(case, scenery)
    if now.right or factor is None:
        return
    clips = {case.runner.code.program.slots[n].statement for n in case.runner.base}
    behind = [s for s in case.late() if s not in clips]
    for edit in islice(rescalings(behind, factor), MOST):
        if len(case.court.right_with([*now.trials, edit])) == len(case.right):
            yield case.court.evaluated([*now.trials, edit])


def _common_factor(case: Case, scenery: Scenery) -> float | None:
    """What all gradients are times the right ones, if they are."""
    graph, places = scenery.record.graph, scenery.record.gradients
    found = {p: graph.values(places[p]) for p in case.right}
    factors = [
        float((found[p] * truly).sum() / (truly**2).sum())
        for p, truly in case.right.items()
        if found[p].shape == truly.shape and truly.any()
    ]
    if not factors or np.ptp(factors) > 1e-6 * abs(factors[0]):
        return None
    alike = (
        case.court.equal(found[p], factors[0] * truly)
        for p, truly in case.right.items()
        if found[p].shape == truly.shape
    )
    return factors[0] if all(alike) else None


def named(case: Case, now: Explanation, edits: Edits, early: bool = False) -> Iterator[Explanation]:
    """Other names in the functions of the backward pass, where no value shows them."""
    statements: Sequence[Statement] = case.late()
    if early:
        scopes, called = {id(s.scope) for s in statements}, _called(statements)
        statements = [
            s
            for s in case.runner.code.program.statements
            if id(s.scope) in scopes or (s.scope is not None and s.scope.name in called)
        ]
    end = clock.now() + NAMING_SECONDS
    for edit in edits(case.runner.code.program, statements):
        if clock.now() > end:
            return
        yield from case.if_more_right(now, edit)


def _called(statements: Sequence[Statement]) -> set[str]:
    """Names of the functions that some statements call."""
    calls = (n for s in statements for n in ast.walk(s.node) if isinstance(n, ast.Call))
    return {n.func.id for n in calls if isinstance(n.func, ast.Name)}


def like_siblings(case: Case, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
    """Statements as those beside them are written; repaired ones as they are then.

    Of those that wrong gradients depend on.
    """
    slots, wrong = case.runner.code.program.slots, frozenset(case.right) - now.right
    doubtful = [
        slots[n].statement
        for n in sorted(case.backward)
        if scenery.reached.get(slots[n].place, frozenset()) & wrong
    ]
    mended = {t.statement: mended_statement(t) for t in now.trials}
    end = clock.now() + SIBLING_SECONDS
    for edit in siblings(case.runner.code.program, list(dict.fromkeys(doubtful)), mended):
        if clock.now() > end:
            return
        yield from case.if_more_right(now, edit)


def fitting_statements(case: Case, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
    """Changes of the few statements of which exactly the wrong gradients depend."""
    misfits = _misfits(case, now, scenery)
    fitting = [s for s, misfit in misfits.items() if misfit == 0]
    if len(fitting) <= FEW:
        yield from _edited(case, now, fitting, misfits, STATEMENT_SECONDS / 3)


def granted(case: Case, now: Explanation, turns: Turns, scenery: Scenery) -> Iterator[Explanation]:
    """What some slots may have to yield, put there: something behind it has to become known."""
    slots = case.runner.code.program.slots
    shapes = computed(slots, turns, scenery)
    end = clock.now() + GRANTING_SECONDS
    for grant in grants(case.families, slots, shapes):
        if clock.now() > min(end, case.deadline):
            return
        yield case.court.evaluated([*now.trials, grant])


def computed(
    slots: Sequence[Slot], among: Iterable[int], scenery: Scenery
) -> dict[int, tuple[tuple[int, ...], int]]:
    """The shape of what each slot computes, and how often; what only hands on is left out."""
    found = {}
    for number in among:
        seen = scenery.seen.get((slots[number].place, 0))
        if seen is not None and not isinstance(slots[number].expression, NAMES):
            found[number] = (seen.provenance.shape, scenery.counts[slots[number].place])
    return found


def whole_statements(case: Case, now: Explanation, scenery: Scenery) -> Iterator[Explanation]:
    """Changes of whole statements that put more gradients right."""
    program = case.runner.code.program
    misfits = _misfits(case, now, scenery)
    ordered = sorted(misfits, key=lambda s: misfits[s])
    scopes = {id(s.scope) for s in ordered}
    inside = [s for s in program.statements if s.scope is not None]
    ordered += [*(s for s in inside if id(s.scope) in scopes), *inside]
    single = min(misfits.values(), default=1) == 0
    seconds = STATEMENT_SECONDS if single else STATEMENT_SECONDS / 3
    yield from _edited(case, now, ordered, misfits, seconds)


def _misfits(case: Case, now: Explanation, scenery: Scenery) -> dict[Statement, int]:
    """For each statement of the backward pass how ill it fits the gradients that are wrong."""
    wrong = frozenset(case.right) - now.right
    found: dict[Statement, int] = {}
    for n in case.backward:
        slot = case.runner.code.program.slots[n]
        if slot.kind != "after":
            known = found.get(slot.statement, len(case.right))
            found[slot.statement] = min(known, scenery.misfit(slot.place, wrong))
    return found


def _edited(
    case: Case, now: Explanation, statements: Sequence[Statement],
    backward: Collection[Statement], seconds: float,
) -> Iterator[Explanation]:  # fmt: skip
    taken = {t.statement.number for t in now.trials}
    wanted = [s for s in dict.fromkeys(statements) if s.number not in taken]
    end = clock.now() + seconds
    for edit in statement_edits(case.runner.code.program, wanted):
        if clock.now() > end:
            return
        if edit.statement not in backward:
            edit.price += BESIDE
        yield from case.if_more_right(now, edit)
