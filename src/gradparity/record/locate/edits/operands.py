"""Another operand, one too many, one too few."""

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.atoms import Atom, is_value
from gradparity.record.locate.edits.change import (
    Change,
    Changes,
    Scene,
    fits,
    in_brackets,
    is_option,
    number_like,
)
from gradparity.record.locate.edits.expressions import Part

NAMED_SO = 1.6  # price of `x = cache["x"]` where another entry stands
OWN_TARGET = 1.4  # how much likelier a slip is where a sum adds what it has so far
NEGATED = 2.3  # a minus that is missing; one too many costs less
WHOLE = 3.5  # price of a name where something was computed
APPLIED = 3.6  # a derivative that the subject has a function for
WIDER, WIDER_WHOLE = 4.2, 3.8  # of what makes a value larger; a whole expression may lack most
WITH_AXES: tuple[tuple[str, tuple], ...] = (
    ("[..., None]", (..., None)),
    ("[:, None]", (slice(None), None)),
    ("[:, None, None]", (slice(None), None, None)),
)
NAMES = (ast.Name, ast.Attribute, ast.Subscript)


def oriented(
    atom: Atom, value: Any, shape: tuple[int, ...]
) -> Iterator[tuple[str, Any, ast.expr, float]]:
    """An atom so that it fits a shape: as it is, transposed, or with an axis more."""
    own = np.shape(value)
    if fits(value, shape):
        yield atom.text, value, atom.node, 0.0 if own == shape else 0.3
    if len(own) == 2 and own[::-1] == shape and own != (1, 1):
        yield f"{atom.text}.T", value.T, ast.Attribute(atom.node, "T", write.LOAD), 0.7
    if 0 < len(own) < len(shape):
        for text, index in WITH_AXES:
            if fits(value[index], shape):
                yield atom.text + text, value[index], write.expression(atom.text + text), 0.6


def replaced(part: Part, scene: Scene) -> Changes:
    """Another value of the subject's where a name stands."""
    if not isinstance(part.node, NAMES) or not number_like(part.value):
        return
    if in_brackets(part) or is_option(part) or _is_called(part):
        return
    text, shape = ast.unparse(part.node), np.shape(part.value)
    zeros = scene.zeros if np.any(part.value) else frozenset[str]()
    for atom, value in scene.atoms:
        if atom.text in zeros and not isinstance(atom.node, ast.Name):
            continue  # what is zero by chance makes much else right by chance
        named = part.parent is None and scene.bound and scene.bound in atom.text
        price = NAMED_SO if named else 2.0 + unlike(text, atom.text)
        price -= OWN_TARGET * (scene.reads_target(text) and not text.startswith(_base(atom.text)))
        found = False
        for name, one, node, extra in oriented(atom, value, shape):
            found = True
            if name != text:
                yield Change(lambda v=one: v, ("replace", name), price + extra, write.just(node))
        if not found:
            yield Change(
                lambda v=value: v, ("replace", atom.text), price + 0.7, write.just(atom.node)
            )
            if np.ndim(value) == 2:
                turned = ast.Attribute(atom.node, "T", write.LOAD)
                key = ("replace", f"{atom.text}.T")
                yield Change(lambda v=value: v.T, key, price + 1.0, write.just(turned))
    price = 3.0 - OWN_TARGET * scene.reads_target(text)
    for name, size in {**scene.sizes, "0": 0.0, "1": 1.0}.items():
        if name != text and name != "2":
            yield Change(
                lambda s=size: s, ("size", name), price, write.just(write.expression(name))
            )


def whole(part: Part, scene: Scene) -> Changes:
    """A name in the place of all that was computed."""
    if part.parent is not None or not isinstance(part.node, ast.BinOp | ast.Call):
        return
    shape = np.shape(part.value)
    for atom, value in scene.atoms:
        if isinstance(atom.node, ast.Name) and np.shape(value) == shape and shape:
            yield Change(lambda v=value: v, ("instead", atom.text), WHOLE, write.just(atom.node))


def _is_called(part: Part) -> bool:
    """Whether it is the function of a call, or leads to one."""
    above = part.parent
    return above is not None and isinstance(above.node, ast.Call) and part.position == 0


@lru_cache(maxsize=50_000)
def unlike(left: str, right: str) -> float:
    """How unlike two names are, 0 to 1.8: people mix up what is called alike."""
    if left.replace("d", "") == right.replace("d", "") or _letters(left) == _letters(right):
        return 0.0
    a, b = set(left), set(right)
    return 0.3 + 1.5 * (1 - len(a & b) / max(len(a | b), 1))


def _base(text: str) -> str:
    """The array that an element is of."""
    return text.split("[")[0]


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalpha()).lower()


def dropped(part: Part, scene: Scene) -> Changes:
    """Without one of its operands, its sign, its transpose, the function around it."""
    node = part.node
    if isinstance(node, ast.BinOp):
        yield from _one_side(part, node)
    elif isinstance(node, ast.UnaryOp):
        yield Change(lambda: part.parts[0].value, ("no sign",), 1.8, write.child("operand"))
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield Change(lambda: part.parts[0].value, ("no T",), 1.8, write.child("value"))
    elif isinstance(node, ast.Call):
        yield from _without_call(part, node)
    elif isinstance(node, ast.Subscript) and is_value(part.value):
        yield Change(lambda: part.parts[0].value, ("no index",), 3.0, write.child("value"))


