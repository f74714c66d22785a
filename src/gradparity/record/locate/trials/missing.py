"""A statement left out: what it would have added to a gradient is found by its value.

At the end of every block all small expressions are added up over its executions. One whose sum is
what a returned gradient lacks is what was to be added, there and to that gradient's array.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from types import CodeType, FrameType
from typing import Any

import numpy as np

from gradparity.record.frontend.hooks import Hooks, Patch
from gradparity.record.frontend.nodes import copied
from gradparity.record.frontend.source import Program, Slot, Statement
from gradparity.record.graph.nodes import Array
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.atoms import Atom, atoms_of, is_value
from gradparity.record.locate.edits.products import matrix_products
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.trials.probe import local_names

CLOSE = 1e-7
PRICE, NAMED = 4.0, 0.3  # of a statement that adds something; less where that has a name
MOST_TURNS = 300


class Behind(Hooks):
    """Looks at what is there once some slots have been evaluated."""

    def e(self, number: int) -> Any:
        """Evaluate the slot, and look."""
        frame = sys._getframe(1)
        if number in self.patches:
            return self.patches[number].value(frame)
        found = self.evaluated(number, frame)
        self.behind(self.program.slots[number], frame)
        return found

    def behind(self, slot: Slot, frame: FrameType) -> None:
        """What to look for behind a slot."""
        raise NotImplementedError


def real_values(atoms: Sequence[Atom], names: dict[str, Any]) -> list[tuple[str, Any]]:
    """What has a name and real numbers for its value here."""
    found = []
    for atom in atoms:
        try:
            value = eval(atom.code, names)
        except Exception:  # an index out of range, a name that is not bound yet
            continue
        if is_value(value) and np.asarray(value).dtype.kind == "f":
            found.append((atom.text, value))
    return found


class Gatherer(Behind):
    """Adds up, over the executions of some slots, everything small that has a wanted shape.

    Args:
        program, files, patches, codes: of the run.
        slots: where, by number.
        shapes: of the gradients that lack something.
    """

    def __init__(
        self,
        program: Program,
        files: frozenset[str],
        patches: Mapping[int, Patch],
        codes: Mapping[CodeType, CodeType],
        slots: Sequence[int],
        shapes: set[tuple[int, ...]],
    ) -> None:
        super().__init__(program, files, patches, codes)
        self.shapes = shapes
        self.sums: dict[tuple[int, str, tuple[int, ...]], Array] = {}
        self.targets: dict[int, list[tuple[str, tuple[int, ...]]]] = {}
        self._turns: dict[int, int] = defaultdict(int)
        self._atoms: dict[int, list[Atom]] = {}
        self.look_into(slots)

    def behind(self, slot: Slot, frame: FrameType) -> None:
        """Add up what is small."""
        self._turns[slot.number] += 1
        if self._turns[slot.number] > MOST_TURNS:
            return
        local = local_names(slot, frame)
        if slot.number not in self._atoms:
            self._atoms[slot.number] = atoms_of(slot.statement.scope, local, {})
        values = real_values(self._atoms[slot.number], {**frame.f_globals, **local})
        own = [(text, np.shape(v)) for text, v in values if np.shape(v) in self.shapes]
        self.targets.setdefault(slot.number, own)
        for text, value in self._small(values):
            key = (slot.number, text, np.shape(value))
            self.sums[key] = self.sums.get(key, 0.0) + value

    def _small(self, values: list[tuple[str, Any]]) -> Iterator[tuple[str, Array]]:
        for text, value in values:
            if np.shape(value) in self.shapes:
                yield text, np.array(value)
            for axis in range(np.ndim(value)):
                if value.shape[:axis] + value.shape[axis + 1 :] in self.shapes:
                    yield f"{text}.sum(axis={axis})", value.sum(axis=axis)
        for shape in self.shapes:
            for _, _, text, run, _ in matrix_products(values, shape):
                yield text, run()


def last_slots(program: Program, slots: frozenset[int]) -> list[int]:
    """Of every block with one of these slots, the last one."""
    blocks: dict[int, int] = {}
    for tree in program.trees.values():
        for node in ast.walk(tree):
            for name in ("body", "orelse"):
                block = getattr(node, name, None)
                if not isinstance(block, list):
                    continue
                inside = {id(part) for part in block}
                here = [n for n in slots if id(program.slots[n].statement.node) in inside]
                kept = [n for n in here if program.slots[n].code is not None]
                if kept:
                    blocks[id(block)] = max(kept)
    return sorted(set(blocks.values()))


def additions(gathered: Gatherer, lacking: Sequence[Array]) -> Iterator[StatementEdit]:
    """Statements that would add what gradients lack."""
    for (number, text, shape), total in gathered.sums.items():
        for lack in lacking:
            size = float(np.abs(lack).max(initial=0.0))
            fits = shape == lack.shape and size > 0
            if not fits or np.abs(total - lack).max() > CLOSE * size:
                continue
            statement = gathered.program.slots[number].statement
            for target, there in gathered.targets.get(number, []):
                if there == lack.shape and target != text:
                    yield _addition(gathered.program, statement, target, text)


def _beside(program: Program, statement: Statement, new: ast.AugAssign) -> Statement:
    """The sum of a statement's block that is most like a new one, which has all that it needs."""
    needed = {n.id for n in ast.walk(new.value) if isinstance(n, ast.Name)}
    own = {s.node: s for s in program.statements if s.file == statement.file}
    found = []
    for part in reversed(_block_of(program, statement)):
        if isinstance(part, ast.AugAssign) and part in own:
            found.append(own[part])
        if needed & {n.id for n in ast.walk(part) if isinstance(n, ast.Name) and _stored(n)}:
            break
    return max(found, key=lambda s: _likeness(s.node, new), default=statement)


def _block_of(program: Program, statement: Statement) -> list[ast.stmt]:
    """A statement with those before it in its block."""
    for node in ast.walk(program.trees[statement.file]):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list) and statement.node in block:
                return block[: block.index(statement.node) + 1]
    return [statement.node]


def _likeness(one: ast.stmt, other: ast.AugAssign) -> float:
    """How alike two sums are: in their texts, and in the names that the second one adds."""
    needed = {n.id for n in ast.walk(other.value) if isinstance(n, ast.Name)}
    shared = needed & {n.id for n in ast.walk(one) if isinstance(n, ast.Name)}
    texts = SequenceMatcher(None, ast.unparse(one), ast.unparse(other)).ratio()
    return texts + len(shared) / max(len(needed), 1)


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _addition(program: Program, last: Statement, target: str, text: str) -> StatementEdit:
    place = copied(write.expression(target))
    place.ctx = ast.Store()
    new = ast.AugAssign(place, ast.Add(), write.expression(text))
    new = ast.fix_missing_locations(ast.copy_location(new, last.node))
    statement = _beside(program, last, new)
    both = [statement.node, new]
    if isinstance(statement.node, ast.Return):
        both.reverse()
    kind = ("missing", f"{target} += {text}")
    price = PRICE - NAMED * text.isidentifier()
    return StatementEdit(statement, {statement.node: both}, kind, price)
