"""A statement left out at the end of a loop: what it would have carried to the next execution.

A name that the loop reads and nothing in it binds goes on being what it was before. Products at the
end of the first execution that are true quantities of its shape are what may have been meant.
"""

import ast
from collections.abc import Collection, Iterator, Mapping
from types import FrameType

import numpy as np

from gradparity.record.frontend.code import Code
from gradparity.record.frontend.source import Program, Scope, Slot, Statement
from gradparity.record.locate.edits.atoms import atoms_of, is_value
from gradparity.record.locate.edits.products import Alphabet, Named, matrix_wanted
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.known.recognise import Table
from gradparity.record.locate.trials.missing import Behind, real_values
from gradparity.record.locate.trials.probe import local_names
from gradparity.record.locate.trials.repairs import Version

PRICE, JOINED = 4.0, 3.0
MOST_TEXTS = 24


class Carrier(Behind):
    """Looks at the end of a loop's first execution for what its names could go on as.

    Attributes:
        loops: by the last slot of a loop, the names that it reads and does not bind.
        table: true quantities.
        found: statements that would carry some of these on.
    """

    loops: dict[int, frozenset[str]]
    table: Table
    found: list[StatementEdit]

    @classmethod
    def of(
        cls, code: Code, version: Version, loops: Mapping[int, frozenset[str]], table: Table
    ) -> "Carrier":
        """For a version of a subject."""
        made = cls(code.program, code.files, version.patches, version.codes)
        made.loops, made.table, made.found = dict(loops), table, []
        made.look_into(loops)
        return made

    def behind(self, slot: Slot, frame: FrameType) -> None:
        """See what each name could be next."""
        names = self.loops.pop(slot.number, frozenset())
        local = local_names(slot, frame)
        atoms = atoms_of(slot.statement.scope, local, {}) if names else []
        values = real_values(atoms, {**frame.f_globals, **local})
        for name in sorted(names):
            now = local.get(name)
            if isinstance(now, np.ndarray) and is_value(now):
                texts = self._products(values, now.shape)
                self.found += [_carrying(slot, name, text) for text in texts]

    def _products(self, named: list[Named], shape: tuple[int, ...]) -> Iterator[str]:
        known = self.table.of_shape(shape)
        if not len(known):
            return
        for text, _, _ in Alphabet(named, shape).matching(known):
            yield text
        for text, _, _ in matrix_wanted(named, shape, known):
            yield text


def _carrying(slot: Slot, name: str, text: str) -> StatementEdit:
    node = slot.statement.node
    new = ast.fix_missing_locations(ast.copy_location(ast.parse(f"{name} = {text}").body[0], node))
    kind = ("missing", f"{name} = {text}")
    return StatementEdit(slot.statement, {node: [node, new]}, kind, PRICE)


def joined(program: Program, slots: frozenset[int]) -> Iterator[StatementEdit]:
    """`dh = dh + dout[t]` before the first that reads what a loop carries."""
    statements = {s.node: s for s in program.statements}
    backward = {program.slots[n].statement.node for n in slots}
    for tree in program.trees.values():
        for loop in ast.walk(tree):
            if not isinstance(loop, ast.For) or not backward.intersection(loop.body):
                continue
            scope = statements[next(p for p in loop.body if p in backward)].scope
            texts = _of_this_turn(loop, scope) if scope is not None else []
            for name, reader in _carried_on(loop, statements):
                for text in texts:
                    if not text.startswith(f"{name}["):
                        yield _joined(statements[reader], name, text)


def _of_this_turn(loop: ast.For, scope: Scope) -> list[str]:
    """Entries of the function's arrays at the loop's counters."""
    counters = [n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)]
    found: dict[str, None] = {}
    for counter in counters:
        for argument in scope.args.args:
            found |= dict.fromkeys([f"{argument.arg}[{counter}]", f"{argument.arg}[:, {counter}]"])
    for node in ast.walk(scope):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            inside = {n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name)}
            if inside.intersection(counters):
                found[ast.unparse(node)] = None
    return list(found)[:MOST_TEXTS]


def _carried_on(loop: ast.For, known: Collection[ast.stmt]) -> list[tuple[str, ast.stmt]]:
    """Names that a loop reads before it binds them again, with the first statement that does."""
    found: dict[str, ast.stmt] = {}
    bound: set[str] = set()
    for part in loop.body:
        names = [n for n in ast.walk(part) if isinstance(n, ast.Name)]
        for name in names:
            early = isinstance(name.ctx, ast.Load) and name.id not in bound
            if early and part in known:
                found.setdefault(name.id, part)
        bound |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return [(name, part) for name, part in found.items() if name in bound]


def _joined(statement: Statement, name: str, text: str) -> StatementEdit:
    node = statement.node
    new = ast.copy_location(ast.parse(f"{name} = {name} + {text}").body[0], node)
    kind = ("missing before", f"{name} = {name} + {text}")
    return StatementEdit(statement, {node: [ast.fix_missing_locations(new), node]}, kind, JOINED)


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
