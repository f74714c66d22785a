"""What a statement could have used: what is in scope, by the subject's own names."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from types import CodeType
from typing import Any

import numpy as np

from gradparity.record.frontend.source import Scope

MOST = 240
MOST_INDICES = 10
DEEPEST = 3
LONGEST = 8  # elements of a list or tuple that are looked at by number


@dataclass(frozen=True, slots=True)
class Atom:
    """An expression that names a value.

    Attributes:
        text: as Python writes it.
        node: as a tree.
        code: to be evaluated.
    """

    text: str
    node: ast.expr
    code: CodeType

    @staticmethod
    @lru_cache(maxsize=20_000)
    def of(text: str) -> "Atom | None":
        """From its text; None where that is no expression."""
        try:
            node = ast.parse(text, mode="eval")
            return Atom(text, node.body, compile(node, "<atom>", "eval"))
        except (SyntaxError, ValueError):
            return None


def is_value(value: Any) -> bool:
    """Whether something is an array of numbers or truth values, or a real number."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fb" and value.size > 0
    return isinstance(value, float | np.floating)


def _is_whole(value: Any) -> bool:
    """Whether something is an array of integers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "iu"


def atoms_of(scope: Scope | None, names: Mapping[str, Any], given: Mapping[str, Any]) -> list[Atom]:
    """What a function's body and its names in scope offer.

    Args:
        scope: the function.
        names: its local names.
        given: names of the file that hold arrays.
    """
    texts: dict[str, None] = {}
    written = _written(scope) if scope is not None else ()
    sums = _sums(scope) if scope is not None else frozenset[str]()
    names = {k: float(v) if type(v) is int and k in sums else v for k, v in names.items()}
    counters = _counters(scope, names)
    for name, value in names.items():
        if name.isidentifier() and (is_value(value) or _is_whole(value)):
            texts[name] = None
    for text in written:
        texts[text] = None
    for name, value in names.items():
        if name.isidentifier():
            for text in _inside(name, value, counters, DEEPEST):
                texts[text] = None
    for name, value in given.items():
        if is_value(value):
            texts[name] = None
    for text in written:
        for shifted in _shifted(text, counters):
            texts[shifted] = None
    local = [n for n, v in names.items() if isinstance(v, np.ndarray) and n.isidentifier()]
    kept = [t for t in texts if t not in local and not t.endswith("]") and "." in t]
    for name in (*local, *kept):
        own = _indices(scope, name)
        for index in dict.fromkeys([*own, *_indices(scope)[:MOST_INDICES]]):
            texts[f"{name}[{index}]"] = None
    for row in _rows(counters):
        for name in local:
            for start in range(names[name].ndim - len(row) + 1):
                texts.setdefault(f"{name}[{', '.join([*[':'] * start, *row])}]")
    found = []
    for text in texts:
        atom = Atom.of(text)
        if atom is None:
            continue
        try:
            value = eval(atom.code, {**given, **names})
        except Exception:
            continue
        if is_value(value) or _is_whole(value):
            found.append(atom)
    return found[:MOST]


@lru_cache(maxsize=200)
def _sums(scope: Scope) -> frozenset[str]:
    """Names that begin as a number and get more: arrays, although they are a plain 0 at first.

    What stands in brackets counts instead.
    """
    begun, later = set[str](), set[str]()
    for node in ast.walk(scope):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            later.add(node.target.id)
        elif isinstance(node, ast.Assign):
            for target, value in _bound(node):
                (begun if isinstance(value, ast.Constant) else later).add(target)
    return frozenset(begun & later - set(_in_brackets(scope)))


def _bound(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """Names that an assignment binds, with what each gets."""
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=False))
        yield from ((t.id, value) for t, value in pairs if isinstance(t, ast.Name))


@lru_cache(maxsize=200)
def _written(scope: Scope) -> tuple[str, ...]:
    """Names, attributes and subscripts that the function's text has."""
    return tuple(_read(scope))


def _read(scope: Scope) -> Iterator[str]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Attribute | ast.Subscript) and not _calls(node):
            if isinstance(node, ast.Attribute) and node.attr in (
                "T",
                "shape",
                "size",
                "ndim",
                "dtype",
            ):
                continue
            yield ast.unparse(node)


