"""Changes of whole statements: what no value shows, so that each is judged by running it.

`=` for `+=`, a write to another place, two statements in the wrong order, one too many, a fancy
index that drops repeated entries, an integer that is another.
"""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise, permutations
from typing import Any

from gradparity.record.frontend.nodes import copied
from gradparity.record.frontend.source import Program, Statement, is_of_library
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.indices import slices_of
from gradparity.record.locate.edits.namings import is_bound, misnamed, other_names
from gradparity.record.locate.edits.operands import unlike

Body = list[ast.stmt]
MOST_INDICES = 12
TOO_EARLY = 2.4
RESCALED = 3.8  # more than any slip that has the same effect
HANDED_ON = 3.8  # price of a statement that hands on what is used by nobody
MOST_BOUNDS = 4
IN_PLACE = 2.4  # price of `-=` for `=`
LENGTH, NO_LENGTH = 2.6, 3.0  # prices of another length, and of one where none stands
NAMES = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
LENGTHS = ("shape[0]", "shape[1]", "shape[-1]", "size")
MOST_NAMES, MOST_PARTS = 6, 24  # places that a value may be handed on to


@dataclass(eq=False)
class StatementEdit:
    """A statement, or two neighbours, replaced.

    Attributes:
        statement: the one that is blamed.
        replaced: for each statement what stands in its place.
        kind: in a word.
        price: the smaller, the likelier.
    """

    statement: Statement
    replaced: dict[ast.stmt, Body]
    kind: tuple
    price: float


def statement_edits(program: Program, statements: Sequence[Statement]) -> Iterator[StatementEdit]:
    """Every small change of some statements that is no change of a value's expression."""
    wanted = {s.node: s for s in statements}
    yield from _each(statements, lambda s: _alone(s, program.trees[s.file]))
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
            new: dict[ast.stmt, Body] = {node: [_placed(ast.Pass(), node)], last: [last, node]}
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


def misnamings(statements: Sequence[Statement]) -> Iterator[StatementEdit]:
    """Names bound to what has their name elsewhere, where what they hold is called otherwise."""
    yield from _each(statements, misnamed)


def renamings(statements: Sequence[Statement]) -> Iterator[StatementEdit]:
    """Other names where none has a real value: what is returned and what is called first."""
    late = [s for s in statements if isinstance(s.node, ast.Return | ast.Expr)]
    yield from _each(dict.fromkeys([*reversed(late), *statements]), other_names)


def _each(statements: Iterable[Statement], edits: Callable) -> Iterator[StatementEdit]:
    for statement in statements:
        for kind, price, body in edits(statement):
            new = [_placed(part, statement.node) for part in body]
            yield StatementEdit(statement, {statement.node: new}, kind, price)


def handed_on(statement: Statement, still: Collection[Statement]) -> Iterator[StatementEdit]:
    """What a statement has bound put where something stands that is zero all the time."""
    node: Any = statement.node
    if not isinstance(node, ast.Assign) or statement.scope is None:
        return
    bound = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    names: dict[str, None] = {}
    parts: dict[str, None] = {}
    zero = {s.node for s in still}
    for other in ast.walk(statement.scope):
        if not isinstance(other, ast.Assign | ast.AugAssign):
            continue
        for target in other.targets if isinstance(other, ast.Assign) else [other.target]:
            if isinstance(target, ast.Subscript) and ":" in ast.unparse(target.slice):
                for index in _other_indices(target.slice, _between(statement)):
                    parts[ast.unparse(ast.Subscript(target.value, index, ast.Store()))] = None
            if other in zero:
                names |= dict.fromkeys(n.id for n in ast.walk(target) if is_bound(n))
    for name in bound:
        alike = sorted(set(names) - set(bound), key=lambda n: unlike(n, name))
        for place in (*alike[:MOST_NAMES], *list(parts)[:MOST_PARTS]):
            for sign in ("", "+"):
                text = f"{place} {sign}= {name}"
                new = _placed(ast.parse(text).body[0], node)
                yield StatementEdit(statement, {node: [node, new]}, ("missing", text), HANDED_ON)


