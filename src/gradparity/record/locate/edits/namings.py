"""Another name where no value is real: an index, a tree of gradients, an entry of a cache."""

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeGuard

from gradparity.record.frontend.source import Scope, Statement
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.operands import unlike

MISNAMED = 1.6  # price of `x = cache["x"]` where another entry stands
OTHER_NAME, NO_SIGN = 2.4, 2.0
MOST_NAMES, MOST_RETURNED, MOST_HOLDERS = 12, 40, 4
Body = list[ast.stmt]
Edit = tuple[tuple, float, Body]


def misnamed(statement: Statement) -> Iterator[Edit]:
    """`gamma = cache["gamma"]` for `gamma = cache["mean"]`."""
    node: Any = statement.node
    if not isinstance(node, ast.Assign) or len(node.targets) != 1 or statement.scope is None:
        return
    holders = _holders(statement.scope)
    for target, value in bindings(node.targets[0], node.value):
        if not isinstance(target, ast.Name) or entry_of(value) in (target.id, ""):
            continue
        own = ast.unparse(value.value) if isinstance(value, ast.Attribute | ast.Subscript) else ""
        ordered = sorted(holders, key=lambda h: ast.unparse(h.value) != own)
        for holder in ordered[:MOST_HOLDERS]:
            entry = _of_name(holder, target.id)
            new = write.in_statement(node, value, entry)
            yield ("named", ast.unparse(value), ast.unparse(entry)), MISNAMED, [new]


def uncounted(statement: Statement) -> Iterator[Edit]:
    """`sum(g * g for g in grads)` for `sum(x * x for g in grads)`, where nothing reads g."""
    node: Any = statement.node
    for part in ast.walk(node) if not hasattr(node, "body") else ():
        if not isinstance(part, ast.GeneratorExp | ast.ListComp | ast.DictComp | ast.SetComp):
            continue
        counted = [n.id for g in part.generators for n in ast.walk(g.target) if is_bound(n)]
        made = [part.key, part.value] if isinstance(part, ast.DictComp) else [part.elt]
        names = [n for m in made for n in ast.walk(m) if isinstance(n, ast.Name)]
        read = list(dict.fromkeys(n.id for n in names))
        for name in counted:
            for other in read if name not in read else ():
                places = [n for n in names if n.id == other]
                new: Any = write.edited(
                    node, places, lambda _, name=name: ast.Name(name, write.LOAD)
                )
                yield ("named", other, name), MISNAMED, [new]


def unsummed(statement: Statement) -> Iterator[Edit]:
    """`np.add(total, x, out=total)` for `np.add(y, x, out=total)`, which forgets the total."""
    node: Any = statement.node
    if not isinstance(node, ast.Expr) or not _is_call(node.value):
        return
    outs = [k.value for k in node.value.keywords if k.arg == "out"]
    for out in outs:
        texts = [ast.unparse(a) for a in node.value.args]
        for argument in node.value.args if ast.unparse(out) not in texts else ():
            new = write.in_statement(node, argument, out)
            yield ("named", ast.unparse(argument), ast.unparse(out)), MISNAMED, [new]


def twice(statement: Statement, held: Sequence[str]) -> Iterator[Edit]:
    """`w, dw = self.w, self.dw` for `w, dw = self.dw, self.dw`, which gives two names one thing.

    Args:
        statement: one that may be wrong.
        held: attributes of its file.
    """
    node: Any = statement.node
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return
    values = [value for _, value in bindings(node.targets[0], node.value)]
    texts = [ast.unparse(value) for value in values]
    for value in values:
        holders = [n for n in ast.walk(value) if isinstance(n, ast.Attribute)]
        for holder in holders if texts.count(ast.unparse(value)) > 1 else ():
            for name in held:
                if name != holder.attr:
                    other = ast.Attribute(holder.value, name, ast.Load())
                    new = write.in_statement(node, holder, other)
                    yield ("named", ast.unparse(holder), ast.unparse(other)), MISNAMED, [new]


