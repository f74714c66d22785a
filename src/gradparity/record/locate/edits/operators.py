"""Another operator, the operands the other way round, a transpose, another constant."""

import ast
from typing import Any

import numpy as np

from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.atoms import is_value
from gradparity.record.locate.edits.change import (
    Change,
    Changes,
    Scene,
    in_brackets,
    is_option,
)
from gradparity.record.locate.edits.expressions import BINARY, COMPARE, Part

OTHERS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult, ast.Div),
    ast.Sub: (ast.Add, ast.Mult, ast.Div),
    ast.Mult: (ast.Div, ast.Add, ast.Sub, ast.MatMult),
    ast.Div: (ast.Mult, ast.Sub, ast.Add),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}


def operators(part: Part, scene: Scene) -> Changes:
    """Another operator or comparison, or its operands exchanged."""
    node = part.node
    if len(part.parts) != 2 or any(p.is_opaque for p in part.parts):
        return
    left, right = (p.value for p in part.parts)
    if isinstance(node, ast.BinOp):
        for op in OTHERS.get(type(node.op), ()):
            run = BINARY[op]
            yield Change(
                lambda run=run: run(left, right),
                ("op", op.__name__),
                2.0,
                write.with_operator(op()),
            )
        if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
            run = BINARY[type(node.op)]
            yield Change(lambda: run(right, left), ("exchange",), 2.2, write.exchanged)
        if isinstance(node.op, ast.MatMult):
            yield from _orientations(left, right)
    elif isinstance(node, ast.Compare):
        for compared, run in COMPARE.items():
            if type(node.ops[0]) is not compared:
                yield Change(
                    lambda run=run: run(left, right), ("compare", compared.__name__), 2.0,
                    write.with_comparison(compared()),
                )  # fmt: skip


def _turned(value: Any) -> Any:
    return value.T if value.ndim <= 2 else value.swapaxes(-1, -2)


def _orientations(left: Any, right: Any) -> Changes:
    """A product of matrices with another orientation of its operands."""
    if not is_value(left) or not is_value(right):
        return
    a, b = np.ndim(left), np.ndim(right)

    def pair(first: str, second: str) -> write.Build:
        def build(node: Any) -> ast.expr:
            sides = {
                "l": node.left,
                "r": node.right,
                "lT": write.turned(node.left, a),
                "rT": write.turned(node.right, b),
            }
            return ast.BinOp(sides[first], ast.MatMult(), sides[second])

        return build

    for first, second, price in (
        ("lT", "r", 2.0), ("l", "rT", 2.0), ("lT", "rT", 2.4), ("rT", "l", 2.4), ("r", "lT", 2.4),
        ("rT", "lT", 2.8),
    ):  # fmt: skip
        values = {
            "l": lambda: left,
            "r": lambda: right,
            "lT": lambda: _turned(left),
            "rT": lambda: _turned(right),
        }
        yield Change(
            lambda f=values[first], s=values[second]: f() @ s(), ("matmul", first, second), price,
            pair(first, second),
        )  # fmt: skip


def transposed(part: Part, scene: Scene) -> Changes:
    """A transpose that is missing."""
    value, above = part.value, part.parent
    if not isinstance(value, np.ndarray) or value.ndim < 2:
        return
    nodes = [part.node] if above is None else [part.node, above.node]
    if any(isinstance(n, ast.Attribute) and n.attr in ("T", "mT") for n in nodes):
        return
    yield Change(lambda: _turned(value), ("transpose",), 2.2, lambda n: write.turned(n, value.ndim))


def constants(part: Part, scene: Scene) -> Changes:
    """Another number."""
    node = part.node
    if not isinstance(node, ast.Constant) or isinstance(node.value, str | bool | None | bytes):
        return
    if in_brackets(part) or is_option(part) or not isinstance(node.value, int | float):
        return
    now = node.value
    options = {0, 1, 2, 3, 4, 0.5, -now, now + 1, now - 1, 2 * now, now / 2, now * now}
    if now:
        options.add(1 / now)
    for new in sorted(options - {now}):
        price = 2.2 + 0.2 * (abs(new) not in (1, 2))
        yield Change(lambda v=new: v, ("constant", new), price, write.just(write.number(new)))
    for name, size in scene.sizes.items():
        if size != now:
            yield Change(
                lambda s=size: s, ("constant", name), 3.2, write.just(write.expression(name))
            )
