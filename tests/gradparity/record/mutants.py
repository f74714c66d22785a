"""Mistakes in hand-written NumPy backward passes, made by machine on the syntax tree.

An operator takes a node of a statement (the statement itself included) and yields what could
stand there by mistake. Each such copy of the statement is spliced into the source in the place
of the right one: no line moves, and every other line stays as it is byte for byte.
"""

import ast
import builtins
import difflib
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations

import numpy as np

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NUMBERS = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.Call)
KEEPING = frozenset(["sum", "mean", "max", "min", "prod", "var", "std", "any", "all"])
REDUCING = KEEPING | {"argmax", "argmin", "cumsum"}
PAIRS = [("sum", "mean"), ("max", "min"), ("maximum", "minimum"), ("zeros_like", "ones_like")]
OTHER_FUNCTION = dict(PAIRS) | {b: a for a, b in PAIRS}
OTHER_SYMBOLS = {"Mult": "Div MatMult", "Div": "Mult", "MatMult": "Mult"}
OTHER_SYMBOLS |= {"Gt": "Lt GtE", "Lt": "Gt LtE", "GtE": "LtE Gt", "LtE": "GtE Lt"}
OTHER_SYMBOLS |= {"Eq": "NotEq", "NotEq": "Eq"}
OTHER_SIGN = {ast.Add: ast.Sub, ast.Sub: ast.Add}
Edit = tuple[int, str]  # the number of a statement, its new text


@dataclass(frozen=True)
class Mutant:
    """One mistake: its statement right and wrong, and the whole source with it."""

    kind: str
    lines: tuple[int, ...]
    text: str
    before: str
    after: str
    number: int
    edits: tuple[Edit, ...]  # one; two where statements are swapped


@dataclass(frozen=True)
class Scope:
    """The surroundings of a statement: what could be written there instead of what is."""

    parents: dict[ast.AST, ast.AST]
    outside: frozenset[str]  # names of modules, functions and classes
    nodes: tuple[ast.AST, ...]  # what the function holds, and the functions around it
    rng: random.Random

    @cached_property
    def operands(self) -> dict[str, ast.AST]:
        """The values with a name, by their text."""
        names = [ast.Name(n.arg) for n in self.nodes if isinstance(n, ast.arg)]
        found = [n for n in (*names, *self.nodes) if is_operand(n, self)]
        return {ast.unparse(node): node for node in found}

    @cached_property
    def slices(self) -> dict[str, ast.AST]:
        return {ast.unparse(node): node for node in self.nodes if isinstance(node, ast.Slice)}

    def near(self, node: ast.AST, others: dict[str, ast.AST], count: int = 6) -> list[ast.AST]:
        """Up to `count` of `others`, the more likely the more alike they are written."""

        def draw(text: str) -> float:
            likeness = difflib.SequenceMatcher(None, own, text).ratio()
            return self.rng.random() ** (1 / (0.05 + likeness**2))

        own = ast.unparse(node)
        drawn = sorted((text for text in others if text != own), key=draw, reverse=True)
        return [others[text] for text in drawn[:count]]


# What is written where.


