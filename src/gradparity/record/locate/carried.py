"""A statement left out at the end of a loop: what it would have carried to the next execution.

A name that the loop reads and nothing in it binds goes on being what it was before. Products at the
end of the first execution that are true quantities of its shape are what may have been meant.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

import numpy as np

from gradparity.record.frontend.hooks import Hooks, Patch
from gradparity.record.frontend.source import Program, Slot
from gradparity.record.locate.atoms import atoms_of, is_value
from gradparity.record.locate.edits.products import Alphabet, Named, matrix_wanted
from gradparity.record.locate.probe import local_names
from gradparity.record.locate.recognise import Table
from gradparity.record.locate.statements import StatementEdit

PRICE = 4.0


class Carrier(Hooks):
    """Looks at the end of a loop's first execution for what its names could go on as.

    Args:
        program, files, patches, codes: of the run.
        loops: by the last slot of a loop, the names that it reads and does not bind.
        table: true quantities.
    """

    def __init__(
        self,
        program: Program,
        files: frozenset[str],
        patches: Mapping[int, Patch],
        codes: Mapping[CodeType, CodeType],
        loops: Mapping[int, frozenset[str]],
        table: Table,
    ) -> None:
        super().__init__(program, files, patches, codes)
        self.loops, self.table = dict(loops), table
        self.found: list[StatementEdit] = []
        self.look_into(loops)

    def e(self, number: int) -> Any:
        """Evaluate the slot, and then what may follow it."""
        frame = sys._getframe(1)
        if number in self.patches:
            return self.patches[number].value(frame)
        value = self.evaluated(number, frame)
        names = self.loops.pop(number, None)
        if names:
            slot = self.program.slots[number]
            local = local_names(slot, frame)
            self.found += self._following(slot, names, local, {**frame.f_globals, **local})
        return value

    def _following(
        self, slot: Slot, names: frozenset[str], local: Mapping, around: Mapping
    ) -> Iterator[StatementEdit]:
        atoms = [
            (atom.text, value)
            for atom in atoms_of(slot.statement.scope, local, {})
            if (value := _value(atom.code, around)) is not None
        ]
        for name in sorted(names):
            now = local.get(name)
            if isinstance(now, np.ndarray) and is_value(now):
                for text in self._products(atoms, now.shape):
                    yield _carrying(slot, name, text)

    def _products(self, atoms: list[Named], shape: tuple[int, ...]) -> Iterator[str]:
        known = self.table.of_shape(shape)
        if not len(known):
            return
        for text, _, _ in Alphabet(atoms, shape).matching(known):
            yield text
        for text, _, _ in matrix_wanted(atoms, shape, known):
            yield text


def _value(code: CodeType, names: Mapping) -> Any:
    try:
        found = eval(code, dict(names))
    except Exception:
        return None
    return found if is_value(found) and np.asarray(found).dtype.kind == "f" else None


def _carrying(slot: Slot, name: str, text: str) -> StatementEdit:
    node = slot.statement.node
    new = ast.fix_missing_locations(ast.copy_location(ast.parse(f"{name} = {text}").body[0], node))
    kind = ("missing", f"{name} = {text}")
    return StatementEdit(slot.statement, {node: [node, new]}, kind, PRICE)


def loops_of(program: Program, slots: frozenset[int]) -> dict[int, frozenset[str]]:
    """Of every loop with such slots the last one, and the names that it reads and does not bind."""
    found = {}
    for tree in program.trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.For | ast.While):
                inside = set(map(id, node.body))
                here = [n for n in slots if id(program.slots[n].statement.node) in inside]
                here = [n for n in here if program.slots[n].code is not None]
                names = [n for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)]
                bound = {n.id for n in names if isinstance(n.ctx, ast.Store)}
                if here:
                    found[max(here)] = frozenset({n.id for n in names} - bound)
    return found