def bindings(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """What an assignment binds to what, as far as its text says."""
    displays = (ast.Tuple, ast.List)
    if isinstance(target, displays) and isinstance(value, displays):
        return list(zip(target.elts, value.elts, strict=False))
    return [(target, value)]


def entry_of(value: ast.expr) -> str:
    """What a name, an attribute, an entry or a number is called; "" for what is computed."""
    if isinstance(value, ast.Name):
        return value.id
    if isinstance(value, ast.Attribute):
        return value.attr
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant):
        return str(value.slice.value)
    return repr(value.value) if isinstance(value, ast.Constant) else ""


@lru_cache(maxsize=200)
def _holders(scope: Scope) -> list[Any]:
    """One reading of an entry or an attribute for everything that is read so."""
    found: dict[tuple, ast.expr] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Load):
            key = (type(node), ast.unparse(node.value))
            if isinstance(node, ast.Attribute) or _keyed(node):
                found.setdefault(key, node)
    return [h for (_, text), h in found.items() if text not in ("np", "numpy")]


def _keyed(node: ast.Subscript) -> bool:
    return isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)


def _of_name(holder: Any, name: str) -> ast.expr:
    if isinstance(holder, ast.Attribute):
        return ast.Attribute(holder.value, name, ast.Load())
    return ast.Subscript(holder.value, ast.Constant(name), ast.Load())


def other_names(statement: Statement) -> Iterator[Edit]:
    """Other names in what is returned, in a call that returns nothing, and in brackets."""
    node = statement.node
    if statement.scope is None:
        return
    names, indices = _bound_in(statement.scope), _counting(statement.scope)
    inside = _in_brackets(node)
    for part in (*_handed(node), *inside):
        text = ast.unparse(part)
        if isinstance(part, ast.UnaryOp):
            new = write.in_statement(node, part, part.operand)
            yield ("no sign", text), NO_SIGN, [new]
        elif isinstance(part, ast.Name) or isinstance(node, ast.Expr | ast.Return):
            others = indices if part in inside else names
            most = MOST_RETURNED if isinstance(node, ast.Return) else MOST_NAMES
            for name in sorted(others, key=lambda n: unlike(n, text))[:most]:
                if name not in (text, _called_on(node)):
                    new = write.in_statement(node, part, ast.Name(name, ast.Load()))
                    yield ("name", text, name), OTHER_NAME + 0.3 * unlike(name, text), [new]


def _handed(node: ast.stmt) -> list[ast.expr]:
    """What is returned, and handed to a call that returns nothing."""
    if isinstance(node, ast.Return) and node.value is not None:
        return list(_parts(node.value))
    if isinstance(node, ast.Expr) and _is_call(node.value):
        return [a for a in node.value.args if not isinstance(a, ast.Constant | ast.Starred)]
    return []


def _called_on(node: ast.stmt) -> str:
    """The name whose method is called: a list that is put into itself has no end."""
    function = node.value.func if isinstance(node, ast.Expr) and _is_call(node.value) else None
    return ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""


def _is_call(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call)


def _in_brackets(node: ast.AST) -> list[ast.Name]:
    slices = [n.slice for n in ast.walk(node) if isinstance(n, ast.Subscript)]
    return list(dict.fromkeys(n for s in slices for n in ast.walk(s) if isinstance(n, ast.Name)))


@lru_cache(maxsize=200)
def _counting(scope: Scope) -> list[str]:
    """Names that loops count with, and those in brackets."""
    targets = [n.target for n in ast.walk(scope) if isinstance(n, ast.For)]
    names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return list(dict.fromkeys([*names, *(n.id for n in _in_brackets(scope))]))


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """What a displayed value is made of, down to what is no display and no call."""
    inner: list[ast.expr] = []
    if isinstance(value, ast.Tuple | ast.List):
        inner = value.elts
    elif isinstance(value, ast.Dict):
        inner = value.values
    elif isinstance(value, ast.Call):
        inner = [*value.args, *(k.value for k in value.keywords)]
    for part in inner:
        yield from _parts(part)
    if not inner:
        yield value


@lru_cache(maxsize=200)
def _bound_in(scope: Scope) -> list[str]:
    """A function's arguments and what its text binds."""
    names = [a.arg for a in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)]
    names += [n.id for n in ast.walk(scope) if is_bound(n)]
    return list(dict.fromkeys(names))


def is_bound(node: ast.AST) -> TypeGuard[ast.Name]:
    """Whether it is a name that gets a value here."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
