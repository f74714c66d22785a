"""An expression with the value of every part, so that an edit of one part is cheap to try."""

import ast
import builtins
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BINARY: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
    ast.Pow: operator.pow,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}
UNARY: dict[type, Callable] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
COMPARE: dict[type, Callable] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
PURE_BUILTINS = frozenset(
    "len range int float abs sum min max zip tuple list enumerate reversed sorted round bool "
    "slice".split()
)
WRITING = frozenset(
    "fill sort put itemset resize partition setflags setfield append extend pop insert remove "
    "update clear popitem setdefault copyto place putmask fill_diagonal put_along_axis at shuffle "
    "random".split()
)


class OpaqueError(Exception):
    """An expression that is not evaluated again: it may have effects."""


@dataclass(eq=False)
class Part:
    """A part of an expression.

    Attributes:
        node: as it was written.
        parts: what it is made of.
        run: its value from theirs.
        value: now.
        parent, position: of what it is a part.
    """

    node: ast.AST
    parts: list["Part"]
    run: Callable[..., Any]
    value: Any = None
    parent: "Part | None" = None
    position: int = 0

    def changed(self, value: Any, also: "Sequence[Part]" = ()) -> Any:
        """The whole expression's value with another one here, and at other parts as well."""
        if also:
            return self._root().again({id(p): value for p in (self, *also)})
        part = self
        while part.parent is not None:
            above = part.parent
            values = [p.value for p in above.parts]
            values[part.position] = value
            value = above.run(*values)
            part = above
        return value

    def _root(self) -> "Part":
        part = self
        while part.parent is not None:
            part = part.parent
        return part

    def again(self, given: Mapping[int, Any]) -> Any:
        """Its value with that of some parts given, by their identity."""
        if id(self) in given:
            return given[id(self)]
        if not self.parts:
            return self.value
        return self.run(*[p.again(given) for p in self.parts])

    def all(self) -> Iterator["Part"]:
        """It and everything in it."""
        yield self
        for part in self.parts:
            yield from part.all()

    @property
    def is_opaque(self) -> bool:
        """Whether its value could not be computed."""
        return isinstance(self.value, OpaqueError)


@dataclass
class Reader:
    """Evaluates expressions where the subject stands.

    Attributes:
        names: what is in scope.
        pure: which functions of the subject's can be called without effects.
    """

    names: Mapping[str, Any]
    pure: Callable[[Any], bool]
    errors: int = field(default=0)

    def read(self, node: ast.AST) -> Part:
        """The expression with the values of all its parts; opaque where they cannot be had."""
        part = self._part(node)
        if any(p.is_opaque for p in part.parts):
            part.value = OpaqueError()
        else:
            try:
                part.value = part.run(*[p.value for p in part.parts])
            except OpaqueError as opaque:
                part.value = opaque
            except Exception:
                part.value = OpaqueError()
        return part

    def value(self, node: ast.AST) -> Any:
        """An expression's value.

        Raises:
            OpaqueError: it has none here.
        """
        found = self.read(node).value
        if isinstance(found, OpaqueError):
            raise found
        return found

    def _part(self, node: ast.AST) -> Part:
        maker = getattr(self, f"_{type(node).__name__}", None)
        inner, run = maker(node) if maker else ([], _opaque)
        parts = [self.read(child) for child in inner]
        whole = Part(node, parts, run)
        for position, part in enumerate(parts):
            part.parent, part.position = whole, position
        return whole

    def _Name(self, node: ast.Name) -> tuple:
        return [], lambda: self._named(node.id)

    def _named(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise OpaqueError

    def _Constant(self, node: ast.Constant) -> tuple:
        return [], lambda: node.value

    def _Attribute(self, node: ast.Attribute) -> tuple:
        return [node.value], lambda v: getattr(v, node.attr)

    def _Subscript(self, node: ast.Subscript) -> tuple:
        return [node.value, node.slice], lambda v, index: v[index]

    def _Slice(self, node: ast.Slice) -> tuple:
        given = [n for n in (node.lower, node.upper, node.step) if n is not None]
        flags = [n is not None for n in (node.lower, node.upper, node.step)]

        def run(*values: Any) -> slice:
            rest = iter(values)
            return slice(*[next(rest) if flag else None for flag in flags])

        return given, run

    def _Tuple(self, node: ast.Tuple) -> tuple:
        return node.elts, lambda *v: tuple(v)

    def _List(self, node: ast.List) -> tuple:
        return node.elts, lambda *v: list(v)

    def _BinOp(self, node: ast.BinOp) -> tuple:
        return [node.left, node.right], BINARY.get(type(node.op), _opaque)

    def _UnaryOp(self, node: ast.UnaryOp) -> tuple:
        return [node.operand], UNARY[type(node.op)]

    def _Compare(self, node: ast.Compare) -> tuple:
        if len(node.ops) != 1 or type(node.ops[0]) not in COMPARE:
            return [], _opaque
        return [node.left, node.comparators[0]], COMPARE[type(node.ops[0])]

    def _IfExp(self, node: ast.IfExp) -> tuple:
        return [
            node.test,
            node.body,
            node.orelse,
        ], lambda test, body, other: body if test else other

    def _Call(self, node: ast.Call) -> tuple:
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            return [], _opaque
        names = [k.arg or "" for k in node.keywords]
        count = len(node.args)

        def run(function: Any, *values: Any) -> Any:
            if not self.callable(function):
                raise OpaqueError
            options = dict(zip(names, values[count:], strict=True))
            return function(*values[:count], **options)

        return [node.func, *node.args, *(k.value for k in node.keywords)], run

    def callable(self, function: Any) -> bool:
        """Whether a call of it has no effect but its result."""
        name = getattr(function, "__name__", "")
        if name in WRITING:
            return False
        if isinstance(function, np.ufunc) or function in _PURE_OBJECTS:
            return True
        owner = getattr(function, "__self__", None)
        if isinstance(owner, np.ndarray | np.generic | str | int | float | tuple):
            return True
        if isinstance(owner, dict | list):
            return name in ("get", "keys", "values", "items", "copy", "index", "count")
        module = getattr(function, "__module__", None) or ""
        if module.startswith(("numpy.random", "random")):
            return False
        if module.startswith(("numpy", "scipy", "math")):
            return True
        if isinstance(function, type):
            return function.__module__ == "builtins" or issubclass(function, np.generic)
        return name in PURE_BUILTINS if module == "builtins" else self.pure(function)


def _opaque(*_: Any) -> Any:
    raise OpaqueError


class _Hashed:
    """Membership for what may not be hashable."""

    def __init__(self, members: frozenset) -> None:
        self.members = members

    def __contains__(self, value: Any) -> bool:
        try:
            return value in self.members
        except TypeError:
            return False


_PURE_OBJECTS = _Hashed(frozenset({np.outer, np.dot, np.einsum, np.array, np.zeros}))
