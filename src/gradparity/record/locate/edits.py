"""Small changes of an expression, each with the value that the whole expression would have had.

They are the slips that people make and machines are told to make: another operand, a factor or
term too many or too few, another operator, a transpose, an axis, a constant, an index one off. Each
has a price, the less the likelier the slip.
"""

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradparity.record.locate.atoms import Atom, is_value
from gradparity.record.locate.expressions import BINARY, COMPARE, Opaque, Part

Build = Callable[[ast.expr], ast.expr]


def variants(root: Part, scene: Any) -> Iterator[tuple[Part, Any, tuple, float, Build]]:
    """Every small change: the part, its new value, a key, the price and how to write it."""
    for part in root.all():
        if part.is_opaque and part is not root:
            yield from _inside_opaque(part, scene)
            continue
        yield from _replaced(part, scene)
        yield from _dropped(part)
        yield from _operators(part)
        yield from _constants(part, scene)
        yield from _indices(part, scene)
        yield from _calls(part, scene)
        if _is_number(part.value):
            yield from _transposed(part)
            yield from _inserted(part, scene)


def _inside_opaque(part: Part, scene: Any) -> Iterator:
    yield from ()


def _is_number(value: Any) -> bool:
    return is_value(value)


def _fits(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether a value can stand where one of a shape stood without making it larger."""
    own = np.shape(value)
    if own == shape:
        return True
    if len(own) > len(shape):
        return False
    return all(a in (1, b) for a, b in zip(own[::-1], shape[::-1], strict=False))


def _replaced(part: Part, scene: Any) -> Iterator:
    node = part.node
    if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript) or not _is_number(part.value):
        return
    text, shape = ast.unparse(node), np.shape(part.value)
    for atom, value in scene.atoms:
        if atom.text == text:
            continue
        price = 2.0 + _distance(text, atom.text)
        own = np.shape(value)
        if _fits(value, shape) or (np.size(value) == np.size(part.value) and len(own) == len(shape)):
            if own != shape:
                price += 1.0
            yield part, value, ("replace", atom.text), price, _just(atom.node)
        elif len(own) == 2 and own[::-1] == shape:
            yield part, value.T, ("replace.T", atom.text), price + 1.5, _transpose_of(atom.node)
        elif _wider(own, shape):
            yield part, value, ("replace wide", atom.text), price + 1.5, _just(atom.node)


def _wider(own: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return bool(np.broadcast_shapes(own, shape))
    except ValueError:
        return False


def _distance(left: str, right: str) -> float:
    """How unlike two names are, 0 to 1.5: people mix up what is called alike."""
    if left.replace("d", "") == right.replace("d", "") or _stem(left) == _stem(right):
        return 0.0
    a, b = set(left), set(right)
    return 1.5 * (1 - len(a & b) / max(len(a | b), 1)) + 0.3


def _stem(text: str) -> str:
    return "".join(c for c in text if c.isalpha()).lower()


def _dropped(part: Part) -> Iterator:
    node = part.node
    if isinstance(node, ast.BinOp) and _is_number(part.value):
        for side in (0, 1):
            kept = part.parts[side]
            if kept.is_opaque or not isinstance(kept.value, np.ndarray | float | int | np.generic):
                continue
            lost = part.parts[1 - side]
            if isinstance(node.op, ast.Div | ast.Pow | ast.MatMult | ast.Mod) and side == 1:
                continue
            price = 2.0 if np.size(lost.value) <= 1 or isinstance(lost.node, ast.Constant) else 2.3
            yield part, kept.value, ("drop", side), price, _child("left" if side == 0 else "right")
    elif isinstance(node, ast.UnaryOp) and not part.parts[0].is_opaque:
        yield part, part.parts[0].value, ("drop unary",), 1.8, _child("operand")
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield part, part.parts[0].value, ("drop T",), 1.8, _child("value")
    elif isinstance(node, ast.Call):
        inner = part.parts[1:] if not isinstance(node.func, ast.Attribute) or not part.parts[0].parts else part.parts[0].parts
        for number, argument in enumerate(part.parts[1 : 1 + len(node.args)]):
            if not argument.is_opaque and _is_number(argument.value) and number < 2:
                yield part, argument.value, ("drop call", number), 2.3, _argument(number)
        if isinstance(node.func, ast.Attribute) and inner and _is_number(inner[0].value):
            yield part, inner[0].value, ("drop method",), 2.3, _receiver
    elif isinstance(node, ast.Subscript) and _is_number(part.value):
        yield part, part.parts[0].value, ("drop index",), 3.0, _child("value")


SWAPPED = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add, ast.Mult),
    ast.Mult: (ast.Div, ast.Add, ast.Sub, ast.MatMult),
    ast.Div: (ast.Mult, ast.Sub),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}


def _operators(part: Part) -> Iterator:
    node = part.node
    if isinstance(node, ast.BinOp) and len(part.parts) == 2:
        left, right = (p.value for p in part.parts)
        if any(p.is_opaque for p in part.parts):
            return
        for op in SWAPPED.get(type(node.op), ()):
            yield part, _tried(BINARY[op], left, right), ("op", op.__name__), 2.0, _with_op(op)
        if isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
            run = BINARY[type(node.op)]
            yield part, _tried(run, right, left), ("swap",), 2.2, _swapped
        if isinstance(node.op, ast.MatMult):
            yield from _matrix(part, left, right)
    elif isinstance(node, ast.Compare) and len(part.parts) == 2:
        left, right = (p.value for p in part.parts)
        for compared, run in COMPARE.items():
            if type(node.ops[0]) is not compared:
                yield part, _tried(run, left, right), ("compare", compared.__name__), 2.0, _with_compare(compared)


def _matrix(part: Part, left: Any, right: Any) -> Iterator:
    """A product of matrices with another orientation of its operands."""
    options = (
        ("l", lambda: _t(left) @ right, lambda n: ast.BinOp(_turned(n.left), n.op, n.right)),
        ("r", lambda: left @ _t(right), lambda n: ast.BinOp(n.left, n.op, _turned(n.right))),
        ("lr", lambda: _t(left) @ _t(right), lambda n: ast.BinOp(_turned(n.left), n.op, _turned(n.right))),
        ("sl", lambda: _t(right) @ left, lambda n: ast.BinOp(_turned(n.right), n.op, n.left)),
        ("sr", lambda: right @ _t(left), lambda n: ast.BinOp(n.right, n.op, _turned(n.left))),
        ("srl", lambda: _t(right) @ _t(left), lambda n: ast.BinOp(_turned(n.right), n.op, _turned(n.left))),
    )
    for name, run, build in options:
        yield part, _tried(run), ("matmul", name), 2.0 + 0.4 * len(name), build


def _t(value: Any) -> Any:
    return value.T if value.ndim <= 2 else value.swapaxes(-1, -2)


def _turned(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return node.value
    if _is_swap(node):
        return node.func.value  # type: ignore[attr-defined]
    return ast.Attribute(node, "T", ast.Load())


def _is_swap(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "swapaxes"


def _constants(part: Part, scene: Any) -> Iterator:
    node = part.node
    if not isinstance(node, ast.Constant) or isinstance(node.value, str | bool | type(None) | bytes):
        return
    if _in_brackets(part) or _is_axis(part):
        return
    value = node.value
    options = {0, 1, 2, 3, 0.5, -value, value + 1, value - 1, 2 * value, value / 2, value * value, 1 / value if value else 0, 4}
    for new in options:
        if new != value and not isinstance(new, complex):
            yield part, new, ("constant", new), 2.2 + 0.2 * (abs(new) not in (1, 2)), _just(_number(new))
    for name, size in scene.sizes.items():
        if size != value:
            yield part, size, ("constant", name), 3.2, _just(ast.parse(name, mode="eval").body)


def _number(value: float) -> ast.expr:
    if isinstance(value, float) and value == int(value) and abs(value) < 1e15:
        value = int(value)
    if value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def _in_brackets(part: Part) -> bool:
    while part.parent is not None:
        if isinstance(part.parent.node, ast.Subscript) and part.position == 1:
            return True
        part = part.parent
    return False


def _is_axis(part: Part) -> bool:
    above = part.parent
    while above is not None and isinstance(above.node, ast.Tuple | ast.UnaryOp):
        part, above = above, above.parent
    if above is None or not isinstance(above.node, ast.Call):
        return False
    call = above.node
    keywords = call.keywords[part.position - 1 - len(call.args) :] if part.position > len(call.args) else []
    return bool(keywords and keywords[0].arg in ("axis", "axes", "keepdims", "k", "ddof"))


def _indices(part: Part, scene: Any) -> Iterator:
    """Another index, one off or another name; another slice; reversed."""
    node = part.node
    if not isinstance(node, ast.Subscript) or len(part.parts) != 2 or part.parts[0].is_opaque:
        return
    base = part.parts[0].value
    for new, price, key in _other_indices(node.slice, scene):
        value = _tried(lambda new=new: _index(base, new, part, scene))
        yield part, value, ("index", key), price, _with_index(new)


def _other_indices(index: ast.expr, scene: Any) -> Iterator[tuple[ast.expr, float, str]]:
    places = list(range(len(index.elts))) if isinstance(index, ast.Tuple) else [None]
    for place in places:
        inner = index if place is None else index.elts[place]  # type: ignore[attr-defined]
        for new, price in _other_index(inner, scene):
            whole = new if place is None else _with_element(index, place, new)
            yield whole, price, ast.unparse(whole)
    if isinstance(index, ast.Tuple) and len(index.elts) == 2:
        turned = ast.Tuple([index.elts[1], index.elts[0]], ast.Load())
        yield turned, 2.2, ast.unparse(turned)


def _other_index(index: ast.expr, scene: Any) -> Iterator[tuple[ast.expr, float]]:
    if isinstance(index, ast.Slice):
        for other in scene.slices:
            if ast.dump(other) != ast.dump(index):
                yield other, 2.3
        for name in ("lower", "upper"):
            bound = getattr(index, name)
            if bound is not None:
                for step in (1, -1):
                    yield _slice_with(index, name, _plus(bound, step)), 2.3
                yield _slice_with(index, name, None), 2.5
                for other_name in scene.whole:
                    yield _slice_with(index, name, ast.Name(other_name, ast.Load())), 2.8
                yield _slice_with(index, name, ast.UnaryOp(ast.USub(), bound)), 2.8
        if index.step is not None:
            yield ast.Slice(index.lower, index.upper, None), 2.0
        else:
            yield ast.Slice(index.lower, index.upper, ast.UnaryOp(ast.USub(), ast.Constant(1))), 2.3
        if index.lower is not None and index.upper is None:
            yield ast.Slice(None, index.lower, index.step), 2.2
        elif index.upper is not None and index.lower is None:
            yield ast.Slice(index.upper, None, index.step), 2.2
        return
    if isinstance(index, ast.Constant) and index.value is None:
        return
    if _whole(index):
        for step in (1, -1):
            yield _plus(index, step), 2.0
        for name in scene.whole:
            if ast.unparse(index) != name:
                yield ast.Name(name, ast.Load()), 2.3
        if isinstance(index, ast.BinOp):
            yield index.left, 2.0
            yield index.right, 2.4
    elif isinstance(index, ast.Name):
        for atom, value in scene.atoms:
            if isinstance(value, np.ndarray) and value.dtype.kind in "ib":
                yield atom.node, 2.8


def _whole(index: ast.expr) -> bool:
    names = (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Load)
    return all(isinstance(n, names) for n in ast.walk(index))


def _plus(index: ast.expr, step: int) -> ast.expr:
    if isinstance(index, ast.Constant) and isinstance(index.value, int):
        return _number(index.value + step)
    return ast.BinOp(index, ast.Add() if step > 0 else ast.Sub(), ast.Constant(abs(step)))


def _slice_with(index: ast.Slice, name: str, bound: ast.expr | None) -> ast.Slice:
    parts = {"lower": index.lower, "upper": index.upper, "step": index.step} | {name: bound}
    return ast.Slice(parts["lower"], parts["upper"], parts["step"])


def _with_element(index: ast.expr, place: int, new: ast.expr) -> ast.expr:
    elements = list(index.elts)  # type: ignore[attr-defined]
    elements[place] = new
    return ast.Tuple(elements, ast.Load())


def _index(base: Any, new: ast.expr, part: Part, scene: Any) -> Any:
    """The base with another index; evaluated in the scene's names."""
    return base[scene.read(new)]  # type: ignore[attr-defined]


def _calls(part: Part, scene: Any) -> Iterator:
    node = part.node
    if not isinstance(node, ast.Call) or any(p.is_opaque for p in part.parts):
        return
    function, *values = [p.value for p in part.parts]
    count = len(node.args)
    names = [k.arg for k in node.keywords]
    positional, options = values[:count], dict(zip(names, values[count:], strict=True))
    method = isinstance(node.func, ast.Attribute) and isinstance(getattr(function, "__self__", None), np.ndarray)
    yield from _axes(part, function, positional, options, method)
    yield from _other_functions(part, function, positional, options, method)
    if count >= 2 and not method:
        for first in range(count - 1):
            order = list(range(count))
            order[first], order[first + 1] = order[first + 1], order[first]
            value = _tried(lambda order=order: function(*[positional[k] for k in order], **options))
            yield part, value, ("arguments", first), 2.2, _with_arguments(order)
    name = getattr(function, "__name__", "")
    if name == "einsum" and positional and isinstance(positional[0], str):
        yield from _einsums(part, function, positional, options)
    if name in ("transpose", "swapaxes", "moveaxis"):
        yield from _permutations(part, function, positional, options)
    for place, argument in enumerate(node.args):
        if isinstance(argument, ast.Constant) and isinstance(argument.value, bool):
            changed = list(positional)
            changed[place] = not argument.value
            value = _tried(lambda changed=changed: function(*changed, **options))
            yield part, value, ("flag", place), 2.0, _with_argument(place, ast.Constant(not argument.value))
    for keyword in node.keywords:
        if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, bool):
            new = not keyword.value.value
            value = _tried(lambda k=keyword.arg, new=new: function(*positional, **{**options, k: new}))
            yield part, value, ("flag", keyword.arg), 2.0, _with_keyword(keyword.arg, ast.Constant(new))  # type: ignore[arg-type]


