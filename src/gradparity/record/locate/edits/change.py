"""A change of one part of an expression, before it is tried."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from gradparity.record.graph.nodes import Array
from gradparity.record.locate.edits.atoms import Atom, is_value
from gradparity.record.locate.edits.expressions import Part, Reader
from gradparity.record.locate.edits.write import Build


@dataclass(frozen=True, slots=True)
class Change:
    """What might have been meant.

    Attributes:
        run: the part's value then; what it raises says that the change is impossible.
        key: tells changes of one part apart.
        price: in nats, the smaller, the likelier a slip.
        build: how it is written.
    """

    run: Callable[..., Any]
    key: tuple
    price: float
    build: Build


Changes = Iterator[Change]
MOST_FUNCTIONS, MOST_APPLIED = 6, 40


@dataclass
class Scene:
    """What is at hand where an expression stands.

    Attributes:
        reader: evaluates there.
        atoms: what names a value, with it.
        sizes: numbers that a factor may be, by what they are called.
        functions: functions of one array that the subject has, by name.
        slices: slices that the function's text uses.
        counts: integers that have names.
        in_place: whether the expression is what an assignment in place makes.
        true: by a shape, `(many, *shape)` all true quantities.
        expression: that is changed.
        bound: the name that gets its value, the place that it is added to; "" for others.
    """

    reader: Reader
    atoms: list[tuple[Atom, Any]]
    sizes: Mapping[str, float]
    functions: Mapping[str, Callable]
    slices: list[ast.Slice]
    counts: Mapping[str, int]
    in_place: bool
    true: Callable[[tuple[int, ...]], Array]
    expression: ast.AST
    bound: str

    @cached_property
    def written(self) -> frozenset[str]:
        """Atoms that the expression has, under this name or another: taken away they cancel it."""
        names = (ast.Name, ast.Attribute, ast.Subscript)
        texts = {ast.unparse(n) for n in ast.walk(self.expression) if isinstance(n, names)}
        values = [(a.text, np.asarray(v).tobytes()) for a, v in self.atoms]
        there = {value for text, value in values if text in texts}
        return frozenset(text for text, value in values if text in texts or value in there)

    def reads_target(self, text: str) -> bool:
        """Whether a name is what the assignment in place adds to."""
        return self.in_place and text == self.bound

    @cached_property
    def applied(self) -> list[tuple[str, Array]]:
        """The subject's own functions of what has a name, entry by entry."""
        found = []
        for name, run in islice(self.functions.items(), MOST_FUNCTIONS):
            for atom, value in self.atoms[:MOST_APPLIED]:
                try:
                    made = np.asarray(run(value))
                except Exception:
                    continue
                if made.dtype.kind == "f" and made.ndim and made.shape == np.shape(value):
                    found.append((f"{name}({atom.text})", made))
        return found

    @cached_property
    def zeros(self) -> frozenset[str]:
        """Atoms that are zero, all of them."""
        return frozenset(atom.text for atom, value in self.atoms if not np.any(value))


def fits(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether a value can stand where one of a shape stood without making it larger."""
    own = np.shape(value)
    if own == shape:
        return True
    if len(own) > len(shape):
        return False
    return all(a in (1, b) for a, b in zip(own[::-1], shape[::-1], strict=False))


def in_brackets(part: Part) -> bool:
    """Whether it is part of an index."""
    while part.parent is not None:
        if isinstance(part.parent.node, ast.Subscript) and part.position == 1:
            return True
        part = part.parent
    return False


def is_option(part: Part) -> bool:
    """Whether it is an axis, a flag or another named argument that is no array."""
    above = part.parent
    while above is not None and isinstance(above.node, ast.Tuple | ast.UnaryOp):
        part, above = above, above.parent
    if above is None or not isinstance(above.node, ast.Call):
        return False
    number = part.position - 1 - len(above.node.args)
    return number >= 0 and not is_value(part.value)


def number_like(value: Any) -> bool:
    """Whether something is an array of numbers, or a number."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fbiu" and value.size > 0
    return is_value(value) or (isinstance(value, int | np.integer) and not isinstance(value, bool))
