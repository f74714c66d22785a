"""Another axis, another function of the same family, arguments in another order."""

import ast
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.change import Change, Changes, Scene
from gradparity.record.locate.edits.expressions import Part

CONDITION = 3.0  # price of another one
WITH_AXIS = frozenset(
    "sum mean max min prod var std cumsum argmax softmax logsumexp repeat flip roll concatenate "
    "stack split expand_dims squeeze take norm cumprod diff".split()
)
KEEPING = ("sum", "mean", "max", "min", "prod", "var", "std")
FAMILIES = (
    ("sum", "mean", "max", "min"),
    ("maximum", "minimum"),
    ("triu", "tril"),
    ("exp", "log", "sqrt", "square", "tanh", "sin", "cos", "abs", "sign", "log1p", "expm1"),
    ("zeros_like", "ones_like"),
    ("zeros", "ones"),
    ("outer", "dot", "multiply", "inner", "matmul"),
    ("add", "subtract", "multiply", "divide"),
    ("var", "std"),
    ("cumsum", "sum"),
    ("hstack", "vstack"),
    ("greater", "less"),
    ("repeat", "tile"),
)


def calls(part: Part, scene: Scene) -> Changes:
    """Every other call that people write for this one."""
    node = part.node
    if not isinstance(node, ast.Call) or any(p.is_opaque for p in part.parts):
        return
    function, *values = [p.value for p in part.parts]
    count = len(node.args)
    names = [k.arg or "" for k in node.keywords]
    given = Given(node, function, values[:count], dict(zip(names, values[count:], strict=True)))
    yield from _axes(given)
    yield from _families(given)
    yield from _orders(given)
    yield from _flags(given)
    yield from _einsums(given)
    yield from _permutations(given)
    yield from _reshapes(given)
    yield from _reversals(given)
    yield from _of_activated(given)
    yield from _conditions(given, scene)


def _conditions(given: "Given", scene: Scene) -> Changes:
    """Another condition where one of two values is chosen."""
    if given.name != "where" or len(given.values) != 3:
        return
    rest = given.values[1:]
    for atom, value in scene.atoms:
        kind = np.asarray(value).dtype.kind
        text, condition = (atom.text, value) if kind == "b" else (f"{atom.text} > 0", value > 0)
        if np.ndim(condition):
            yield Change(
                lambda c=condition: given.function(c, *rest), ("condition", text), CONDITION,
                write.with_argument(0, write.expression(text)),
            )  # fmt: skip


ACTIVATED: tuple[tuple[str, Callable], ...] = (
    ("{a} * (1 - {a})", lambda a: a * (1 - a)),
    ("1 - {a} ** 2", lambda a: 1 - a * a),
)


def _of_activated(given: "Given") -> Changes:
    """The derivative by what an activation has made, where its argument is that already."""
    if isinstance(given.function, np.ufunc) or len(given.values) < 1:
        return
    value = given.values[0]
    if not isinstance(given.node.func, ast.Name) or not isinstance(value, np.ndarray | float):
        return
    text = ast.unparse(given.node.args[0])
    for form, run in ACTIVATED:
        new = form.format(a=text)
        yield Change(
            lambda run=run: run(value), ("activated", new), 2.6,
            lambda _, new=new: write.expression(f"({new})"),
        )  # fmt: skip


class Given:
    """A call with its function and arguments."""

    def __init__(self, node: ast.Call, function: Any, values: list, options: dict) -> None:
        self.node, self.function, self.values, self.options = node, function, values, options
        self.name = getattr(function, "__name__", "")
        self.owner = getattr(function, "__self__", None)
        self.method = isinstance(node.func, ast.Attribute) and isinstance(self.owner, np.ndarray)

    @property
    def array(self) -> Any:
        """The array it works on."""
        return self.owner if self.method else self.values[0] if self.values else None


