"""Which of a program's slots belong to the backward pass, and which to both."""

import ast
from collections.abc import Sequence

import numpy as np

from gradparity.record.frontend.source import Program, Slot
from gradparity.record.graph.truth import Truth
from gradparity.record.run.runs import Record, Runner


def backward_slots(runner: Runner, record: Record, truth: Truth) -> set[int]:
    """Slots whose values the loss does not depend on, with the others of their statements."""
    slots = runner.code.program.slots
    end = max(int(places.max()) for places, _ in record.seeds)
    before = {id(slots[s.slot].statement.scope) for s in record.seen if s.size <= end + 1}
    late = {s.slot for s in record.seen if s.size > end + 1}
    early = {s.slot for s in record.seen if s.size <= end + 1}
    found = {n for n in late if id(slots[n].statement.scope) not in before}
    statements = set()
    for s in record.seen:
        if not truth.of_forward(s.provenance):
            found.add(s.slot)
            statements.add(slots[s.slot].statement.number)
    scopes = {id(slots[n].statement.scope) for n in found}
    names = (ast.Name, ast.Attribute, ast.Subscript)
    found |= {
        n
        for n in late - early
        if id(slots[n].statement.scope) in scopes and not isinstance(slots[n].expression, names)
    }
    found |= {s.slot for s in record.seen if slots[s.slot].statement.number in statements}
    found |= _constants(found, slots, {s.slot for s in record.seen})
    return found | {s.number for s in slots if s.after in found}


def in_both_passes(record: Record, truth: Truth) -> set[int]:
    """Slots of functions that the forward pass calls too: a change there changes the loss."""
    forward, backward = set(), set()
    for s in record.seen:
        if not truth.of_forward(s.provenance):
            backward.add(s.slot)
        elif int(s.provenance.max()) >= s.size - 1:  # it was computed there
            forward.add(s.slot)
    return forward & backward


def moves_beside(backward: set[int], program: Program, record: Record, truth: Truth) -> set[int]:
    """Slots that only name a forward value, in a block with some of the backward pass."""
    blocks = {id(program.slots[n].statement.node) for n in backward}
    beside: set[int] = set()
    for tree in program.trees.values():
        for node in ast.walk(tree):
            for name in ("body", "orelse"):
                block = getattr(node, name, None)
                if isinstance(block, list) and blocks & set(map(id, block)):
                    beside |= set(map(id, block))
    computed = {s.slot for s in record.seen if int(s.provenance.max()) >= s.size - 1}
    names = (ast.Name, ast.Attribute, ast.Subscript)
    return {
        s.slot
        for s in record.seen
        if s.slot not in backward | computed
        and isinstance(program.slots[s.slot].expression, names)
        and id(program.slots[s.slot].statement.node) in beside
        and truth.of_forward(s.provenance)
    }


def naming(backward: set[int], program: Program, record: Record, truth: Truth) -> set[int]:
    """Slots of the backward pass that do nothing but name a part of a forward value."""
    others = {s.slot for s in record.seen if not truth.of_forward(s.provenance)}
    return {
        s.slot
        for s in record.seen
        if s.slot in backward - others
        and program.slots[s.slot].kind == "value"
        and isinstance(program.slots[s.slot].expression, ast.Attribute | ast.Subscript | ast.IfExp)
    }


def _constants(found: set[int], slots: Sequence[Slot], seen: set[int]) -> set[int]:
    """Slots whose values are plain numbers, behind the forward pass in a function of these."""
    first: dict[int, int] = {}
    for number in sorted(found, reverse=True):
        if slots[number].statement.scope is not None:
            first[id(slots[number].statement.scope)] = number
    forward = sorted(seen - found)
    first |= {
        scope: number
        for number in forward
        if number < first.get(scope := id(slots[number].statement.scope), 0)
    }
    values = ("value", "element", "argument", "return")
    return {
        s.number
        for s in slots
        if s.number not in seen
        and s.kind in values
        and s.number > first.get(id(s.statement.scope), len(slots))
        and not isinstance(s.expression, ast.Constant)
    }


def shared(record: Record) -> set[int]:
    """Slots whose values are written into later, under this name or another."""
    writes = np.array(record.writes, dtype=np.int64).reshape(-1, 3)
    found = set()
    for s in record.seen:
        if s.slot not in found:
            later = writes[:, 2] >= s.size
            if ((writes[:, 0] < s.span[1]) & (writes[:, 1] > s.span[0]) & later).any():
                found.add(s.slot)
    return found
