"""A missing term that is itself a product, or a missing factor that is one: tried when nothing simpler fits."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradparity.record.locate.atoms import is_value
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.change import Change, Changes, Scene, fits
from gradparity.record.locate.expressions import Part

MOST = 48
Named = tuple[str, Any]

ONE: tuple[tuple[str, Callable, float], ...] = (
    ("{a}", lambda a: a, 0.0),
    ("(1 - {a})", lambda a: 1 - a, 0.6),
    ("{a} * (1 - {a})", lambda a: a * (1 - a), 0.8),
    ("(1 - {a} ** 2)", lambda a: 1 - a * a, 0.8),
)


def products(root: Part, scene: Scene) -> Changes:
    """The whole expression with a product of two values added or taken away, or times two factors."""
    value = root.value
    if not is_value(value):
        return
    shape = np.shape(value)
    named = [(atom.text, found) for atom, found in scene.atoms if _real(found)][:MOST]
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


def _real(value: Any) -> bool:
    return np.asarray(value).dtype.kind == "f"


def _pairs(
    named: list[Named], shape: tuple[int, ...]
) -> Iterator[tuple[str, Callable[[], Any], float]]:
    """Products of two values that have a shape."""
    fitting = [(t, v) for t, v in named if fits(v, shape)]
    for k, (left, a) in enumerate(fitting):
        for right, b in fitting[k:]:
            if np.broadcast_shapes(np.shape(a), np.shape(b)) != shape:
                continue
            yield f"{left} * {right}", lambda a=a, b=b: a * b, 4.8
        for right, b in fitting:
            for form, run, extra in ONE[1:]:
                if left != right and np.broadcast_shapes(np.shape(a), np.shape(b)) == shape:
                    text = f"{left} * {form.format(a=right)}"
                    yield text, lambda a=a, b=b, run=run: a * run(b), 4.8 + extra
    yield from _matrix_products(named, shape)


def _matrix_products(
    named: list[Named], shape: tuple[int, ...]
) -> Iterator[tuple[str, Callable[[], Any], float]]:
    if not shape:
        return
    for left, a in named:
        for right, b in named:
            for first, second in ((a, b), (_turned(a), b), (a, _turned(b))):
                if first is None or second is None or _product_shape(first, second) != shape:
                    continue
                text = (
                    f"{left}{'' if first is a else _turn(a)} @ {right}{'' if second is b else _turn(b)}"
                )
                yield text, lambda first=first, second=second: first @ second, 4.6
            if np.ndim(a) == np.ndim(b) == 1 and (np.size(a), np.size(b)) == shape:
                yield f"np.outer({left}, {right})", lambda a=a, b=b: np.outer(a, b), 4.6


def _turned(value: Any) -> Any:
    if np.ndim(value) < 2:
        return None
    return value.T if value.ndim == 2 else value.swapaxes(-1, -2)


def _turn(value: Any) -> str:
    return ".T" if np.ndim(value) == 2 else ".swapaxes(-1, -2)"


def _product_shape(left: Any, right: Any) -> tuple[int, ...] | None:
    a, b = np.shape(left), np.shape(right)
    if not a or not b or a[-1] != (b[-2] if len(b) > 1 else b[0]):
        return None
    if len(b) == 1:
        return a[:-1]
    if len(a) == 1:
        return (*b[:-2], b[-1])
    try:
        return (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    except ValueError:
        return None



