"""Where the fault may be when no change explains it."""

import ast
from collections.abc import Sequence

import numpy as np

from gradparity.record.frontend.source import Slot, Statement
from gradparity.record.graph.nodes import Array
from gradparity.record.locate.case import Case
from gradparity.record.locate.known.recognise import EXACT, fingerprints
from gradparity.record.locate.trials.repairs import Repair
from gradparity.record.run.runs import Record

MOST_SUSPECTS = 12


def suspects(case: Case, trials: Sequence[Repair]) -> list[Statement]:
    """Statements one of which is wrong besides some repairs: the first unknown values' ones."""
    record, truth = case.recorded_with(trials)
    shaped = _of_wrong_shape(case, record)
    if shaped:
        return shaped
    scenery = case.scenery(record, truth)
    slots = case.runner.code.program.slots
    right = case.court.evaluated(trials).right
    found: dict[Statement, None] = {}
    for number in np.argsort(scenery.depth, kind="stable")[:MOST_SUSPECTS]:
        seen = record.seen[number]
        along = scenery.response.along.get((seen.slot, seen.turn))
        moves = scenery.helping[number]
        blames = not scenery.reached.get(seen.slot, frozenset()) & right
        near = scenery.depth[number] <= 1 and not moves and blames
        if near and along is not None and along.any():
            found[slots[seen.slot].statement] = None
    if not found:
        acting = [n for n in sorted(case.backward) if scenery.acts(slots[n].place)]
        computing = [n for n in acting if n not in scenery.returned]
        acting = computing or acting
        found = {slots[n].statement: None for n in acting[-3:] or _returning(case)}
    return list(found)


def _returning(case: Case) -> list[int]:
    """Slots of what the functions of the backward pass return, the last one's."""
    slots = case.runner.code.program.slots
    return [n for n in sorted(case.backward) if slots[n].kind == "return"][-1:]


def _of_wrong_shape(case: Case, record: Record) -> list[Statement]:
    """The statements that made the gradients whose shape is wrong, behind their names."""
    slots = case.runner.code.program.slots
    found: dict[Statement, None] = {}
    for path, right in case.right.items():
        places = record.gradients[path]
        if places.shape == right.shape:
            continue
        value = record.graph.values(places)
        same = [
            slots[s.slot]
            for s in record.seen
            if s.provenance.shape == places.shape
            and np.array_equal(record.graph.values(s.provenance), value)
        ]
        if same:
            found[_where_made(case, same, value)] = None
    return list(found)


def _where_made(case: Case, slots: Sequence[Slot], value: Array) -> Statement:
    """Where a value of the wrong shape was made; if it is a true quantity, where it was named."""
    states, _, _ = case.table.states(fingerprints([value]))
    if states[0] != EXACT:
        return slots[0].statement
    made = slots[0].statement
    named = (s for s in slots if s.statement is not made and _names(s))
    return next((s.statement for s in named), _binding(case, slots[-1]))


def _names(slot: Slot) -> bool:
    """Whether it only gives a value another name."""
    return slot.kind in ("value", "element", "return") and isinstance(slot.expression, ast.Name)


def _binding(case: Case, slot: Slot) -> Statement:
    """Of a name that is handed on, the last statement that bound it."""
    name = slot.expression.id if isinstance(slot.expression, ast.Name) else None
    binding = [
        s
        for s in case.runner.code.program.statements
        if s.scope is slot.statement.scope
        and s.line < slot.statement.line
        and isinstance(s.node, ast.Assign)
        and name in [n.id for n in ast.walk(s.node) if isinstance(n, ast.Name)
                     and isinstance(n.ctx, ast.Store)]
    ]  # fmt: skip
    return binding[-1] if binding else slot.statement
