"""Another index: one off, another name, other bounds of a slice, the other way round."""

import ast
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from gradparity.record.frontend.nodes import copied
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.atoms import is_value
from gradparity.record.locate.edits.change import Change, Changes, Scene
from gradparity.record.locate.edits.expressions import OpaqueError, Part

MOST_SLICES, MOST_RENAMED = 24, 8


def indices(part: Part, scene: Scene) -> Changes:
    """Every other index that people write for this one."""
    node = part.node
    if not isinstance(node, ast.Subscript) or len(part.parts) != 2 or part.parts[0].is_opaque:
        return
    base = part.parts[0].value
    if not is_value(part.value) and not isinstance(
        part.value, int | np.integer | tuple | np.ndarray
    ):
        return
    for new, price in _others(node.slice, scene):
        yield Change(
            lambda new=new: base[scene.reader.value(new)], ("index", ast.unparse(new)), price,
            write.with_index(new),
        )  # fmt: skip


def _others(index: ast.expr, scene: Scene) -> Iterator[tuple[ast.expr, float]]:
    if not isinstance(index, ast.Tuple):
        yield from _other(index, scene)
        return
    for place, inner in enumerate(index.elts):
        for new, price in _other(inner, scene):
            yield _with_element(index, place, new), price
            same = [k for k, e in enumerate(index.elts) if ast.dump(e) == ast.dump(inner)]
            if len(same) > 1 and same[0] == place:
                elements = [new if k in same else e for k, e in enumerate(index.elts)]
                yield ast.Tuple(elements, write.LOAD), price + 0.6
    for first in range(len(index.elts)):
        for second in range(first + 1, len(index.elts)):
            elements = list(index.elts)
            elements[first], elements[second] = elements[second], elements[first]
            yield ast.Tuple(elements, write.LOAD), 2.2


def _other(index: ast.expr, scene: Scene) -> Iterator[tuple[ast.expr, float]]:
    if isinstance(index, ast.Slice):
        yield from _other_slices(index, scene)
    elif isinstance(index, ast.Constant) and index.value in (None, ...):
        return
    elif _is_count(index):
        if isinstance(index, ast.BinOp):
            yield index.left, 2.0
        for step in (1, -1):
            yield _plus(index, step), 2.0
        for name in scene.counts:
            if ast.unparse(index) != name:
                yield ast.Name(name, write.LOAD), 2.3
        if isinstance(index, ast.BinOp):
            yield index.right, 2.4
    elif isinstance(index, ast.Compare):
        for atom, value in scene.atoms:
            if isinstance(value, np.ndarray) and value.dtype.kind == "b":
                yield atom.node, 2.8


def _other_slices(index: ast.Slice, scene: Scene) -> Iterator[tuple[ast.expr, float]]:
    for other in (*scene.slices, ast.Slice(None, None, None)):
        if ast.dump(other) != ast.dump(index):
            yield other, 2.3
            if other.upper is not None:
                for renamed in islice(_renamed(other.upper, scene), MOST_RENAMED):
                    yield _with_bound(other, "upper", renamed), 2.8
    for name in ("lower", "upper"):
        bound = getattr(index, name)
        if bound is None:
            continue
        for step in (1, -1):
            yield _with_bound(index, name, _plus(bound, step)), 2.3
        yield _with_bound(index, name, None), 2.4
        yield _with_bound(index, name, write.negated(bound)), 2.8
        for count in scene.counts:
            if ast.unparse(bound) != count:
                yield _with_bound(index, name, ast.Name(count, write.LOAD)), 2.8
        for renamed in _renamed(bound, scene):
            yield _with_bound(index, name, renamed), 2.6
    yield from _shifted(index, scene)
    if index.step is not None:
        yield ast.Slice(index.lower, index.upper, None), 2.0
    else:
        yield ast.Slice(index.lower, index.upper, write.number(-1)), 2.3
    if index.lower is not None and index.upper is None:
        yield ast.Slice(None, index.lower, index.step), 2.2
    elif index.upper is not None and index.lower is None:
        yield ast.Slice(index.upper, None, index.step), 2.2


def _shifted(index: ast.Slice, scene: Scene) -> Iterator[tuple[ast.expr, float]]:
    """A slice of the same length, moved by one or two."""
    try:
        lower = scene.reader.value(index.lower) if index.lower is not None else 0
        upper = scene.reader.value(index.upper) if index.upper is not None else 0
    except OpaqueError:
        return
    if not all(isinstance(n, int | np.integer) for n in (lower, upper)) or index.step is not None:
        return
    for step in (1, 2, -1, -2):
        low, high = int(lower) + step, int(upper) + step
        if low >= 0 and (index.upper is None or (high < 0) == (upper < 0) or high == 0):
            first = write.number(low) if low else None
            last = write.number(high) if high and index.upper is not None else None
            if last is not None or first is not None:
                yield ast.Slice(first, last, None), 2.8


def _is_count(index: ast.expr) -> bool:
    kinds = (
        ast.Name,
        ast.Constant,
        ast.Subscript,
        ast.BinOp,
        ast.UnaryOp,
        ast.operator,
        ast.unaryop,
        ast.Load,
    )
    return all(isinstance(n, kinds) for n in ast.walk(index))


def _plus(index: ast.expr, step: int) -> ast.expr:
    if isinstance(index, ast.Constant) and isinstance(index.value, int):
        return write.number(index.value + step)
    return ast.BinOp(index, ast.Add() if step > 0 else ast.Sub(), ast.Constant(abs(step)))


def _renamed(bound: ast.expr, scene: Scene) -> Iterator[ast.expr]:
    """A bound that is a sum or product, with another counter for one of its names."""
    if isinstance(bound, ast.BinOp):
        for part in ast.walk(bound):
            if isinstance(part, ast.Name):
                for count in scene.counts:
                    if count != part.id:
                        new = ast.Name(count, write.LOAD)
                        yield write.edited(bound, (part,), lambda _, new=new: new)


def _with_bound(index: ast.Slice, name: str, bound: ast.expr | None) -> ast.Slice:
    parts: dict[str, Any] = {"lower": index.lower, "upper": index.upper, "step": index.step}
    return ast.Slice(**(parts | {name: bound}))


def _with_element(index: ast.Tuple, place: int, new: ast.expr) -> ast.expr:
    elements = list(index.elts)
    elements[place] = new
    return ast.Tuple(elements, write.LOAD)


def slices_of(tree: ast.AST) -> list[ast.Slice]:
    """Slices that a text has, and the same of another loop's counter, each once."""
    nodes = list(ast.walk(tree))
    written = [n for n in nodes if isinstance(n, ast.Slice)]
    targets = [n.target for n in nodes if isinstance(n, ast.For)]
    counters = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    found = {ast.unparse(s): s for s in written}
    for one in written:
        names = {n.id for n in ast.walk(one) if isinstance(n, ast.Name)}
        for old in sorted(names & counters):
            for new in sorted(counters - {old}):
                other = _with_counter(one, old, new)
                found.setdefault(ast.unparse(other), other)
    return list(found.values())[:MOST_SLICES]


def _with_counter(index: ast.Slice, old: str, new: str) -> ast.Slice:
    made = copied(index)
    for node in ast.walk(made):
        if isinstance(node, ast.Name) and node.id == old:
            node.id = new
    return made