def _between(statement: Statement) -> list[ast.expr]:
    """Slices from any bound of the function's slices to another, and those slices themselves."""
    written = [n for n in ast.walk(statement.scope or statement.node) if isinstance(n, ast.Slice)]
    bounds: dict[str, ast.expr] = {}
    for part in written:
        for bound in (part.lower, part.upper):
            if bound is not None:
                bounds[ast.unparse(bound)] = bound
    pairs = list(permutations(list(bounds.values())[:MOST_BOUNDS], 2))
    halves = [s for b in bounds.values() for s in (ast.Slice(None, b), ast.Slice(b, None))]
    return [*(ast.Slice(a, b, None) for a, b in pairs), *halves[: 2 * MOST_BOUNDS], *written]


def rescalings(statements: Sequence[Statement], factor: float) -> Iterator[StatementEdit]:
    """An array divided by one of its sizes, or multiplied, behind a statement that made it."""
    sign = "/" if abs(factor) > 1 else "*"
    for statement in statements:
        node: Any = statement.node
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        while isinstance(target, ast.Subscript):
            target = target.value
        if not isinstance(target, ast.Name | ast.Attribute):
            continue
        name = ast.unparse(target)
        for size in ("size", "shape[0]", "shape[1]", "shape[-1]"):
            new = _placed(ast.parse(f"{name} {sign}= {name}.{size}").body[0], node)
            kind = ("missing", ast.unparse(new))
            yield StatementEdit(statement, {node: [node, new]}, kind, RESCALED)


def _placed(new: ast.stmt, old: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(new, old))


def _blocks(tree: ast.AST) -> Iterator[Body]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _indices_in(statement: Statement, file: ast.Module) -> list[ast.expr]:
    """Slices and counters that the function's text has in brackets, then others of the file's."""
    if statement.scope is None:
        return []
    own = _in_brackets(statement.scope)
    found: dict[str, ast.expr] = dict(islice(own.items(), MOST_INDICES))
    for other in (*slices_of(statement.scope), *_between(statement), *slices_of(file)):
        found.setdefault(ast.unparse(other), other)
    return list(found.values())[: 3 * MOST_INDICES]


def _in_brackets(tree: ast.AST) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            for part in parts:
                if isinstance(part, ast.Slice | ast.Name | ast.Attribute | ast.Compare):
                    found.setdefault(ast.unparse(part), part)
    return found


def _alone(statement: Statement, file: ast.Module) -> Iterator[tuple[tuple, float, Body]]:
    """Changes of one statement: a kind, a price, and what stands in its place."""
    node, indices = statement.node, _indices_in(statement, file)
    sums, lengths = _sums_in(statement), _lengths_in(statement)
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
        yield from _other_places(node, indices)
    if isinstance(node, ast.AugAssign):
        for target in sums:
            if ast.unparse(target) != ast.unparse(node.target):
                new = ast.AugAssign(target, node.op, node.value)
                yield ("to", ast.unparse(target)), 2.4, [new]
    if isinstance(node, ast.Assign) and isinstance(node.value, NAMES):
        price = LENGTH if _is_length(node.value) else NO_LENGTH
        for text in lengths:
            if text != ast.unparse(node.value):
                yield ("length", text), price, [ast.Assign(node.targets, write.expression(text))]
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


def _is_length(node: ast.expr) -> bool:
    """Whether it is `x.shape[0]`, `x.size` or `len(x)`."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "len"
    return isinstance(node, ast.Attribute) and node.attr == "size"


def _lengths_in(statement: Statement) -> list[str]:
    """Lengths of the function's arguments and of what it measures elsewhere."""
    if statement.scope is None or not isinstance(statement.node, ast.Assign):
        return []
    measured = [n for n in ast.walk(statement.scope) if isinstance(n, ast.expr) and _is_length(n)]
    names = [a.arg for a in statement.scope.args.args]
    names += [n.id for n in ast.walk(statement.scope) if is_bound(n)]
    names += [ast.unparse(part) for n in measured for part in _measured(n)]
    texts = [f"{n}.{end}" for n in dict.fromkeys(names) for end in LENGTHS]
    return [t for t in texts if not t.startswith("self.")][: MOST_INDICES * len(LENGTHS)]