def _axes(given: Given) -> Changes:
    array = given.array
    if given.name not in WITH_AXIS or not isinstance(array, np.ndarray):
        return
    place = 0 if given.method else 1
    now = given.options.get("axis", given.values[place] if len(given.values) > place else None)
    kept = bool(given.options.get("keepdims", False))
    choices: list[Any] = [None, *range(array.ndim)]
    if array.ndim > 2:
        choices += itertools.combinations(range(array.ndim), 2)
    if array.ndim > 3:
        choices += itertools.combinations(range(array.ndim), array.ndim - 1)
    rest = given.values[:place] + given.values[place + 1 :]
    for axis in choices:
        for keep in (False, True) if given.name in KEEPING else (kept,):
            if _same(axis, now, array.ndim) and keep == kept:
                continue
            options = {k: v for k, v in given.options.items() if k not in ("axis", "keepdims")}
            options |= ({"axis": axis} if axis is not None else {}) | (
                {"keepdims": True} if keep else {}
            )
            price = 2.0 + 0.5 * (keep != kept and not _same(axis, now, array.ndim))
            yield Change(
                lambda rest=rest, options=options: given.function(*rest, **options),
                ("axis", axis, keep), price, write.with_axis(axis, keep, place),
            )  # fmt: skip


def _same(left: Any, right: Any, ndim: int) -> bool:
    def normal(axis: Any) -> Any:
        if axis is None:
            return None
        axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
        return tuple(sorted(int(a) % max(ndim, 1) for a in axes))

    try:
        return normal(left) == normal(right)
    except TypeError:
        return False


def _families(given: Given) -> Changes:
    module = getattr(given.function, "__module__", None) or ""
    known = given.method or isinstance(given.function, np.ufunc) or module.startswith("numpy")
    if not known or not isinstance(given.node.func, ast.Attribute):
        return
    others = {n for family in FAMILIES if given.name in family for n in family} - {given.name}
    for other in sorted(others):
        found = getattr(given.owner if given.method else np, other, None)
        if found is not None:
            yield Change(
                lambda found=found: found(*given.values, **given.options),
                ("function", other), 2.3, write.with_function(other),
            )  # fmt: skip


def _orders(given: Given) -> Changes:
    count = len(given.values)
    if given.method or count < 2:
        return
    for first in range(count - 1):
        order = list(range(count))
        order[first], order[first + 1] = order[first + 1], order[first]
        yield Change(
            lambda order=order: given.function(*[given.values[k] for k in order], **given.options),
            ("order", first), 2.2, write.with_arguments(order),
        )  # fmt: skip
    yield from _turned_arguments(given)


def _turned_arguments(given: Given) -> Changes:
    """`np.dot(a.T, b)` for `np.dot(a, b)`, with the arguments in both orders."""
    if given.name not in ("dot", "matmul") or len(given.values) != 2:
        return
    if not all(isinstance(v, np.ndarray) and v.ndim == 2 for v in given.values):
        return
    for order in ((0, 1), (1, 0)):
        for turns in ((True, False), (False, True), (True, True)):

            def build(node: Any, order: tuple = order, turns: tuple = turns) -> ast.expr:
                arguments = [node.args[k] for k in order]
                new = [write.turned(a) if t else a for a, t in zip(arguments, turns, strict=True)]
                return ast.Call(node.func, new, node.keywords)

            def run(order: tuple = order, turns: tuple = turns) -> Any:
                chosen = [given.values[k] for k in order]
                return given.function(
                    *[v.T if t else v for v, t in zip(chosen, turns, strict=True)]
                )

            yield Change(run, ("turned", order, turns), 2.2 + 0.4 * (order[0] + all(turns)), build)


def _flags(given: Given) -> Changes:
    for place, argument in enumerate(given.node.args):
        if isinstance(argument, ast.Constant) and isinstance(argument.value, bool):
            values = list(given.values)
            values[place] = not argument.value
            yield Change(
                lambda values=values: given.function(*values, **given.options),
                ("flag", place), 2.0,
                write.with_argument(place, ast.Constant(not argument.value)),
            )  # fmt: skip
    for name, value in given.options.items():
        if isinstance(value, bool) and name != "keepdims":
            options = given.options | {name: not value}
            yield Change(
                lambda options=options: given.function(*given.values, **options),
                ("flag", name), 2.0,
                write.with_option(name, not value),
            )  # fmt: skip


