"""How the source reads after a change: functions from a part as it stands to what should stand."""

import ast
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from gradparity.record.frontend.nodes import copied, over

Build = Callable[..., ast.expr]
LOAD = ast.Load()


@cache
def expression(text: str) -> ast.expr:
    """Python's text as a tree, which is not to be changed."""
    return ast.parse(text, mode="eval").body


def number(value: float) -> ast.expr:
    """A number as people write it."""
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        value = int(value)
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0 else ast.Constant(value)


def just(node: ast.expr) -> Build:
    """Something else altogether."""
    return lambda _: node


def child(name: str) -> Build:
    """One of its parts alone."""
    return lambda node: getattr(node, name)


def combined(op: ast.operator, other: ast.expr) -> Build:
    """With one more operand."""
    return lambda node: ast.BinOp(node, op, other)


def negated(node: ast.expr) -> ast.expr:
    """With a minus before it."""
    return ast.UnaryOp(ast.USub(), node)


def from_one(op: ast.operator) -> Build:
    """1 − it, 1 + it, 1 / it."""
    return lambda node: ast.BinOp(ast.Constant(1), op, node)


def powered(power: float) -> Build:
    """To a power."""
    return lambda node: ast.BinOp(node, ast.Pow(), number(power))


def turned(node: ast.expr, ndim: int = 2) -> ast.expr:
    """A matrix transposed; of more axes the last two exchanged."""
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return node.value
    swap = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if swap and node.func.attr == "swapaxes":  # type: ignore[attr-defined]
        return node.func.value  # type: ignore[attr-defined]
    if ndim <= 2:
        return ast.Attribute(node, "T", LOAD)
    return method("swapaxes", -1, -2)(node)


def method(name: str, *numbers: Any, **options: Any) -> Build:
    """A method's result."""

    def build(node: ast.expr) -> ast.expr:
        keywords = [ast.keyword(k, expression(repr(v))) for k, v in options.items()]
        arguments = [expression(repr(n)) for n in numbers]
        return ast.Call(ast.Attribute(node, name, LOAD), arguments, keywords)

    return build


def called(name: str, *rest: Any) -> Build:
    """A function's result, `np.exp` or one of the subject's."""
    return lambda node: ast.Call(expression(name), [node, *(expression(repr(r)) for r in rest)], [])


def with_operator(op: ast.operator) -> Build:
    """Another operator between its operands."""
    return lambda node: ast.BinOp(node.left, op, node.right)


def with_comparison(op: ast.cmpop) -> Build:
    """Another comparison."""
    return lambda node: ast.Compare(node.left, [op], node.comparators)


def exchanged(node: Any) -> ast.expr:
    """Its operands the other way round."""
    return ast.BinOp(node.right, node.op, node.left)


def with_index(index: ast.expr) -> Build:
    """Another index."""
    return lambda node: ast.Subscript(node.value, index, LOAD)


def with_arguments(order: Sequence[int]) -> Build:
    """A call's arguments in another order."""
    return lambda node: ast.Call(node.func, [node.args[k] for k in order], node.keywords)


def with_argument(place: int, new: ast.expr) -> Build:
    """Another argument."""

    def build(node: Any) -> ast.expr:
        arguments = list(node.args)
        arguments[place] = new
        return ast.Call(node.func, arguments, node.keywords)

    return build


def with_option(name: str, value: Any) -> Build:
    """Another value of a named argument; None: without it."""

    def build(node: Any) -> ast.expr:
        rest = [k for k in node.keywords if k.arg != name]
        new = [] if value is None else [ast.keyword(name, expression(repr(value)))]
        return ast.Call(node.func, node.args, [*rest, *new])

    return build


def with_axis(axis: Any, keep: bool, place: int) -> Build:
    """Another axis, kept or not."""

    def build(node: Any) -> ast.expr:
        arguments = [a for k, a in enumerate(node.args) if k != place]
        rest = [k for k in node.keywords if k.arg not in ("axis", "keepdims")]
        keywords = [] if axis is None else [ast.keyword("axis", expression(repr(axis)))]
        if keep:
            keywords.append(ast.keyword("keepdims", ast.Constant(True)))
        return ast.Call(node.func, arguments, [*rest, *keywords])

    return build


def with_function(name: str) -> Build:
    """Another function of the same module or array."""
    return lambda node: ast.Call(
        ast.Attribute(node.func.value, name, LOAD), node.args, node.keywords
    )


def edited(whole: ast.expr, targets: Sequence[ast.AST], build: Build) -> ast.expr:
    """An expression with some parts replaced; what it is made of is copied."""

    def changed(node: Any) -> Any:
        if any(node is target for target in targets):
            return copied(build(node))
        return over(changed, node)

    return ast.fix_missing_locations(ast.copy_location(changed(whole), whole))


def in_statement(statement: ast.stmt, old: ast.AST, new: ast.expr) -> ast.stmt:
    """A statement with one of its expressions replaced."""
    whole: Any = statement
    found: Any = edited(whole, (old,), lambda _: new)
    return found
