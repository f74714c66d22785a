"""What is computed and read by nobody was meant to be read: put for another name behind it."""

import ast
from collections.abc import Iterator, Sequence

from gradparity.record.frontend.source import Statement, is_of_library
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.operands import unlike

PRICE, UNLIKE = 1.6, 0.4  # less than that of any name put for any other: it says why one is unread
Edit = tuple[tuple, float, list[ast.stmt]]


def reading(statement: Statement, name: str) -> Iterator[Edit]:
    """A statement with a name in the place of each of its operands."""
    node = statement.node
    if hasattr(node, "body"):
        return
    for part in _operands(getattr(node, "value", None)):
        text = ast.unparse(part)
        if text != name:
            new = write.in_statement(node, part, ast.Name(name, ast.Load()))
            yield ("name", text, name), PRICE + UNLIKE * unlike(_bare(text), name), [new]


def names_bound(statements: Sequence[Statement]) -> list[str]:
    """What some statements give values to, each name once."""
    nodes = (n for s in statements for n in ast.walk(s.node) if isinstance(n, ast.Name))
    return list(dict.fromkeys(n.id for n in nodes if isinstance(n.ctx, ast.Store)))


def _operands(node: ast.AST | None) -> Iterator[ast.expr]:
    """Names, attributes and subscripts that are read for their values, whole."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
            yield from _operands(node.value)
        else:
            yield node
        return
    inner = [] if node is None else list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        of_library = isinstance(node.func, ast.Name) or is_of_library(node.func)
        own = node.func.value if isinstance(node.func, ast.Attribute) and not of_library else None
        inner = [*([own] if own else []), *node.args, *(k.value for k in node.keywords)]
    for part in inner:
        yield from _operands(part)


def _bare(text: str) -> str:
    """The name that an operand begins with."""
    return text.split("[")[0].split(".")[0]