def below(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below this one, without annotations, f-strings and functions of their own."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child
                if not isinstance(child, (*FUNCTIONS, ast.ClassDef, ast.JoinedStr)):
                    yield from below(child)


def is_subject(node: ast.AST) -> bool:
    """Whether it is a simple statement that computes, and no print."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call) and called(node.value) != "print"
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    return isinstance(node, (ast.Assign, ast.AugAssign, ast.Return))


def is_operand(node: ast.AST, scope: Scope) -> bool:
    """Whether it is a value with a name: no callee, no module, no object around arrays."""
    above = scope.parents.get(node)
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return False
    if isinstance(above, ast.Call) and above.func is node:
        return False
    if isinstance(above, ast.Attribute) and not hasattr(np.ndarray, above.attr):
        return False
    return root(node) not in scope.outside and getattr(node, "id", "") not in ("self", "cls")


def is_value(node: ast.AST, scope: Scope) -> bool:
    """Whether it is what a statement assigns or returns, or an item of it."""
    if not isinstance(node, NUMBERS):
        return False
    above = scope.parents[node]
    while isinstance(above, (ast.Tuple, ast.List, ast.Dict)):
        node, above = above, scope.parents[above]
    return isinstance(above, ast.stmt) and is_subject(above) and above.value is node


def is_binary(node: ast.AST, *operators: type[ast.operator]) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, operators)


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def root(node: ast.AST) -> str:
    """`np` of `np.add.at`, `h` of `h.T`; empty where a chain of attributes has no name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def called(node: ast.AST) -> str:
    """`sum` of `np.sum(x)` and of `x.sum()`; empty for what is no call."""
    function = getattr(node, "func", None)
    return getattr(function, "attr", getattr(function, "id", ""))


def is_method(node: ast.AST, scope: Scope) -> bool:
    return isinstance(node.func, ast.Attribute) and root(node.func) not in scope.outside


# Copies with a difference.


def replaced(node: object, new: dict[ast.AST, ast.AST]) -> object:
    if isinstance(node, list):
        return [replaced(item, new) for item in node]
    if not isinstance(node, ast.AST):
        return node
    if node in new:
        return new[node]
    return changed(node, **{name: replaced(value, new) for name, value in ast.iter_fields(node)})


def changed(node: ast.AST, **fields: object) -> ast.AST:
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})


def number(n: float) -> ast.expr:
    return ast.Constant(n) if n >= 0 else minus(ast.Constant(-n))


def minus(node: ast.AST) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)


def times(n: float, node: ast.AST) -> ast.expr:
    return ast.BinOp(ast.Constant(n), ast.Mult(), node)


def other_symbols(symbol: object) -> list[ast.AST]:
    return [getattr(ast, n)() for n in OTHER_SYMBOLS.get(type(symbol).__name__, "").split()]


def shifted(node: ast.AST) -> Iterator[ast.expr]:
    """`t` -> `t - 1`, `t + 1`; `t - 1` -> `t - 2`, `t`; `0` -> `-1`, `1`."""
    match node:
        case ast.Constant(int() | float() as offset):
            base = None
        case ast.UnaryOp(ast.USub(), ast.Constant(n)):
            base, offset = None, -n
        case ast.BinOp(base, ast.Add(), ast.Constant(offset)):
            pass
        case ast.BinOp(base, ast.Sub(), ast.Constant(n)):
            offset = -n
        case ast.Name() | ast.BinOp():
            base, offset = node, 0
        case _:
            return
    for n in (offset - 1, offset + 1):
        if base is None or n == 0:
            yield base or number(n)
        else:
            yield ast.BinOp(base, ast.Add() if n > 0 else ast.Sub(), number(abs(n)))


# The operators.


