"""Changes of whole statements: what no value shows, so that each is judged by running it.

`=` for `+=`, a write to another place, two statements in the wrong order, one too many, a fancy
index that drops repeated entries, an integer that is another.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from gradparity.record.frontend.nodes import copied
from gradparity.record.frontend.source import Program, Statement, is_of_library
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.lengths import begins, is_length, lengths_in
from gradparity.record.locate.edits.places import MOST_INDICES, indices_in, other_places, plus
from gradparity.record.locate.edits.statement_edit import Body, StatementEdit, each, placed

TOO_EARLY = 2.4
IN_PLACE = 2.4  # price of `-=` for `=`
LENGTH, NO_LENGTH = 2.6, 3.0  # prices of another length, and of one where none stands
NAMES = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)


def statement_edits(program: Program, statements: Sequence[Statement]) -> Iterator[StatementEdit]:
    """Every small change of some statements that is no change of a value's expression."""
    statements = [s for s in statements if not _by_strides(s)]
    wanted = {s.node: s for s in statements}
    yield from each(statements, lambda s: _alone(s, program.trees[s.file]))
    for tree in program.trees.values():
        for block in _blocks(tree):
            yield from _too_early(block, wanted)
            for first, second in pairwise(block):
                if first in wanted and second in wanted:
                    yield StatementEdit(
                        wanted[first], {first: [second], second: [first]}, ("exchanged",), 2.6
                    )


def _too_early(block: Body, wanted: Mapping[ast.stmt, Statement]) -> Iterator[StatementEdit]:
    """What changes something in place, moved behind the last statement that reads it."""
    for place, node in enumerate(block):
        changed = _changed_in_place(node)
        if node not in wanted or changed is None:
            continue
        readers = [
            k
            for k, other in enumerate(block[place + 1 :], place + 1)
            if not isinstance(other, ast.Return) and _reads(other, changed)
        ]
        if readers and readers[-1] > place + 1:
            last = block[readers[-1]]
            new: dict[ast.stmt, Body] = {node: [placed(ast.Pass(), node)], last: [last, node]}
            kind = ("too early", changed, last.lineno)
            yield StatementEdit(wanted[node], new, kind, TOO_EARLY)


def _changed_in_place(node: ast.stmt) -> str | None:
    """The text of what a statement changes, of its value from before."""
    if isinstance(node, ast.AugAssign):
        return ast.unparse(node.target)
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        text = ast.unparse(node.targets[0])
        return text if _reads(node, text) else None
    return None


def _reads(node: ast.stmt, text: str) -> bool:
    parts = (n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript))
    return any(isinstance(n.ctx, ast.Load) and ast.unparse(n) == text for n in parts)


def _blocks(tree: ast.AST) -> Iterator[Body]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _alone(statement: Statement, file: ast.Module) -> Iterator[tuple[tuple, float, Body]]:
    """Changes of one statement: a kind, a price, and what stands in its place."""
    node, indices = statement.node, indices_in(statement, file)
    sums, lengths = _sums_in(statement), lengths_in(statement)
    if isinstance(node, ast.AugAssign):
        yield ("assigned",), 2.0, [ast.Assign([node.target], node.value)]
        for op in (ast.Add, ast.Sub, ast.Mult, ast.Div):
            if not isinstance(node.op, op):
                yield ("operator", op.__name__), 2.0, [ast.AugAssign(node.target, op(), node.value)]
        if isinstance(node.target, ast.Subscript) and isinstance(node.op, ast.Add | ast.Sub):
            function = "np.add.at" if isinstance(node.op, ast.Add) else "np.subtract.at"
            yield ("repeated",), 2.0, [_added_at(node.target, node.value, function)]
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target: Any = node.targets[0]
        if not isinstance(target, ast.Tuple | ast.List):
            yield ("added",), 2.0, [ast.AugAssign(target, ast.Add(), node.value)]
            for op in (ast.Sub, ast.Mult, ast.Div):
                new = ast.AugAssign(target, op(), node.value)
                yield ("operator", op.__name__), IN_PLACE, [new]
            if isinstance(target, ast.Subscript):
                yield ("repeated",), 2.4, [_added_at(target, node.value)]
        yield from _exchanged_elements(node)
    if isinstance(node, ast.Assign | ast.AugAssign):
        yield from other_places(node, indices)
    if isinstance(node, ast.AugAssign):
        for target in sums:
            if ast.unparse(target) != ast.unparse(node.target):
                new = ast.AugAssign(target, node.op, node.value)
                yield ("to", ast.unparse(target)), 2.4, [new]
    if isinstance(node, ast.Assign) and isinstance(node.value, NAMES):
        price = LENGTH if is_length(node.value) else NO_LENGTH
        for text in lengths:
            if text != ast.unparse(node.value):
                yield ("length", text), price, [ast.Assign(node.targets, write.expression(text))]
    if isinstance(node, ast.Assign) and begins(node.value):
        for text in lengths:
            begun = ast.Call(node.value.func, [write.expression(text), *node.value.args[1:]], [])
            yield ("length", text), LENGTH, [ast.Assign(node.targets, begun)]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr | ast.Return):
        yield from _other_arguments(node)
    if isinstance(node, ast.For) and not node.orelse:
        yield from _other_ranges(node)
    if not isinstance(node, ast.Return):
        yield ("left out",), 2.6, [ast.Pass()]


