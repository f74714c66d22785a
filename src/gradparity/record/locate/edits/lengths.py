"""Lengths that a statement may have been meant to take."""

import ast
from typing import TypeGuard

from gradparity.record.frontend.source import Statement
from gradparity.record.locate.edits.namings import is_bound

MOST_MEASURED = 20
LENGTHS = ("shape[0]", "shape[1]", "shape[-1]", "shape", "size")


def is_length(node: ast.expr) -> bool:
    """Whether it is `x.shape[0]`, `x.size` or `len(x)`."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "len"
    return isinstance(node, ast.Attribute) and node.attr == "size"


def begins(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether it is `np.zeros(…)`."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "np.zeros" and bool(node.args)


def lengths_in(statement: Statement) -> list[str]:
    """Lengths of the function's arguments and of what it measures elsewhere."""
    if statement.scope is None or not isinstance(statement.node, ast.Assign):
        return []
    measured = [n for n in ast.walk(statement.scope) if isinstance(n, ast.expr) and is_length(n)]
    names = [ast.unparse(part) for n in measured for part in _measured(n)]
    names += [a.arg for a in statement.scope.args.args]
    names += [n.id for n in ast.walk(statement.scope) if is_bound(n)]
    texts = [f"{n}.{end}" for n in dict.fromkeys(names) for end in LENGTHS]
    return [t for t in texts if not t.startswith("self.")][: MOST_MEASURED * len(LENGTHS)]


def _measured(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Subscript):
        return [node.value.value] if isinstance(node.value, ast.Attribute) else []
    if isinstance(node, ast.Call):
        return node.args[:1]
    return [node.value] if isinstance(node, ast.Attribute) else []