def _one_side(part: Part, node: ast.BinOp) -> Changes:
    for side, name in ((0, "left"), (1, "right")):
        if part.parts[side].is_opaque:
            continue
        if side == 1 and isinstance(node.op, ast.Div | ast.Pow | ast.MatMult | ast.Mod | ast.Sub):
            if not isinstance(node.op, ast.Sub):
                continue
            yield Change(
                lambda: -part.parts[1].value,
                ("only -right",),
                2.6,
                lambda n: write.negated(n.right),
            )
        lost = part.parts[1 - side]
        kind, price = ("without", 2.0) if np.size(lost.value) <= 1 else ("only", 2.3)
        yield Change(
            lambda side=side: part.parts[side].value, (kind, name), price, write.child(name)
        )


def _without_call(part: Part, node: ast.Call) -> Changes:
    for place in range(min(len(node.args), 2)):
        argument = part.parts[1 + place]
        if is_value(argument.value):
            yield Change(
                lambda a=argument: a.value, ("no call", place), 2.3,
                lambda n, place=place: n.args[place],
            )  # fmt: skip
    function = part.parts[0]
    if (
        isinstance(node.func, ast.Attribute)
        and function.parts
        and is_value(function.parts[0].value)
    ):
        yield Change(lambda: function.parts[0].value, ("no method",), 2.3, lambda n: n.func.value)


def inserted(part: Part, scene: Scene) -> Changes:
    """A factor, a term, a sign or a function that is missing here."""
    value = part.value
    if not is_value(value) or in_brackets(part) or is_option(part):
        return
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        yield Change(lambda: ~value, ("not",), 2.5, lambda n: ast.UnaryOp(ast.Invert(), n))
        return
    if not _in_product(part):
        yield from _signs_and_sizes(value, scene)
        yield from _factors(part, value, scene)
    if not _in_sum(part):
        yield from _terms(part, value, scene)
    yield from _functions(part, value, scene)
    yield from _sums(value)
    yield from _matrix_factors(value, scene)


def _in_product(part: Part) -> bool:
    """Whether a factor here is one of the whole product, tried there."""
    above = part.parent.node if part.parent is not None else None
    if not isinstance(above, ast.BinOp):
        return False
    return isinstance(above.op, ast.Mult) or (isinstance(above.op, ast.Div) and part.position == 0)


def _in_sum(part: Part) -> bool:
    above = part.parent.node if part.parent is not None else None
    return isinstance(above, ast.BinOp) and isinstance(above.op, ast.Add | ast.Sub)


def _signs_and_sizes(value: Any, scene: Scene) -> Changes:
    yield Change(lambda: -value, ("negate",), NEGATED, write.negated)
    for name, size in scene.sizes.items():
        node = write.expression(name)
        extra = 0.0 if isinstance(node, ast.Name | ast.Constant) else 0.8
        yield Change(
            lambda s=size: value * s, ("times", name), 3.2 + extra, write.combined(ast.Mult(), node)
        )
        yield Change(
            lambda s=size: value / s, ("over", name), 3.0 + extra, write.combined(ast.Div(), node)
        )


def _factors(part: Part, value: Any, scene: Scene) -> Changes:
    shape = np.shape(value)
    for atom, found in scene.atoms:
        for name, other, node, extra in oriented(atom, found, shape):
            price = 3.4 + extra
            yield Change(
                lambda o=other: value * o, ("times", name), price, write.combined(ast.Mult(), node)
            )
            if np.asarray(other).dtype.kind == "b" or atom.text in scene.written:
                continue
            yield Change(
                lambda o=other: value / o, ("over", name), price + 0.4,
                write.combined(ast.Div(), node),
            )  # fmt: skip
            if np.shape(other) == shape:
                yield from _local(value, name, other)
    for text, made in scene.applied:
        if made.shape == shape:
            yield Change(
                lambda o=made: value * o, ("times", text), APPLIED,
                write.combined(ast.Mult(), write.expression(text)),
            )  # fmt: skip
    price = WIDER if part.parent is not None else WIDER_WHOLE
    for atom, found in scene.atoms:
        for name, other, node in _wider(atom, found, shape):
            yield Change(
                lambda o=other: value * o, ("times", name), price, write.combined(ast.Mult(), node)
            )


def _wider(atom: Atom, value: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, Any, ast.expr]]:
    """An atom that makes a product larger, as it is or with an axis more."""
    own = np.ndim(value)
    forms: list[tuple[str, Any]] = [("", ())] if own >= len(shape) else []
    if 0 < own < len(shape):
        forms += [("[..., None]", (..., None)), ("[:, None]", (slice(None), None))]
    for text, index in forms:
        shaped = value[index] if text else value
        try:
            wide = np.broadcast_shapes(np.shape(shaped), shape)
        except ValueError:
            continue
        if wide != shape:
            yield atom.text + text, shaped, write.expression(atom.text + text)


