"""A statement as its siblings have it: beside `dbf += df` stands `dbi += di`.

What is done for every gate, layer or factor is written alike; a mistake is in one of them.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from gradparity.record.frontend.source import Statement

PRICE, MISSING = 1.9, 3.0
MOST = 6  # siblings of a statement
Edit = tuple[tuple, float, list[ast.stmt]]


def as_siblings(
    statement: Statement, all_statements: Sequence[Statement], mended: Mapping[Statement, ast.stmt]
) -> Iterator[Edit]:
    """The statement as each of its siblings would have it, under its own names.

    Args:
        statement: one that may be wrong.
        all_statements: of the file.
        mended: how some of them are to be read.
    """
    target = _target(statement.node)
    if target is None or statement.scope is None:
        return
    known = {n.id for n in ast.walk(statement.scope) if isinstance(n, ast.Name)}
    had = {ast.unparse(statement.node)}
    siblings = [s for s in all_statements if s is not statement and s.scope is statement.scope]
    for sibling in sorted(siblings, key=lambda s: abs(s.line - statement.line)):
        node = mended.get(sibling, sibling.node)
        its = _target(node)
        if its is None or len(had) > MOST:
            continue
        names = _translation(_words(its), _words(target))
        if names is None:
            continue
        new: Any = ast.parse(ast.unparse(node)).body[0]
        new = _Renamed(names, known).visit(new)
        if _unparsed(_target(new)) == ast.unparse(target) and ast.unparse(new) not in had:
            had.add(ast.unparse(new))
            yield ("sibling", sibling.line, ast.unparse(new)), PRICE, [new]


def missing_siblings(statement: Statement, mended: Mapping[Statement, ast.stmt]) -> Iterator[Edit]:
    """A sum with a further term, as `dx += dv @ Wv.T` behind `dx += dk @ Wk.T`."""
    node = mended.get(statement, statement.node)
    if not isinstance(node, ast.AugAssign) or statement.scope is None:
        return
    known = {n.id for n in ast.walk(statement.scope) if isinstance(n, ast.Name)}
    own = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    pairs = (
        (one[k], other[k])
        for one in own
        for other in known - own
        for k in range(len(one))
        if len(one) == len(other) and one[:k] + one[k + 1 :] == other[:k] + other[k + 1 :]
    )
    for letter, instead in dict.fromkeys(sorted(pairs)):
        new: Any = ast.parse(ast.unparse(node)).body[0]
        new.value = _Renamed({letter: instead}, known).visit(new.value)
        text = ast.unparse(new)
        yield ("missing", text), MISSING, [statement.node, new]


def _target(node: ast.stmt) -> ast.expr | None:
    """What a statement gives a value to, if that is one thing."""
    if isinstance(node, ast.AugAssign):
        return node.target
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        return None if isinstance(target, ast.Tuple | ast.List) else target
    return None


def _unparsed(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def _words(node: ast.expr) -> list[str]:
    """The text in words and what is between them."""
    return re.findall(r"\w+|\W", ast.unparse(node))


def _translation(its: Sequence[str], own: Sequence[str]) -> dict[str, str] | None:
    """From the words of a sibling to one's own, and from the letters in which they differ.

    None where the two are not written alike.
    """
    if len(its) != len(own):
        return None
    found: dict[str, str] = {}
    for one, other in zip(its, own, strict=True):
        if one != other:
            if not (_is_word(one) and _is_word(other)) or found.get(one, other) != other:
                return None
            found[one] = other
    for one, other in list(found.items()):
        head = _alike(one, other)
        tail = _alike(one[head:][::-1], other[head:][::-1])
        core = one[head : len(one) - tail], other[head : len(other) - tail]
        if all(core):
            found.setdefault(*core)
    return found or None


def _alike(one: str, other: str) -> int:
    """How many letters two words begin with alike."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


def _is_word(text: str) -> bool:
    return re.fullmatch(r"\w+", text) is not None


class _Renamed(ast.NodeTransformer):
    """Words of one statement put for those of another.

    Args:
        names: from whole words, and from letters inside of them.
        known: names that there are; others are not made up.
    """

    def __init__(self, names: Mapping[str, str], known: set[str]) -> None:
        self._names, self._known = names, known

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """A name that there is."""
        return ast.Name(self._of(node.id, self._known), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        """An attribute."""
        return ast.Attribute(self.visit(node.value), self._of(node.attr), node.ctx)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        """A key."""
        is_key = isinstance(node.value, str) and node.value.isidentifier()
        return ast.Constant(self._of(str(node.value))) if is_key else node

    def _of(self, word: str, known: set[str] | None = None) -> str:
        if word in self._names:
            return self._names[word]
        for one, other in self._names.items():
            new = word.replace(one, other)
            if new != word and (known is None or new in known):
                return new
        return word
