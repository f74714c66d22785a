"""Small changes of an expression: the slips that people make and machines are told to make.

Another operand, a factor or term too many or too few, another operator, a transpose, an axis, a
constant, an index one off. Each is a `Change`, tried by value before anything is written.
"""

import ast
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradparity.record.locate.atoms import is_value
from gradparity.record.locate.edits.calls import calls
from gradparity.record.locate.edits.change import Change, Scene
from gradparity.record.locate.edits.indices import indices
from gradparity.record.locate.edits.operands import dropped, inserted, replaced
from gradparity.record.locate.edits.operators import constants, operators, transposed
from gradparity.record.locate.edits.products import instead, products
from gradparity.record.locate.expressions import Part

EVERYWHERE = 0.8  # what it costs that a slip was made several times
NAMED = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
KINDS = (replaced, dropped, operators, constants, indices, calls, transposed, inserted)


def changes(root: Part, scene: Scene) -> Iterator[tuple[tuple[Part, ...], Change]]:
    """Every small change of every part of an expression."""
    for part in root.all():
        for kind in KINDS:
            for change in kind(part, scene):
                yield (part,), change


def everywhere(root: Part, scene: Scene) -> Iterator[tuple[tuple[Part, ...], Change]]:
    """The same change wherever the same part occurs: a slip is often made twice in a line."""
    alike: dict[str, list[Part]] = {}
    for part in root.all():
        if isinstance(part.node, NAMED) and is_value(part.value):
            alike.setdefault(ast.unparse(part.node), []).append(part)
    for parts in alike.values():
        if len(parts) > 1:
            for kind in (replaced, dropped, inserted):
                for change in kind(parts[0], scene):
                    key = ("everywhere", *change.key)
                    yield tuple(parts), replace(change, key=key, price=change.price + EVERYWHERE)


def deep(root: Part, scene: Scene) -> Iterator[tuple[tuple[Part, ...], Change]]:
    """Whole products that are missing."""
    for change in products(root, scene):
        yield (root,), change
    for part in root.all():
        named = isinstance(part.node, ast.Name | ast.Attribute | ast.Subscript)
        if part.parent is not None and named and is_value(part.value) and np.ndim(part.value) > 1:
            for change in instead(part, scene):
                yield (part,), change
    node = root.node
    if isinstance(node, ast.BinOp) and len(root.parts) == 2:
        for part in root.parts:
            if is_value(part.value) and not isinstance(part.node, ast.Constant):
                for change in products(part, scene):
                    yield (part,), change