def _matrix_factors(value: Any, scene: Scene) -> Changes:
    """A product with a matrix, on either side."""
    if np.ndim(value) < 2:
        return
    rows, columns = np.shape(value)[-2:]
    for atom, found in scene.atoms:
        if np.ndim(found) != 2:
            continue
        for text, other, node in (
            (atom.text, found, atom.node),
            (f"{atom.text}.T", found.T, ast.Attribute(atom.node, "T", write.LOAD)),
        ):
            if other.shape[0] == columns:
                yield Change(
                    lambda o=other: value @ o, ("@", text), 4.2, write.combined(ast.MatMult(), node)
                )
            if other.shape[1] == rows:
                yield Change(
                    lambda o=other: o @ value, ("by", text), 4.2,
                    lambda n, node=node: ast.BinOp(node, ast.MatMult(), n),
                )  # fmt: skip


LOCAL: tuple[tuple[str, Callable, float], ...] = (
    ("{a} * (1 - {a})", lambda a: a * (1 - a), 4.0),
    ("(1 - {a} ** 2)", lambda a: 1 - a * a, 4.0),
    ("(1 - {a})", lambda a: 1 - a, 4.0),
    ("({a} > 0)", lambda a: a > 0, 3.8),
    ("1 / (1 + np.exp(-{a}))", lambda a: 1 / (1 + np.exp(-a)), 4.2),
    ("np.exp({a})", np.exp, 4.4),
    ("{a} ** 2", lambda a: a * a, 4.4),
)


def _local(value: Any, name: str, other: Any) -> Changes:
    """A missing derivative of an activation: the sigmoid's, tanh's, a rectifier's, softplus's."""
    for form, run, price in LOCAL:
        text = form.format(a=name)
        yield Change(
            lambda run=run: value * run(other), ("times", text), price,
            lambda n, text=text: ast.BinOp(n, ast.Mult(), write.expression(text)),
        )  # fmt: skip


def _terms(part: Part, value: Any, scene: Scene) -> Changes:
    shape = np.shape(value)
    # To add what was there before is another statement, `+=`.
    atoms = [(a, found) for a, found in scene.atoms if a.text != scene.bound or "[" not in a.text]
    for atom, found in atoms:
        if np.asarray(found).dtype.kind == "f" and not fits(found, shape):
            yield Change(
                lambda o=found: value + o, ("plus", atom.text), WIDER,
                write.combined(ast.Add(), atom.node),
            )  # fmt: skip
    yield Change(lambda: 1 - value, ("1 -",), 3.2, write.from_one(ast.Sub()))
    yield Change(lambda: 1 + value, ("1 +",), 3.4, write.from_one(ast.Add()))
    yield Change(lambda: value - 1, ("- 1",), 3.2, write.combined(ast.Sub(), ast.Constant(1)))
    for atom, found in atoms:
        for name, other, node, extra in oriented(atom, found, shape):
            if np.asarray(other).dtype.kind == "b":
                continue
            price = 3.4 + extra
            yield Change(
                lambda o=other: value + o, ("plus", name), price, write.combined(ast.Add(), node)
            )
            if atom.text in scene.written:
                continue
            yield Change(
                lambda o=other: value - o, ("minus", name), price + 0.2,
                write.combined(ast.Sub(), node),
            )  # fmt: skip


UNARY: tuple[tuple[str, Callable, float], ...] = (
    ("np.sqrt", np.sqrt, 3.4),
    ("np.exp", np.exp, 3.2),
    ("np.log", np.log, 3.6),
    ("np.tanh", np.tanh, 3.4),
    ("np.abs", np.abs, 3.6),
    ("np.diag", np.diag, 3.6),
)


def _functions(part: Part, value: Any, scene: Scene) -> Changes:
    for power in (2, 3, 0.5):
        yield Change(lambda p=power: value**p, ("power", power), 3.0, write.powered(power))
    yield Change(lambda: 1 / value, ("1 /",), 3.4, write.from_one(ast.Div()))
    for name, run, price in UNARY:
        yield Change(lambda run=run: run(value), ("call", name), price, write.called(name))
    for name, run in scene.functions.items():
        yield Change(lambda run=run: run(value), ("call", name), 3.0, write.called(name))


def _sums(value: Any) -> Changes:
    if not isinstance(value, np.ndarray) or not value.ndim:
        return
    for axis in range(value.ndim):
        yield Change(
            lambda k=axis: value.sum(axis=k), ("sum", axis), 2.8, write.method("sum", axis=axis)
        )
        yield Change(
            lambda k=axis: value.sum(axis=k, keepdims=True), ("sum keep", axis), 3.0,
            write.method("sum", axis=axis, keepdims=True),
        )  # fmt: skip
        yield Change(
            lambda k=axis: value.mean(axis=k, keepdims=True), ("mean keep", axis), 3.2,
            write.method("mean", axis=axis, keepdims=True),
        )  # fmt: skip
        yield Change(
            lambda k=axis: np.flip(value, k), ("flip", axis), 4.0, write.called("np.flip", axis)
        )
    yield Change(lambda: value.sum(), ("sum",), 3.0, write.method("sum"))