def operand(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """A value read is another one of the same function, most often one of a similar name."""
    if isinstance(getattr(node, "ctx", None), ast.Load) and is_operand(node, scope):
        yield from scope.near(node, scope.operands)


def index(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`h[t]` -> `h[t - 1]`; `h[1:]` -> `h[:-1]`; another slice; `x[i, j]` -> `x[j, i]`."""
    if not isinstance(node, ast.Subscript):
        return
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for part in parts:
        others = other_slices(part, scope) if isinstance(part, ast.Slice) else shifted(part)
        for new in others:
            yield replaced(node, {part: new})
    for a, b in combinations(parts, 2):
        yield replaced(node, {a: b, b: a})


def other_slices(part: ast.Slice, scope: Scope) -> Iterator[ast.AST]:
    tail, head = ast.Slice(lower=number(1)), ast.Slice(upper=number(-1))
    yield from {"1:": [head], ":-1": [tail]}.get(ast.unparse(part), [])
    for bound in filter(None, (part.lower, part.upper)):
        for new in shifted(bound):
            yield replaced(part, {bound: new})
    yield from scope.near(part, scope.slices)


def factor(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`x * y` -> `x`, `y`, `x * x * y`, `x * y * y`, `2 * (x * y)`, `0.5 * (x * y)`."""
    chain = (ast.MatMult,) if is_binary(node, ast.MatMult) else (ast.Mult, ast.Div)
    if is_binary(node, *chain):
        yield node.left
        if not is_number(node.right) and ast.MatMult not in chain:
            yield ast.BinOp(node, node.op, node.right)
        if not is_binary(node.left, *chain):
            yield changed(node, left=number(1)) if is_binary(node, ast.Div) else node.right
            if not is_number(node.left) and ast.MatMult not in chain:
                yield changed(node, left=ast.BinOp(node.left, ast.Mult(), node.left))
    whole = is_binary(node, ast.Mult, ast.Div) and not is_binary(scope.parents[node], *chain)
    if whole or is_value(node, scope):
        yield from (times(n, node) for n in (2, 0.5))


def term(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`x + y` -> `x`, `y`, `2 * x + y`, `x + 2 * y`."""
    if not is_binary(node, ast.Add, ast.Sub):
        return
    yield node.left
    parts = [node.right]
    if not is_binary(node.left, ast.Add, ast.Sub):
        yield node.right if is_binary(node, ast.Add) else minus(node.right)
        parts.append(node.left)
    yield from (replaced(node, {p: times(2, p)}) for p in parts if not is_number(p))


def sign(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`-x` -> `x`; `x` assigned, returned or passed -> `-x`; `x + y` -> `x - y`."""
    above = scope.parents[node]
    given = isinstance(above, ast.Call) and node in above.args and isinstance(node, NUMBERS)
    if given or is_value(node, scope):
        yield minus(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    if is_binary(node, ast.Add, ast.Sub):
        yield changed(node, op=OTHER_SIGN[type(node.op)]())


def operator(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`x * y` -> `x / y`, `x @ y`; `x *= y` -> `x /= y`; `x**2` -> `x**1`, `x**3`."""
    yield from (changed(node, op=other) for other in other_symbols(getattr(node, "op", None)))
    if is_binary(node, ast.Pow):
        yield from (changed(node, right=new) for new in shifted(node.right))


def transpose(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`a.T @ b` -> `a @ b`, `a.T @ b.T`; `x.transpose(0, 2, 1)` -> `x`, another order."""
    parts = [node.left, node.right] if is_binary(node, ast.MatMult) else []
    if called(node) in ("dot", "matmul"):
        parts = [*node.args, node.func.value] if is_method(node, scope) else node.args
    for part in parts:
        if getattr(part, "attr", "") != "T":
            yield replaced(node, {part: ast.Attribute(part, "T")})
    if isinstance(node, ast.Attribute) and node.attr == "T" and isinstance(node.ctx, ast.Load):
        yield node.value
    if called(node) in ("transpose", "swapaxes", "moveaxis"):
        yield from other_order(node, scope)


def other_order(node: ast.Call, scope: Scope) -> Iterator[ast.AST]:
    args = [node.func.value, *node.args] if is_method(node, scope) else node.args
    yield from args[:1]
    axes = args[1:]
    if len(axes) == 1 and isinstance(axes[0], (ast.Tuple, ast.List)):
        axes = axes[0].elts
    if called(node) == "swapaxes":
        yield from (replaced(node, {a: number(n)}) for a in axes for n in (0, 1, 2, -1))
    else:
        yield from (replaced(node, {a: b, b: a}) for a, b in combinations(axes, 2))


def axis(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`x.sum(axis=1)` -> another axis, or none."""
    found = [k.value for k in getattr(node, "keywords", ()) if k.arg == "axis"]
    if called(node) in REDUCING and isinstance(node.func, ast.Attribute):
        found += node.args[:1] if is_method(node, scope) else node.args[1:2]
    for old in found:
        yield from (replaced(node, {old: new}) for new in other_axes(old))
        kept = [k for k in node.keywords if k.value is not old]
        yield changed(node, args=[a for a in node.args if a is not old], keywords=kept)


def other_axes(old: ast.AST) -> Iterator[ast.AST]:
    if not isinstance(old, ast.Tuple):
        yield from (number(n) for n in (0, 1, -1))
        return
    for one in old.elts:
        yield changed(old, elts=[other for other in old.elts if other is not one])
        yield from (replaced(old, {one: number(n)}) for n in (0, 1, 2))


def keepdims(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`keepdims=True` added or removed."""
    if called(node) in KEEPING and isinstance(node.func, ast.Attribute):
        others = [k for k in node.keywords if k.arg != "keepdims"]
        added = [ast.keyword("keepdims", ast.Constant(True))] * (others == node.keywords)
        yield changed(node, keywords=others + added)


def inplace(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`a += x` -> `a = x`, `a -= x`; `a = x` -> `a += x`; `np.add.at(a, i, x)` -> `a[i] += x`."""
    match node:
        case ast.AugAssign(target, ast.Add() | ast.Sub() as op, value):
            yield ast.Assign([target], value)
            yield changed(node, op=OTHER_SIGN[type(op)]())
        case ast.Assign([ast.Name() | ast.Attribute() | ast.Subscript() as target], value):
            yield ast.AugAssign(target, ast.Add(), value)
        case ast.Expr(ast.Call(ast.Attribute(ufunc, "at"), [array, where, value])):
            if getattr(ufunc, "attr", "") == "add":
                yield ast.AugAssign(ast.Subscript(array, where), ast.Add(), value)


def argument(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`f(x, y)` -> `f(y, x)`, `f(x, x)`, `f(y, y)`; an argument with no name is another value."""
    if not isinstance(node, ast.Call):
        return
    args = [a for a in node.args if not isinstance(getattr(a, "value", None), str)]
    yield from (replaced(node, {a: b, b: a}) for a, b in combinations(args, 2))
    yield from (replaced(node, {a: b}) for a, b in permutations(args, 2))
    for old in args:
        if not is_operand(old, scope):
            for new in scope.near(old, scope.operands):
                yield replaced(node, {old: new})


def function(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`np.sum` -> `np.mean` and other pairs; `np.exp(x)` -> `x`."""
    other = OTHER_FUNCTION.get(called(node), "")
    if other and isinstance(node.func, ast.Attribute):
        yield changed(node, func=changed(node.func, attr=other))
    elif other and hasattr(builtins, other):
        yield changed(node, func=ast.Name(other))
    if called(node) in ("exp", "log", "tanh", "sqrt"):
        yield from node.args[:1]


def constant(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`1` -> `2`, `-1`; `0.5` -> `1.0`, `1.5`, `-0.5`."""
    if is_number(node):
        yield number(node.value + 1)
        if isinstance(node.value, float):
            yield number(node.value * 2)
        if node.value and not isinstance(scope.parents[node], ast.UnaryOp):
            yield number(-node.value)


def comparison(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """`>` -> `<`, `>=`; `==` -> `!=`."""
    for i, symbol in enumerate(getattr(node, "ops", ())):
        for other in other_symbols(symbol):
            yield changed(node, ops=[*node.ops[:i], other, *node.ops[i + 1 :]])


def einsum(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Two letters of an operand or of the result exchanged."""
    first = node.args[0] if called(node) == "einsum" and node.args else None
    letters = getattr(first, "value", "")
    for group in re.finditer("[A-Za-z.]+", letters if isinstance(letters, str) else ""):
        for i, j in combinations(range(*group.span()), 2):
            new = list(letters)
            new[i], new[j] = new[j], new[i]
            if "." not in (new[i], new[j]):
                yield replaced(node, {first: ast.Constant("".join(new))})


def left_out(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield ast.Pass()


Operator = Callable[[ast.AST, Scope], Iterator[ast.AST]]
# What two operators make alike counts for the first of them.
OPERATORS: tuple[Operator, ...] = (
    *(einsum, transpose, axis, keepdims, function, index, comparison, operator, sign),
    *(term, factor, constant, inplace, left_out, argument, operand),
)


# The mutants of a source.


class Source:
    """A text with its statements in the order of `ast.walk`, and the scopes they stand in."""

    def __init__(self, text: str, rng: random.Random) -> None:
        self.text, self.rng, self.tree = text, rng, ast.parse(text)
        nodes = list(ast.walk(self.tree))
        self.statements = [node for node in nodes if isinstance(node, ast.stmt)]
        self.parents = {child: n for n in nodes for child in ast.iter_child_nodes(n)}
        self.scopes: dict[ast.AST, Scope] = {}
        given = {n.asname or n.name.split(".")[0] for n in nodes if isinstance(n, ast.alias)}
        given |= {n.name for n in nodes if isinstance(n, (*FUNCTIONS, ast.ClassDef))}
        own = {n.arg for n in nodes if isinstance(n, ast.arg)}
        own |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self.outside = frozenset(given | (set(dir(builtins)) - own))

    def scope(self, statement: ast.stmt) -> Scope:
        above = [statement]
        while above[-1] in self.parents:
            above.append(self.parents[above[-1]])
        around = [node for node in above if isinstance(node, FUNCTIONS)] or [self.tree]
        if around[0] not in self.scopes:
            nodes = tuple(node for function in around for node in below(function))
            self.scopes[around[0]] = Scope(self.parents, self.outside, nodes, self.rng)
        return self.scopes[around[0]]

    def following(self, statement: ast.stmt) -> ast.stmt | None:
        """The next statement of the same block."""
        for _, block in ast.iter_fields(self.parents[statement]):
            if isinstance(block, list) and statement in block[:-1]:
                return block[block.index(statement) + 1]
        return None

    def written(self, edits: Iterable[Edit]) -> str:
        """The text with new statements, each on the first line of the one it replaces."""
        rows = self.text.encode().splitlines(keepends=True)
        places = [(self.statements[n], new.encode()) for n, new in edits]
        for old, new in sorted(places, key=lambda p: (-p[0].lineno, -p[0].col_offset)):
            first, last = old.lineno - 1, old.end_lineno - 1
            head, tail = rows[first][: old.col_offset], rows[last][old.end_col_offset :]
            joint = b" \\" if tail.lstrip().startswith(b";") else b""
            ends = [joint + row[len(row.rstrip(b"\r\n")) :] for row in rows[first:last]]
            rows[first : last + 1] = [head + new + b"".join(ends) + tail]
        return b"".join(rows).decode()

    def mutant(self, kind: str, edits: tuple[Edit, ...]) -> Mutant:
        old = [self.statements[n] for n, _ in edits]
        lines = {row for s in old for row in range(s.lineno, s.end_lineno + 1)}
        before, after = "; ".join(map(ast.unparse, old)), "; ".join(new for _, new in edits)
        text = self.written(edits)
        return Mutant(kind, tuple(sorted(lines)), text, before, after, edits[0][0], edits)

    def edited(self, statement: ast.stmt) -> Iterator[tuple[str, tuple[Edit, ...]]]:
        """The wrong forms of a statement: a kind, and statements by number with new texts."""
        n, scope = self.statements.index(statement), self.scope(statement)
        for make in OPERATORS:
            for node in (statement, *below(statement)):
                for new in make(node, scope):
                    yield make.__name__, ((n, unparsed(replaced(statement, {node: new}))),)
        other = self.following(statement)
        if is_subject(other) and not isinstance(other, ast.Return):
            second = self.statements.index(other), unparsed(statement)
            yield "swapped", ((n, unparsed(other)), second)


def unparsed(statement: ast.stmt) -> str:
    return ast.unparse(ast.fix_missing_locations(statement))


def mutants(text: str, lines: Collection[int], rng: random.Random | None = None) -> list[Mutant]:
    """All single mistakes in the simple statements that begin on one of the lines."""
    source = Source(text, rng or random.Random(0))
    chosen = [s for s in source.statements if is_subject(s) and s.lineno in lines]
    found: dict[tuple[Edit, ...], Mutant] = {}
    for statement in sorted(chosen, key=lambda s: (s.lineno, s.col_offset)):
        for kind, edits in source.edited(statement):
            right = all(new == ast.unparse(source.statements[n]) for n, new in edits)
            if not right and edits not in found and all("\n" not in new for _, new in edits):
                found[edits] = source.mutant(kind, edits)
    return list(found.values())


def combined(text: str, chosen: Sequence[Mutant]) -> str:
    """The source with several mistakes at once, each in a statement of its own."""
    edits = [edit for mutant in chosen for edit in mutant.edits]
    if len({n for n, _ in edits}) < len(edits):
        raise ValueError("two of the mutants change the same statement")
    return Source(text, random.Random(0)).written(edits)
