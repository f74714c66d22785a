"""A change of whole statements."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gradparity.record.frontend.source import Statement

Body = list[ast.stmt]


@dataclass(eq=False)
class StatementEdit:
    """A statement, or two neighbours, replaced.

    Attributes:
        statement: the one that is blamed.
        replaced: for each statement what stands in its place.
        kind: in a word.
        price: the smaller, the likelier.
    """

    statement: Statement
    replaced: dict[ast.stmt, Body]
    kind: tuple
    price: float


def each(statements: Iterable[Statement], edits: Callable) -> Iterator[StatementEdit]:
    """Changes of some statements, as `edits` gives them for each."""
    for statement in statements:
        for kind, price, body in edits(statement):
            new = [placed(part, statement.node) for part in body]
            yield StatementEdit(statement, {statement.node: new}, kind, price)


def placed(new: ast.stmt, old: ast.stmt) -> ast.stmt:
    """A new statement where an old one stands."""
    return ast.fix_missing_locations(ast.copy_location(new, old))