REDUCTIONS = ("sum", "mean", "max", "min", "prod", "var", "std", "cumsum", "argmax", "softmax", "logsumexp", "repeat", "flip", "roll", "concatenate", "stack", "split", "expand_dims", "squeeze", "take", "norm")


def _axes(part: Part, function: Any, positional: list, options: dict, method: bool) -> Iterator:
    name = getattr(function, "__name__", "")
    if name not in REDUCTIONS:
        return
    array = getattr(function, "__self__", None) if method else positional[0] if positional else None
    if not isinstance(array, np.ndarray):
        return
    place = 0 if method else 1
    now = options.get("axis", positional[place] if len(positional) > place else None)
    choices: list[Any] = [None, *range(array.ndim)]
    if array.ndim > 2:
        choices += [(a, b) for a in range(array.ndim) for b in range(a + 1, array.ndim)]
    if array.ndim > 3:
        choices += [tuple(k for k in range(array.ndim) if k != left) for left in range(array.ndim)]
    for axis in choices:
        if _same_axis(axis, now, array.ndim):
            continue
        for keep in {options.get("keepdims", False), True} if name in ("sum", "mean", "max", "min") else {options.get("keepdims", False)}:
            new = {**options, "axis": axis} | ({"keepdims": True} if keep else {})
            rest = positional[:place] + positional[place + 1 :]
            value = _tried(lambda new=new, rest=rest: function(*rest, **new))
            price = 2.0 + 0.7 * (bool(keep) != bool(options.get("keepdims", False)))
            yield part, value, ("axis", axis, keep), price, _with_axis(axis, bool(keep), place)
    if "keepdims" not in options and name in ("sum", "mean", "max", "min"):
        value = _tried(lambda: function(*positional, **options, keepdims=True))
        yield part, value, ("keepdims",), 2.0, _with_keyword("keepdims", ast.Constant(True))