def _measured(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Subscript):
        return [node.value.value] if isinstance(node.value, ast.Attribute) else []
    if isinstance(node, ast.Call):
        return node.args[:1]
    return [node.value] if isinstance(node, ast.Attribute) else []


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
            yield argument, _plus(argument, step)
        yield from ((argument, write.number(number)) for number in (-1, 0))


def _has_an_order(function: ast.expr) -> bool:
    return _is_range(function) or not is_of_library(function)


def _is_range(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id == "range"


def _renamed(node: ast.expr, name: ast.Name, new: str) -> ast.expr:
    return write.edited(node, (name,), lambda _: ast.Name(new, ast.Load()))


def _other_places(
    node: ast.Assign | ast.AugAssign, indices: Sequence[ast.expr]
) -> Iterator[tuple[tuple, float, Body]]:
    """A write to an index one off, with two exchanged, or with one from elsewhere."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Subscript):
        return
    for new in _other_indices(target.slice, indices):
        place = ast.Subscript(target.value, new, ast.Store())
        if isinstance(node, ast.Assign):
            yield ("place", ast.unparse(new)), 2.2, [ast.Assign([place], node.value)]
        else:
            yield ("place", ast.unparse(new)), 2.2, [ast.AugAssign(place, node.op, node.value)]


def _other_indices(index: ast.expr, known: Sequence[ast.expr]) -> Iterator[ast.expr]:
    elements = index.elts if isinstance(index, ast.Tuple) else [index]

    def whole(changed: Sequence[ast.expr]) -> ast.expr:
        return ast.Tuple(list(changed), ast.Load()) if isinstance(index, ast.Tuple) else changed[0]

    for place, element in enumerate(elements):
        slices = isinstance(element, ast.Slice)
        alike = [
            k
            for k in known
            if isinstance(k, ast.Slice) == slices and ast.dump(k) != ast.dump(element)
        ]
        for new in (*_one_off(element), *alike):
            yield whole([*elements[:place], new, *elements[place + 1 :]])
    for first in range(len(elements)):
        for second in range(first + 1, len(elements)):
            changed = list(elements)
            changed[first], changed[second] = changed[second], changed[first]
            yield whole(changed)


def _one_off(element: ast.expr) -> Iterator[ast.expr]:
    if isinstance(element, ast.Slice):
        for name in ("lower", "upper"):
            bound = getattr(element, name)
            if bound is not None:
                for step in (1, -1):
                    parts: dict[str, Any] = {
                        "lower": element.lower,
                        "upper": element.upper,
                        "step": element.step,
                    }
                    yield ast.Slice(**(parts | {name: _plus(bound, step)}))
        if element.lower is not None and element.upper is not None:
            for part in ast.walk(element.upper):
                if isinstance(part, ast.Name):
                    wide = ast.BinOp(element.lower, ast.Add(), part)
                    yield ast.Slice(element.lower, wide, element.step)
        if element.lower is not None and element.upper is None:
            yield ast.Slice(None, element.lower, element.step)
        if element.upper is not None and element.lower is None:
            yield ast.Slice(element.upper, None, element.step)
    elif isinstance(element, ast.Compare):
        for other in (ast.Gt, ast.GtE, ast.Lt, ast.LtE, ast.Eq, ast.NotEq):
            if not isinstance(element.ops[0], other):
                yield ast.Compare(element.left, [other()], element.comparators)
    elif isinstance(element, ast.UnaryOp) and isinstance(element.operand, ast.Constant):
        yield from (write.number(int(ast.literal_eval(element)) + step) for step in (1, -1))
    elif isinstance(element, ast.Name | ast.BinOp | ast.Constant):
        if isinstance(element, ast.Constant) and not isinstance(element.value, int):
            return
        if isinstance(element, ast.BinOp):
            yield element.left
        for step in (1, -1):
            yield _plus(element, step)


def _plus(index: ast.expr, step: int) -> ast.expr:
    if isinstance(index, ast.Constant) and isinstance(index.value, int):
        return write.number(index.value + step)
    return ast.BinOp(index, ast.Add() if step > 0 else ast.Sub(), ast.Constant(abs(step)))
