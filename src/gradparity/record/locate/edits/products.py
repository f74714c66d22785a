"""A missing term or factor that is itself a product: tried when nothing simpler fits."""

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradparity.record.locate.atoms import is_value
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.change import Change, Changes, Scene, fits
from gradparity.record.locate.expressions import Part

MOST = 40
Named = tuple[str, Any]

ONE: tuple[tuple[str, Callable, float], ...] = (
    ("{a}", lambda a: a, 0.0),
    ("(1 - {a})", lambda a: 1 - a, 0.6),
    ("{a} * (1 - {a})", lambda a: a * (1 - a), 0.8),
    ("(1 - {a} ** 2)", lambda a: 1 - a * a, 0.8),
)


def products(root: Part, scene: Scene) -> Changes:
    """The expression with a product of two values added, taken away, or multiplied by."""
    value = root.value
    if not is_value(value):
        return
    shape = np.shape(value)
    named = [(atom.text, found) for atom, found in scene.atoms if _real(found)]
    for text, run, price in _pairs(named, shape):
        for op, sign in ((ast.Add(), 1.0), (ast.Sub(), -1.0)):
            yield Change(
                lambda run=run, sign=sign: value + sign * run(),
                ("product", type(op).__name__, text), price + (sign < 0) * 0.2,
                lambda n, op=op, text=text: ast.BinOp(n, op, write.expression(text)),
            )  # fmt: skip
        if "@" not in text:
            yield Change(
                lambda run=run: value * run(), ("product", "Mult", text), price + 0.3,
                lambda n, text=text: ast.BinOp(n, ast.Mult(), write.expression(text)),
            )  # fmt: skip


def instead(part: Part, scene: Scene) -> Changes:
    """A product of two values where one value stands."""
    shape = np.shape(part.value)
    named = [(atom.text, found) for atom, found in scene.atoms if _real(found)]
    for text, run, price in _pairs(named, shape):
        yield Change(run, ("instead", text), price + 0.4, write.just(write.expression(text)))


def _real(value: Any) -> bool:
    return np.asarray(value).dtype.kind == "f"


def _pairs(
    named: list[Named], shape: tuple[int, ...]
) -> Iterator[tuple[str, Callable[..., Any], float]]:
    """Products of two values that have a shape."""
    fitting = [(t, v) for t, v in named if fits(v, shape)][:MOST]
    for k, (left, a) in enumerate(fitting):
        for right, b in fitting[k:]:
            if _spread(np.shape(a), np.shape(b)) != shape:
                continue
            yield f"{left} * {right}", lambda a=a, b=b: a * b, 4.8
        for right, b in fitting:
            for form, run, extra in ONE[1:]:
                if left != right and _spread(np.shape(a), np.shape(b)) == shape:
                    text = f"{left} * {form.format(a=right)}"
                    yield text, lambda a=a, b=b, run=run: a * run(b), 4.8 + extra
    yield from matrix_products(named, shape)


def matrix_products(
    named: list[Named], shape: tuple[int, ...]
) -> Iterator[tuple[str, Callable[..., Any], float]]:
    """Products of two matrices, each as it is or transposed, and of two vectors."""
    if len(shape) < 2:
        return
    sides = [side for text, value in named for side in _sides(text, value)]
    rights: dict[int, list[Named]] = defaultdict(list)
    for text, value in sides:
        if value.shape[-1] == shape[-1]:
            rights[value.shape[-2]].append((text, value))
    for left, a in sides:
        if a.shape[-2] != shape[-2]:
            continue
        for right, b in rights[a.shape[-1]]:
            if left.endswith(".T") and right.endswith(".T"):
                continue
            if _spread(a.shape[:-2], b.shape[:-2]) == shape[:-2]:
                yield f"{left} @ {right}", lambda a=a, b=b: a @ b, 4.6
    vectors = [(t, v) for t, v in named if np.ndim(v) == 1]
    for left, a in vectors:
        for right, b in vectors:
            if (a.size, b.size) == shape:
                yield f"np.outer({left}, {right})", lambda a=a, b=b: np.outer(a, b), 4.6


def _sides(text: str, value: Any) -> Iterator[Named]:
    if np.ndim(value) == 2:
        yield text, value
        yield f"{text}.T", value.T
    elif np.ndim(value) > 2:
        yield text, value
        yield f"{text}.swapaxes(-1, -2)", value.swapaxes(-1, -2)


def _spread(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of two arrays together."""
    if left == right:
        return left
    try:
        return np.broadcast_shapes(left, right)
    except ValueError:
        return None