def _same_axis(left: Any, right: Any, ndim: int) -> bool:
    def norm(axis: Any) -> Any:
        if axis is None:
            return None
        if isinstance(axis, int | np.integer):
            return (int(axis) % max(ndim, 1),)
        return tuple(sorted(int(a) % max(ndim, 1) for a in axis))

    try:
        return norm(left) == norm(right)
    except TypeError:
        return False


FAMILIES = (
    ("sum", "mean", "max", "min"),
    ("maximum", "minimum"),
    ("triu", "tril"),
    ("exp", "log", "sqrt", "square", "tanh", "sin", "cos", "abs", "sign"),
    ("zeros_like", "ones_like"),
    ("zeros", "ones"),
    ("outer", "dot", "multiply", "inner", "matmul"),
    ("add", "subtract", "multiply", "divide"),
    ("var", "std"),
    ("cumsum", "sum"),
    ("hstack", "vstack"),
    ("argmax", "argmin"),
    ("floor", "ceil"),
    ("greater", "less"),
)


def _other_functions(part: Part, function: Any, positional: list, options: dict, method: bool) -> Iterator:
    name = getattr(function, "__name__", "")
    module = getattr(function, "__module__", None) or ""
    if not method and not isinstance(function, np.ufunc) and not module.startswith("numpy"):
        return
    others = {other for family in FAMILIES if name in family for other in family} - {name}
    for other in sorted(others):
        owner = function.__self__ if method else np
        found = getattr(owner, other, None)
        if found is not None and isinstance(part.node.func, ast.Attribute):  # type: ignore[attr-defined]
            value = _tried(lambda found=found: found(*positional, **options))
            yield part, value, ("function", other), 2.3, _with_function(other)