def _sums_in(statement: Statement) -> list[ast.expr]:
    """What the function adds to in place, each once, with the statement's own index as well."""
    found: dict[str, ast.expr] = {}
    own: Any = getattr(statement.node, "target", None)
    for node in ast.walk(statement.scope) if statement.scope is not None else ():
        if isinstance(node, ast.AugAssign):
            found.setdefault(ast.unparse(node.target), node.target)
            if isinstance(node.target, ast.Subscript) and isinstance(own, ast.Subscript):
                there = ast.Subscript(node.target.value, own.slice, ast.Store())
                found.setdefault(ast.unparse(there), there)
    return list(found.values())[:MOST_INDICES]


def _by_strides(statement: Statement) -> bool:
    """Whether the function reaches into memory past what NumPy checks: a slip may end it."""
    return statement.scope is not None and "as_strided" in ast.unparse(statement.scope)


def _added_at(target: ast.Subscript, value: ast.expr, function: str = "np.add.at") -> ast.stmt:
    base = copied(target.value)
    index = target.slice
    if isinstance(index, ast.Tuple) and any(isinstance(e, ast.Slice) for e in index.elts):
        index = ast.Tuple([_as_value(e) for e in index.elts], ast.Load())
    elif isinstance(index, ast.Slice):
        index = _as_value(index)
    return ast.Expr(ast.Call(write.expression(function), [base, index, value], []))


def _as_value(index: ast.expr) -> ast.expr:
    if not isinstance(index, ast.Slice):
        return index
    parts = [
        p if p is not None else ast.Constant(None) for p in (index.lower, index.upper, index.step)
    ]
    return ast.Call(ast.Name("slice", ast.Load()), parts, [])


def _exchanged_elements(node: ast.Assign) -> Iterator[tuple[tuple, float, Body]]:
    """Two elements of what is unpacked, or of what it is unpacked into, in the wrong order."""
    for where, whole in (("target", node.targets[0]), ("value", node.value)):
        if not isinstance(whole, ast.Tuple | ast.List):
            continue
        for first in range(len(whole.elts)):
            for second in range(first + 1, len(whole.elts)):
                elements = list(whole.elts)
                elements[first], elements[second] = elements[second], elements[first]
                new = type(whole)(elements, whole.ctx)
                targets: list[Any] = [new] if where == "target" else node.targets
                value: ast.expr = node.value if where == "target" else new
                yield (where, first, second), 2.2, [ast.Assign(targets, value)]
        if where == "value" and len(whole.elts) == 2:
            yield from _exchanged_names(node, whole)


def _exchanged_names(
    node: ast.Assign, whole: ast.Tuple | ast.List
) -> Iterator[tuple[tuple, float, Body]]:
    """`2*r + q, 2*s + p` for `2*r + p, 2*s + q`: names of the two elements in the other's place."""
    left, right = ([n for n in ast.walk(e) if isinstance(n, ast.Name)] for e in whole.elts)
    for a in left:
        for b in right:
            if a.id != b.id:
                new = [_renamed(whole.elts[0], a, b.id), _renamed(whole.elts[1], b, a.id)]
                yield (
                    ("names", a.id, b.id),
                    2.4,
                    [ast.Assign(node.targets, type(whole)(new, whole.ctx))],
                )


def _other_arguments(node: Any) -> Iterator[tuple[tuple, float, Body]]:
    """Two arguments of a call of the subject's own functions in each other's place."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not _has_an_order(call.func):
            continue
        for a, b in combinations(range(len(call.args)), 2):
            arguments = list(call.args)
            arguments[a], arguments[b] = arguments[b], arguments[a]
            new = ast.Call(call.func, arguments, call.keywords)
            yield ("arguments", a, b), 2.2, [write.in_statement(node, call, new)]
        for argument, bound in _other_bounds(call):
            yield ("range", ast.unparse(bound)), 2.6, [write.in_statement(node, argument, bound)]


def _other_ranges(node: ast.For) -> Iterator[tuple[tuple, float, Body]]:
    """A loop over one more or less; its body stays as it is."""
    for call in ast.walk(node.iter):
        for argument, new in _other_bounds(call):
            other = write.edited(node.iter, (argument,), lambda _, new=new: new)
            loop = ast.For(node.target, other, node.body, [])
            yield ("range", ast.unparse(new)), 2.6, [loop]


def _other_bounds(call: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The arguments of a range, and what they may have been meant to be."""
    if not isinstance(call, ast.Call) or not _is_range(call.func):
        return
    for argument in call.args:
        for step in (1, -1):
            yield argument, plus(argument, step)
        yield from ((argument, write.number(number)) for number in (-1, 0))


def _has_an_order(function: ast.expr) -> bool:
    return _is_range(function) or not is_of_library(function)


def _is_range(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id == "range"


def _renamed(node: ast.expr, name: ast.Name, new: str) -> ast.expr:
    return write.edited(node, (name,), lambda _: ast.Name(new, ast.Load()))