@lru_cache(maxsize=2000)
def _indices(scope: Scope | None, name: str = "") -> list[str]:
    """What the function's text has in brackets, of a name's or all, and a slice's other half."""
    found: dict[str, None] = {}
    for node in ast.walk(scope) if scope is not None else ():
        if isinstance(node, ast.Subscript) and not _calls(node):
            if name and ast.unparse(node.value) != name:
                continue
            text = ast.unparse(node.slice).strip("()")
            found[text] = None
            if re.search(r":[\w.]+$", text):
                found[re.sub(r":([\w.]+)$", r"\1:", text)] = None
            elif re.search(r"[\w.]+:$", text):
                found[re.sub(r"([\w.]+):$", r":\1", text)] = None
    return [text for text in found if not text.startswith(("'", '"'))]


def _rows(counters: list[str]) -> list[tuple[str, ...]]:
    """Counters that follow each other, the longest first; one that is alone also one off."""
    if len(counters) == 1:
        return [(c,) for name in counters for c in (name, f"{name} - 1", f"{name} + 1")]
    pairs = combinations(range(len(counters) + 1), 2)
    return sorted((tuple(counters[a:b]) for a, b in pairs), key=len, reverse=True)


def _calls(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Call | ast.Lambda) for n in ast.walk(node))


def _counters(scope: Scope | None, names: Mapping[str, Any]) -> list[str]:
    """Integer names that the function's text uses in brackets."""
    if scope is None:
        return []
    used = _in_brackets(scope)
    return [
        n
        for n in used
        if isinstance(names.get(n), int | np.integer) and not isinstance(names[n], bool)
    ]


@lru_cache(maxsize=200)
def _in_brackets(scope: Scope) -> tuple[str, ...]:
    """Names in brackets, those that loops count with first, the outer ones before the inner."""
    nodes = list(ast.walk(scope))
    targets = [n.target for n in nodes if isinstance(n, ast.For)]
    counting = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    slices = [n.slice for n in nodes if isinstance(n, ast.Subscript)]
    inside = [n.id for s in slices for n in ast.walk(s) if isinstance(n, ast.Name)]
    return tuple(dict.fromkeys([*(n for n in counting if n in inside), *inside]))


def _inside(text: str, value: Any, counters: list[str], depth: int) -> Iterator[str]:
    """Expressions for the arrays in a value."""
    if is_value(value):
        yield text
        return
    if depth == 0:
        return
    if isinstance(value, dict):
        for key, part in value.items():
            if isinstance(key, str | int):
                yield from _inside(f"{text}[{key!r}]", part, counters, depth - 1)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name in value._fields:
            yield from _inside(f"{text}.{name}", getattr(value, name), counters, depth - 1)
    elif isinstance(value, list | tuple) and value:
        for counter in counters:
            yield from _inside(f"{text}[{counter}]", value[0], counters, depth - 1)
        if isinstance(value, tuple) or (len(value) <= LONGEST and not counters):
            for number, part in enumerate(value[:LONGEST]):
                yield from _inside(f"{text}[{number}]", part, counters, depth - 1)
        yield from _inside(f"{text}[-1]", value[-1], counters, 0)
    elif (
        hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value)
    ) or _is_layer(value):
        for name, part in vars(value).items():
            yield from _inside(f"{text}.{name}", part, counters, depth - 1)


def _is_layer(value: Any) -> bool:
    return hasattr(value, "forward") and hasattr(value, "__dict__") and not isinstance(value, type)


def _shifted(text: str, counters: list[str]) -> Iterator[str]:
    """The same one step earlier or later."""
    for counter in counters:
        pattern = rf"\[{re.escape(counter)}( [+-] 1)?\]"
        if re.search(pattern, text):
            for step in ("", " - 1", " + 1"):
                yield re.sub(pattern, f"[{counter}{step}]", text)
        comma = rf", {re.escape(counter)}( [+-] 1)?\]"
        if re.search(comma, text):
            for step in ("", " - 1", " + 1"):
                yield re.sub(comma, f", {counter}{step}]", text)
