"""Small changes of an expression: the slips that people make and machines are told to make.

Another operand, a factor or term too many or too few, another operator, a transpose, an axis, a
constant, an index one off. Each is a `Change`, tried by value before anything is written.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.atoms import is_value
from gradparity.record.locate.edits.calls import calls
from gradparity.record.locate.edits.change import Change, Changes, Scene
from gradparity.record.locate.edits.expressions import Part
from gradparity.record.locate.edits.indices import indices
from gradparity.record.locate.edits.operands import dropped, inserted, replaced, whole
from gradparity.record.locate.edits.operators import constants, operators, transposed
from gradparity.record.locate.edits.products import products

EVERYWHERE = 0.8  # what it costs that a slip was made several times
Kind = Callable[[Part, Scene], Changes]
NAMED = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
SLIPS = (replaced, whole, dropped, operators, constants, indices, calls, transposed)
DEAREST = 2.6  # a slip that is tried together with another one
MOST_TWICE = 40
TWICE = 0.5  # what it costs that there are two
Tried = Iterator[tuple[tuple[Part, ...], Change]]


def tried(kind: str, root: Part, scene: Scene) -> Tried:
    """Changes of an expression: "slips", what is "missing", both as "small", or "deep"."""
    if kind == "deep":
        yield from products(root, scene)
    if kind == "twice":
        yield from _twice(root, scene)
    if kind in ("slips", "small"):
        yield from _each(root, scene, SLIPS)
        yield from _everywhere(root, scene, (replaced, dropped))
    if kind in ("missing", "small"):
        yield from _each(root, scene, (inserted,))
        yield from _everywhere(root, scene, (inserted,))


def _twice(root: Part, scene: Scene) -> Tried:
    """Two slips in one expression."""
    once = [(p, c) for p, c in _each(root, scene, SLIPS) if c.price <= DEAREST]
    once.sort(key=lambda found: found[1].price)
    for parts, first in once[:MOST_TWICE]:
        node: Any = root.node
        whole = scene.reader.read(write.edited(node, [p.node for p in parts], first.build))
        if whole.is_opaque:
            continue
        for (part,), second in _each(whole, scene, SLIPS):
            if second.price <= DEAREST:
                yield (root,), Change(
                    lambda part=part, second=second: part.changed(second.run()),
                    ("twice", *first.key, *map(str, second.key), part.position),
                    first.price + second.price + TWICE,
                    lambda _, whole=whole, part=part, second=second: write.edited(
                        whole.node, (part.node,), second.build
                    ),
                )  # fmt: skip


def _each(root: Part, scene: Scene, kinds: Sequence[Kind]) -> Tried:
    # Of what an assignment in place makes, its target is not what was mistaken.
    parts = [root, *root.parts[1].all()] if scene.in_place and root.parts else root.all()
    for part in parts:
        for kind in kinds:
            for change in kind(part, scene):
                yield (part,), change


def _everywhere(root: Part, scene: Scene, kinds: Sequence[Kind]) -> Tried:
    """The same change wherever the same part occurs: a slip is often made twice in a line."""
    alike: dict[str, list[Part]] = {}
    for part in root.all():
        if isinstance(part.node, NAMED) and is_value(part.value):
            alike.setdefault(ast.unparse(part.node), []).append(part)
    for parts in alike.values():
        if len(parts) > 1:
            for kind in kinds:
                for change in kind(parts[0], scene):
                    key = ("everywhere", *change.key)
                    yield tuple(parts), replace(change, key=key, price=change.price + EVERYWHERE)
