"""How an expression's value depends on one of its parts, where it does so linearly."""

import ast
from typing import Any

import numpy as np

from gradparity.record.graph.nodes import Array
from gradparity.record.locate.edits.expressions import Part

MOVING = frozenset("reshape transpose swapaxes moveaxis ravel squeeze expand_dims flip".split())
SUMMING = frozenset({"sum", "mean"})
PRODUCTS = frozenset({"dot", "matmul"})


def pulled(part: Part, along: Array) -> Array | None:
    """What an expression is sensitive to, by one of its parts.

    Args:
        part: of the expression.
        along: `(directions, *shape)` sensitivities to the expression's value.

    Returns:
        `(directions, *shape)`, of the shape that the part has together with what it is combined
        with, entry by entry; None where the expression is not linear in it.
    """
    chain = [part]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    for above, below in zip(chain[:0:-1], chain[-2::-1], strict=True):
        found = _through(above, below, along)
        if found is None:
            return None
        along = found if below is part and _entrywise(above) else _gathered(found, below)
    return along


def _entrywise(part: Part) -> bool:
    node = part.node
    return isinstance(node, ast.BinOp) and not isinstance(node.op, ast.MatMult)


def _gathered(along: Array, part: Part) -> Array:
    """Summed over the axes along which a part was spread."""
    shape = np.shape(_owner(part))
    extra = along.ndim - 1 - len(shape)
    along = along.sum(tuple(range(1, 1 + extra)))
    ones = tuple(k + 1 for k, n in enumerate(shape) if n == 1 and along.shape[k + 1] != 1)
    return along.sum(ones, keepdims=True) if ones else along


def _through(above: Part, below: Part, along: Array) -> Array | None:
    node = above.node
    others = [p.value for p in above.parts if p is not below]
    if isinstance(node, ast.BinOp):
        return _operated(node.op, below.position, others[0], along)
    if isinstance(node, ast.UnaryOp):
        return -along if isinstance(node.op, ast.USub) else None
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return _moved(above, below, along)
    if isinstance(node, ast.Attribute):
        return along if callable(above.value) else None  # a method, called above it
    if isinstance(node, ast.Call):
        return _called(node, above, below, along)
    if isinstance(node, ast.Subscript) and below.position == 0:
        return _moved(above, below, along)
    return None


def _operated(op: ast.operator, position: int, other: Any, along: Array) -> Array | None:
    if isinstance(op, ast.Add):
        return along
    if isinstance(op, ast.Sub):
        return -along if position else along
    if isinstance(op, ast.Mult):
        return along * other
    if isinstance(op, ast.Div) and position == 0:
        return along / other
    if isinstance(op, ast.MatMult):
        return _multiplied(position, other, along)
    return None


def _multiplied(position: int, other: Any, along: Array) -> Array | None:
    """Through a product of two matrices, or of stacks of them."""
    if np.ndim(other) < 2 or along.ndim < 3:
        return None
    turned = np.swapaxes(other, -1, -2)
    return turned @ along if position else along @ turned


def _called(node: ast.Call, above: Part, below: Part, along: Array) -> Array | None:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    method = _is_method(above)
    first = below.position == (0 if method else 1)
    if name in MOVING and first:
        return _moved(above, below, along)
    if name in SUMMING and first:
        return _spread(name, above, below, along)
    if name in PRODUCTS and len(above.parts) == (2 if method else 3):
        left, right = above.parts[0 if method else 1], above.parts[-1]
        return _multiplied(int(not first), _owner(left if below is right else right), along)
    return None


def _is_method(call: Part) -> bool:
    """Whether it is a method of an array that is called."""
    function = call.parts[0]
    return bool(function.parts) and isinstance(function.parts[0].value, np.ndarray)


def _owner(part: Part) -> Any:
    """A part's value: of a method's name the array that it is of."""
    return part.parts[0].value if callable(part.value) and part.parts else part.value


def _moved(above: Part, below: Part, along: Array) -> Array | None:
    """Through what only arranges entries: seen by moving their numbers."""
    array = np.asarray(_owner(below))
    numbers = np.arange(array.size).reshape(array.shape)
    values = [p.value for p in above.parts]
    if isinstance(below.node, ast.Attribute) and callable(below.value):
        values[0] = getattr(numbers, below.node.attr)
    else:
        values[below.position] = numbers
    try:
        places = np.asarray(above.run(*values)).reshape(-1)
    except Exception:  # what it is given is no array of numbers
        return None
    found = np.zeros((len(along), array.size))
    np.add.at(found.T, places, along.reshape(len(along), -1).T)
    return found.reshape(len(along), *array.shape)


def _spread(name: str, above: Part, below: Part, along: Array) -> Array | None:
    """Through a sum or a mean: every entry gets what its sum gets."""
    node: Any = above.node
    array = np.asarray(_owner(below))
    values = [p.value for p in above.parts[1:]]
    names = [k.arg for k in node.keywords]
    options = dict(zip(names, values[len(node.args) :], strict=True))
    given = values[: len(node.args)] if _is_method(above) else values[1 : len(node.args)]
    axis = options.get("axis", given[0] if given else None)
    axes = range(array.ndim) if axis is None else np.atleast_1d(axis) % max(array.ndim, 1)
    kept = [1 if k in axes else n for k, n in enumerate(array.shape)]
    if along[0].size != np.prod(kept):
        return None
    count = array.size / np.prod(kept) if name == "mean" else 1.0
    spread = along.reshape(len(along), *kept) / count
    return np.broadcast_to(spread, (len(along), *array.shape))