def _einsums(part: Part, function: Any, positional: list, options: dict) -> Iterator:
    text = positional[0].replace(" ", "")
    if "->" not in text or "." in text:
        return
    inputs, _, output = text.partition("->")
    letters = sorted(set(inputs) - {","})
    options_of = set()
    for k, letter in enumerate(output):
        for other in letters:
            if other not in output:
                options_of.add(inputs + "->" + output[:k] + other + output[k + 1 :])
        for j in range(k + 1, len(output)):
            turned = list(output)
            turned[k], turned[j] = turned[j], turned[k]
            options_of.add(inputs + "->" + "".join(turned))
        del letter
    parts = inputs.split(",")
    for n, one in enumerate(parts):
        for k in range(len(one)):
            for j in range(k + 1, len(one)):
                turned = list(one)
                turned[k], turned[j] = turned[j], turned[k]
                options_of.add(",".join([*parts[:n], "".join(turned), *parts[n + 1 :]]) + "->" + output)
            for other in letters:
                if other != one[k]:
                    new = one[:k] + other + one[k + 1 :]
                    options_of.add(",".join([*parts[:n], new, *parts[n + 1 :]]) + "->" + output)
    for new in sorted(options_of - {text}):
        value = _tried(lambda new=new: function(new, *positional[1:], **options))
        yield part, value, ("einsum", new), 2.3, _with_argument(0, ast.Constant(new))