def _einsums(given: Given) -> Changes:
    if given.name != "einsum" or not given.values or not isinstance(given.values[0], str):
        return
    text = given.values[0].replace(" ", "")
    if "->" not in text or "." in text:
        return
    for new in sorted(_subscripts(text) - {text}):
        yield Change(
            lambda new=new: given.function(new, *given.values[1:], **given.options),
            ("einsum", new), 2.3, write.with_argument(0, ast.Constant(new)),
        )  # fmt: skip


def _subscripts(text: str) -> set[str]:
    """Those with one letter replaced or two exchanged, in one operand or the result."""
    inputs, _, output = text.partition("->")
    letters = sorted(set(inputs) - {","})
    terms = [*inputs.split(","), output]
    found = set()
    for n, term in enumerate(terms):
        for k in range(len(term)):
            others = [term[:k] + other + term[k + 1 :] for other in letters]
            for j in range(k + 1, len(term)):
                swapped = list(term)
                swapped[k], swapped[j] = swapped[j], swapped[k]
                others.append("".join(swapped))
            for new in others:
                changed = [*terms[:n], new, *terms[n + 1 :]]
                found.add(",".join(changed[:-1]) + "->" + changed[-1])
    return found


def _permutations(given: Given) -> Changes:
    if given.name not in ("transpose", "swapaxes", "moveaxis"):
        return
    place = 0 if given.method else 1
    rest = given.values[place:]
    numbers = list(rest[0]) if len(rest) == 1 and isinstance(rest[0], tuple | list) else rest
    if not all(isinstance(v, int | np.integer) for v in numbers) or not 2 <= len(numbers) <= 4:
        return
    if given.name == "transpose":
        orders = set(itertools.permutations(numbers))
    else:
        orders = set(itertools.permutations(range(-1, getattr(given.array, "ndim", 3)), 2))
    head = [] if given.method else given.values[:1]
    one = len(rest) == 1
    for order in sorted(orders - {tuple(numbers)}):

        def build(node: Any, order: tuple = order) -> ast.expr:
            numbers = [write.number(int(k)) for k in order]
            new = [ast.Tuple(numbers, write.LOAD)] if one else numbers
            return ast.Call(node.func, [*node.args[:place], *new], node.keywords)

        yield Change(
            lambda order=order: given.function(*head, *([order] if one else order)),
            ("permutation", order), 2.3, build,
        )  # fmt: skip


def _reshapes(given: Given) -> Changes:
    """An axis carried along by `reshape` that should have been moved by a transpose."""
    if given.name != "reshape" or not given.method:
        return
    result = given.function(*given.values, **given.options)
    shape = result.shape
    if not 2 <= len(shape) <= 4:
        return
    for order in itertools.permutations(range(len(shape))):
        if list(order) == sorted(order):
            continue
        before = [0] * len(shape)
        for k, place in enumerate(order):
            before[place] = shape[k]

        def build(node: Any, before: list = before, order: tuple = order) -> ast.expr:
            arguments = node.args[0].elts if isinstance(node.args[0], ast.Tuple) else node.args
            if len(arguments) != len(order):
                sizes = [write.number(n) for n in before]
            else:
                sizes = [None] * len(order)  # type: ignore[list-item]
                for k, place in enumerate(order):
                    sizes[place] = arguments[k]
            inner = ast.Call(node.func, sizes, [])
            return write.method("transpose", *order)(inner)

        yield Change(
            lambda before=before, order=order: given.array.reshape(before).transpose(order),
            ("reshape", order), 3.0, build,
        )  # fmt: skip


def _reversals(given: Given) -> Changes:
    """A running sum that should have run from the end."""
    if given.name not in ("cumsum", "cumprod") or not isinstance(given.array, np.ndarray):
        return
    place = 0 if given.method else 1
    axis = given.options.get("axis", given.values[place] if len(given.values) > place else 0)
    function: Callable = np.cumsum if given.name == "cumsum" else np.cumprod

    def build(node: Any) -> ast.expr:
        array = node.func.value if given.method else node.args[0]
        inner = write.called("np.flip", axis)(array)
        rest = node.args if given.method else node.args[1:]
        whole = ast.Call(write.expression(f"np.{given.name}"), [inner, *rest], node.keywords)
        return write.called("np.flip", axis)(whole)

    yield Change(
        lambda: np.flip(function(np.flip(given.array, axis), axis), axis), ("reversed",), 2.6, build
    )
