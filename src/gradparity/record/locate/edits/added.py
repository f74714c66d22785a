"""Statements that are missing behind another one."""

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from gradparity.record.frontend.source import Statement
from gradparity.record.locate.edits.namings import is_bound
from gradparity.record.locate.edits.operands import unlike
from gradparity.record.locate.edits.places import between, other_indices
from gradparity.record.locate.edits.statement_edit import StatementEdit, placed

RESCALED = 3.8  # more than any slip that has the same effect
HANDED_ON = 3.8  # price of a statement that hands on what is used by nobody
MOST_NAMES, MOST_PARTS = 6, 24  # places that a value may be handed on to


def handed_on(statement: Statement, still: Collection[Statement]) -> Iterator[StatementEdit]:
    """What a statement has bound put where something stands that is zero all the time."""
    node: Any = statement.node
    if not isinstance(node, ast.Assign) or statement.scope is None:
        return
    bound = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    names: dict[str, None] = {}
    parts: dict[str, None] = {}
    zero = {s.node for s in still}
    for other in ast.walk(statement.scope):
        if not isinstance(other, ast.Assign | ast.AugAssign):
            continue
        for target in other.targets if isinstance(other, ast.Assign) else [other.target]:
            if isinstance(target, ast.Subscript) and ":" in ast.unparse(target.slice):
                for index in other_indices(target.slice, between(statement)):
                    parts[ast.unparse(ast.Subscript(target.value, index, ast.Store()))] = None
            if other in zero:
                names |= dict.fromkeys(n.id for n in ast.walk(target) if is_bound(n))
    for name in bound:
        alike = sorted(set(names) - set(bound), key=lambda n: unlike(n, name))
        for place in (*alike[:MOST_NAMES], *list(parts)[:MOST_PARTS]):
            for sign in ("", "+"):
                text = f"{place} {sign}= {name}"
                new = placed(ast.parse(text).body[0], node)
                yield StatementEdit(statement, {node: [node, new]}, ("missing", text), HANDED_ON)


def rescalings(statements: Sequence[Statement], factor: float) -> Iterator[StatementEdit]:
    """An array divided by one of its sizes, or multiplied, behind a statement that made it."""
    sign = "/" if abs(factor) > 1 else "*"
    for statement in statements:
        node: Any = statement.node
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        while isinstance(target, ast.Subscript):
            target = target.value
        if not isinstance(target, ast.Name | ast.Attribute):
            continue
        name = ast.unparse(target)
        for size in ("size", "shape[0]", "shape[1]", "shape[-1]"):
            new = placed(ast.parse(f"{name} {sign}= {name}.{size}").body[0], node)
            kind = ("missing", ast.unparse(new))
            yield StatementEdit(statement, {node: [node, new]}, kind, RESCALED)