def _permutations(part: Part, function: Any, positional: list, options: dict) -> Iterator:
    import itertools

    flat = positional
    whole = [v for v in flat if isinstance(v, int | np.integer)]
    if len(whole) != len(flat) or not 2 <= len(whole) <= 4:
        return
    orders = itertools.permutations(whole) if len(whole) > 2 else itertools.permutations(range(4), 2)
    for order in orders:
        if list(order) != whole:
            value = _tried(lambda order=order: function(*order, **options))
            yield part, value, ("permutation", order), 2.3, _with_numbers(order)


def _transposed(part: Part) -> Iterator:
    value, above = part.value, part.parent
    if not isinstance(value, np.ndarray) or value.ndim < 2:
        return
    if isinstance(part.node, ast.Attribute) and part.node.attr == "T":
        return
    if above is not None and isinstance(above.node, ast.Attribute) and above.node.attr == "T":
        return
    if value.ndim == 2:
        yield part, value.T, ("T",), 2.2, lambda n: ast.Attribute(n, "T", ast.Load())
    else:
        yield part, value.swapaxes(-1, -2), ("swapaxes",), 2.5, _method("swapaxes", -1, -2)


def _inserted(part: Part, scene: Any) -> Iterator:
    """A factor, a term, a sign, a function that is missing here."""
    above = part.parent.node if part.parent is not None else None
    in_product = isinstance(above, ast.BinOp) and (
        isinstance(above.op, ast.Mult) or (isinstance(above.op, ast.Div) and part.position == 0)
    )
    in_sum = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Add | ast.Sub)
    value, shape = part.value, np.shape(part.value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        yield part, ~value, ("invert",), 2.5, lambda n: ast.UnaryOp(ast.Invert(), n)
        return
    if _in_brackets(part) or _is_axis(part):
        return
    if not in_product:
        yield part, -value, ("negate",), 2.0, lambda n: ast.UnaryOp(ast.USub(), n)
        for name, size in scene.sizes.items():
            node = ast.parse(name, mode="eval").body
            extra = 0.0 if isinstance(node, ast.Name | ast.Constant) else 0.8
            yield part, value * size, ("times", name), 3.2 + extra, _combined(ast.Mult(), node)
            if size:
                yield part, value / size, ("over", name), 3.0 + extra, _combined(ast.Div(), node)
    for atom, other in scene.atoms:
        if not _fits(other, shape):
            continue
        same = np.shape(other) == shape
        if not in_product:
            price = 3.4 if same else 3.7
            yield part, _tried(np.multiply, value, other), ("times", atom.text), price, _combined(ast.Mult(), atom.node)
            if isinstance(other, np.ndarray) and other.dtype.kind == "b":
                continue
            yield part, _tried(np.divide, value, other), ("over", atom.text), price + 0.4, _combined(ast.Div(), atom.node)
            if same:
                yield from _local(part, value, atom, other)
        if not in_sum and same and not (isinstance(other, np.ndarray) and other.dtype.kind == "b"):
            yield part, _tried(np.add, value, other), ("plus", atom.text), 3.4, _combined(ast.Add(), atom.node)
            yield part, _tried(np.subtract, value, other), ("minus", atom.text), 3.6, _combined(ast.Sub(), atom.node)
    if not in_sum:
        yield part, 1 - value, ("complement",), 3.2, lambda n: ast.BinOp(ast.Constant(1), ast.Sub(), n)
        yield part, 1 + value, ("one more",), 3.4, lambda n: ast.BinOp(ast.Constant(1), ast.Add(), n)
    for power in (2, 3):
        yield part, _tried(lambda power=power: value**power), ("power", power), 3.0, _powered(power)
    yield part, _tried(np.sqrt, value), ("sqrt",), 3.4, _np_call("sqrt")
    yield part, _tried(np.exp, value), ("exp",), 3.2, _np_call("exp")
    yield part, _tried(np.log, value), ("log",), 3.8, _np_call("log")
    yield part, _tried(np.tanh, value), ("tanh",), 3.4, _np_call("tanh")
    yield part, _tried(lambda: 1 / value), ("inverse",), 3.4, lambda n: ast.BinOp(ast.Constant(1), ast.Div(), n)
    for name, function in scene.functions.items():
        yield part, _tried(function, value), ("call", name), 3.0, _call_of(name)
    if isinstance(value, np.ndarray) and value.ndim:
        for axis in range(value.ndim):
            kept = value.sum(axis=axis, keepdims=True)
            yield part, kept, ("sum keep", axis), 3.2, _method_named("sum", axis=axis, keepdims=True)
            yield part, value.mean(axis=axis, keepdims=True), ("mean keep", axis), 3.4, _method_named("mean", axis=axis, keepdims=True)
            yield part, kept.squeeze(axis), ("sum", axis), 2.8, _method_named("sum", axis=axis)
            yield part, np.flip(value, axis), ("flip", axis), 3.4, _np_flip(axis)
        yield part, value.sum(), ("sum all",), 3.0, _method_named("sum")


def _local(part: Part, value: Any, atom: Atom, other: Any) -> Iterator:
    """A derivative of an activation that is missing: of the sigmoid, of tanh, of a rectifier."""
    if not isinstance(other, np.ndarray | float | np.floating):
        return
    a = atom.text
    for text, factor, price in (
        (f"{a} * (1 - {a})", other * (1 - other), 4.0),
        (f"(1 - {a}**2)", 1 - other * other, 4.0),
        (f"(1 - {a})", 1 - other, 4.0),
        (f"({a} > 0)", other > 0, 3.8),
        (f"np.exp({a})", _tried(np.exp, other), 4.4),
        (f"{a}**2", other * other, 4.4),
    ):
        node = ast.parse(text, mode="eval").body
        yield part, _tried(np.multiply, value, factor), ("times", text), price, _combined(ast.Mult(), node)


def _tried(function: Callable, *values: Any) -> Any:
    """A value, or Opaque where it cannot be computed."""
    try:
        return function(*values)
    except Exception:
        return Opaque()


def _just(node: ast.expr) -> Build:
    return lambda _: node


def _transpose_of(node: ast.expr) -> Build:
    return lambda _: ast.Attribute(node, "T", ast.Load())


def _child(name: str) -> Build:
    return lambda node: getattr(node, name)


def _argument(number: int) -> Build:
    return lambda node: node.args[number]  # type: ignore[attr-defined]


def _receiver(node: ast.expr) -> ast.expr:
    return node.func.value  # type: ignore[attr-defined]


def _with_op(op: type) -> Build:
    return lambda n: ast.BinOp(n.left, op(), n.right)  # type: ignore[attr-defined]


def _swapped(node: ast.expr) -> ast.expr:
    return ast.BinOp(node.right, node.op, node.left)  # type: ignore[attr-defined]


def _with_compare(op: type) -> Build:
    return lambda n: ast.Compare(n.left, [op()], n.comparators)  # type: ignore[attr-defined]


def _with_index(new: ast.expr) -> Build:
    return lambda n: ast.Subscript(n.value, new, ast.Load())  # type: ignore[attr-defined]


def _combined(op: ast.operator, other: ast.expr) -> Build:
    return lambda n: ast.BinOp(n, op, other)


def _powered(power: int) -> Build:
    return lambda n: ast.BinOp(n, ast.Pow(), ast.Constant(power))


def _np_call(name: str) -> Build:
    return lambda n: ast.Call(ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load()), [n], [])


