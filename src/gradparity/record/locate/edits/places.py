"""Places that a statement may have been meant to write to."""

import ast
from collections.abc import Iterator, Sequence
from itertools import islice, permutations
from typing import Any

from gradparity.record.frontend.source import Statement
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.indices import slices_of
from gradparity.record.locate.edits.statement_edit import Body

MOST_INDICES = 12
MOST_BOUNDS = 4


def between(statement: Statement) -> list[ast.expr]:
    """Slices from any bound of the function's slices to another, and those slices themselves."""
    written = [n for n in ast.walk(statement.scope or statement.node) if isinstance(n, ast.Slice)]
    bounds: dict[str, ast.expr] = {}
    for part in written:
        for bound in (part.lower, part.upper):
            if bound is not None:
                bounds[ast.unparse(bound)] = bound
    pairs = list(permutations(list(bounds.values())[:MOST_BOUNDS], 2))
    halves = [s for b in bounds.values() for s in (ast.Slice(None, b), ast.Slice(b, None))]
    return [*(ast.Slice(a, b, None) for a, b in pairs), *halves[: 2 * MOST_BOUNDS], *written]


def indices_in(statement: Statement, file: ast.Module) -> list[ast.expr]:
    """Slices and counters that the function's text has in brackets, then others of the file's."""
    if statement.scope is None:
        return []
    own = _in_brackets(statement.scope)
    found: dict[str, ast.expr] = dict(islice(own.items(), MOST_INDICES))
    for other in (*slices_of(statement.scope), *between(statement), *slices_of(file)):
        found.setdefault(ast.unparse(other), other)
    return list(found.values())[: 3 * MOST_INDICES]


def _in_brackets(tree: ast.AST) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            for part in parts:
                if isinstance(part, ast.Slice | ast.Name | ast.Attribute | ast.Compare):
                    found.setdefault(ast.unparse(part), part)
    return found


def other_places(
    node: ast.Assign | ast.AugAssign, indices: Sequence[ast.expr]
) -> Iterator[tuple[tuple, float, Body]]:
    """A write to an index one off, with two exchanged, or with one from elsewhere."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Subscript):
        return
    outer = target.value
    wholes: list[ast.Subscript] = []
    if isinstance(outer, ast.Subscript):  # an index too many
        wholes = [ast.Subscript(outer.value, target.slice, ast.Store()), outer]
    others = [
        ast.Subscript(outer, new, ast.Store()) for new in other_indices(target.slice, indices)
    ]
    for place in (*wholes, *others):
        if isinstance(node, ast.Assign):
            yield ("place", ast.unparse(place)), 2.2, [ast.Assign([place], node.value)]
        else:
            yield ("place", ast.unparse(place)), 2.2, [ast.AugAssign(place, node.op, node.value)]


def other_indices(index: ast.expr, known: Sequence[ast.expr]) -> Iterator[ast.expr]:
    """An index one off, with two parts exchanged, or with one from elsewhere."""
    elements = index.elts if isinstance(index, ast.Tuple) else [index]

    def whole(changed: Sequence[ast.expr]) -> ast.expr:
        return ast.Tuple(list(changed), ast.Load()) if isinstance(index, ast.Tuple) else changed[0]

    for place, element in enumerate(elements):
        slices = isinstance(element, ast.Slice)
        alike = [
            k
            for k in known
            if isinstance(k, ast.Slice) == slices and ast.dump(k) != ast.dump(element)
        ]
        for new in (*_one_off(element), *alike):
            yield whole([*elements[:place], new, *elements[place + 1 :]])
    for first in range(len(elements)):
        for second in range(first + 1, len(elements)):
            changed = list(elements)
            changed[first], changed[second] = changed[second], changed[first]
            yield whole(changed)


def _one_off(element: ast.expr) -> Iterator[ast.expr]:
    if isinstance(element, ast.Slice):
        for name in ("lower", "upper"):
            bound = getattr(element, name)
            if bound is not None:
                for step in (1, -1):
                    parts: dict[str, Any] = {
                        "lower": element.lower,
                        "upper": element.upper,
                        "step": element.step,
                    }
                    yield ast.Slice(**(parts | {name: plus(bound, step)}))
        if element.lower is not None and element.upper is not None:
            for part in ast.walk(element.upper):
                if isinstance(part, ast.Name):
                    wide = ast.BinOp(element.lower, ast.Add(), part)
                    yield ast.Slice(element.lower, wide, element.step)
        if element.lower is not None and element.upper is None:
            yield ast.Slice(None, element.lower, element.step)
        if element.upper is not None and element.lower is None:
            yield ast.Slice(element.upper, None, element.step)
    elif isinstance(element, ast.Compare):
        for other in (ast.Gt, ast.GtE, ast.Lt, ast.LtE, ast.Eq, ast.NotEq):
            if not isinstance(element.ops[0], other):
                yield ast.Compare(element.left, [other()], element.comparators)
    elif isinstance(element, ast.UnaryOp) and isinstance(element.operand, ast.Constant):
        yield from (write.number(int(ast.literal_eval(element)) + step) for step in (1, -1))
    elif isinstance(element, ast.Name | ast.BinOp | ast.Constant):
        if isinstance(element, ast.Constant) and not isinstance(element.value, int):
            return
        if isinstance(element, ast.BinOp):
            yield element.left
        for step in (1, -1):
            yield plus(element, step)


def plus(index: ast.expr, step: int) -> ast.expr:
    """An index some further."""
    if isinstance(index, ast.Constant) and isinstance(index.value, int):
        return write.number(index.value + step)
    return ast.BinOp(index, ast.Add() if step > 0 else ast.Sub(), ast.Constant(abs(step)))