def _np_flip(axis: int) -> Build:
    return lambda n: ast.Call(
        ast.Attribute(ast.Name("np", ast.Load()), "flip", ast.Load()), [n, ast.Constant(axis)], []
    )


def _call_of(name: str) -> Build:
    return lambda n: ast.Call(ast.parse(name, mode="eval").body, [n], [])


def _method(name: str, *numbers: int) -> Build:
    return lambda n: ast.Call(ast.Attribute(n, name, ast.Load()), [_number(k) for k in numbers], [])


def _method_named(name: str, **options: Any) -> Build:
    keywords = [ast.keyword(k, ast.Constant(v)) for k, v in options.items()]
    return lambda n: ast.Call(ast.Attribute(n, name, ast.Load()), [], keywords)


def _with_arguments(order: Sequence[int]) -> Build:
    return lambda n: ast.Call(n.func, [n.args[k] for k in order], n.keywords)  # type: ignore[attr-defined]


def _with_argument(place: int, new: ast.expr) -> Build:
    def build(node: ast.expr) -> ast.expr:
        arguments = list(node.args)  # type: ignore[attr-defined]
        arguments[place] = new
        return ast.Call(node.func, arguments, node.keywords)  # type: ignore[attr-defined]

    return build


def _with_numbers(order: Sequence[int]) -> Build:
    return lambda n: ast.Call(n.func, [_number(int(k)) for k in order], n.keywords)  # type: ignore[attr-defined]


def _with_keyword(name: str, new: ast.expr) -> Build:
    def build(node: ast.expr) -> ast.expr:
        rest = [k for k in node.keywords if k.arg != name]  # type: ignore[attr-defined]
        return ast.Call(node.func, node.args, [*rest, ast.keyword(name, new)])  # type: ignore[attr-defined]

    return build


def _with_axis(axis: Any, keep: bool, place: int) -> Build:
    def build(node: ast.expr) -> ast.expr:
        arguments = [a for k, a in enumerate(node.args) if k != place]  # type: ignore[attr-defined]
        rest = [k for k in node.keywords if k.arg not in ("axis", "keepdims")]  # type: ignore[attr-defined]
        keywords = [ast.keyword("axis", ast.parse(repr(axis), mode="eval").body)]
        if keep:
            keywords.append(ast.keyword("keepdims", ast.Constant(True)))
        return ast.Call(node.func, arguments, [*rest, *keywords])  # type: ignore[attr-defined]

    return build


def _with_function(name: str) -> Build:
    return lambda n: ast.Call(ast.Attribute(n.func.value, name, ast.Load()), n.args, n.keywords)  # type: ignore[attr-defined]


def edited(expression: ast.expr, target: ast.AST, build: Build) -> ast.expr:
    """The expression with one part replaced; what it is made of is copied."""

    def copied(node: Any) -> Any:
        if node is target:
            return copy.deepcopy(build(node))
        if isinstance(node, ast.AST):
            new = type(node)(**{name: copied(v) for name, v in ast.iter_fields(node)})
            return ast.copy_location(new, node)
        return [copied(v) for v in node] if isinstance(node, list) else node

    return ast.fix_missing_locations(ast.copy_location(copied(expression), expression))
