"""A source file rewritten so that every value that is bound, returned or handed on can be seen.

`dn = dout` becomes `dn = (G.s(7, dout) if G.keep[7] else G.e(7))`, where G is what watches
(`hooks.py`), and every call `f(x)` becomes `G.call(f, x)`. Lines and columns stay as they were. The
expressions seen are the slots; each belongs to a statement, which is what gets blamed.
"""

import ast
import builtins
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from gradparity.record.frontend.nodes import copied

NAME = "__gradparity__"
LEFT_ALONE = frozenset({"super", "locals", "globals", "vars", "eval", "exec", "dir", NAME})
ARRAY_METHODS = frozenset(n for n in dir(np.ndarray) if not n.startswith("_"))
SIMPLE_STATEMENTS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
Scope = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False)
class Statement:
    """A statement of the subject's.

    Attributes:
        number: within all files.
        file: where it stands.
        node: as it was written.
        function: the name of the function around it, `Layer.backward`.
        scope: that function's definition; None at the top of a file.
    """

    number: int
    file: str
    node: ast.stmt
    function: str
    scope: Scope | None

    @property
    def line(self) -> int:
        """Its first line."""
        return self.node.lineno

    @property
    def lines(self) -> range:
        """All of its lines."""
        return range(self.node.lineno, (self.node.end_lineno or self.node.lineno) + 1)


@dataclass(eq=False)
class Slot:
    """An expression whose value is watched.

    Attributes:
        number: within all files.
        statement: where it stands.
        kind: "value" (bound), "addend" (of an assignment in place), "after" (what that made),
            "return", "argument" (handed to a function of the subject's), "element" (of a display).
        expression: as it was written; for "after" the target with the operator and the addend.
        code: the rewritten expression, to be evaluated on its own; None where it cannot be.
        after: of an addend, the number of the slot of what the assignment made.
    """

    number: int
    statement: Statement
    kind: str
    expression: ast.expr
    code: CodeType | None = None
    after: int | None = None

    @property
    def place(self) -> int:
        """The slot whose numbers are its value: of an addend, what the assignment made."""
        return self.number if self.after is None else self.after


@dataclass
class Program:
    """All files of a subject, rewritten.

    Attributes:
        statements, slots: by number.
        texts: each file's lines.
        trees: each file as it was written.
        placed: numbers of slots by file, place and whether it is what an assignment has made.
        unclipped: files with lines whose clips let everything pass.
        made: what each statement as it was written has become.
        around: the statements around each one, outermost first.
    """

    statements: list[Statement] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    trees: dict[str, ast.Module] = field(default_factory=dict)
    placed: dict[tuple, int] = field(default_factory=dict)
    unclipped: set[tuple[str, int]] = field(default_factory=set)
    made: dict[ast.stmt, list[ast.stmt]] = field(default_factory=dict)
    around: dict[ast.stmt, tuple[ast.stmt, ...]] = field(default_factory=dict)

    def add(self, file: str, text: str) -> ast.Module:
        """Rewrite a file; the tree that is to be compiled."""
        self.texts[file] = text.splitlines()
        self.trees[file] = ast.parse(text, file)
        rewritten = copied(self.trees[file])
        originals = {_key(n): n for n in ast.walk(self.trees[file]) if hasattr(n, "lineno")}
        _enclose(self.trees[file], (), self.around)
        rewriter = _Rewriter(self, file, originals)
        rewritten.body = [new for part in rewritten.body for new in rewriter.kept(part)]
        return ast.fix_missing_locations(rewritten)

    def again(
        self, file: str, part: ast.stmt, edits: Mapping[ast.stmt, Sequence[ast.stmt]]
    ) -> list[ast.stmt]:
        """A statement rewritten, with others in the place of some that it holds.

        Slots still there are the same. Of a class only what is edited is left.
        """
        if part in edits:
            rewriter = _Rewriter(self, file, {})
            found = []
            for new in edits[part]:
                old = self.made.get(new)
                found += self._new(rewriter, new) if old is None else old
            return [ast.fix_missing_locations(new) for new in found]
        inside = {outer for edited in edits for outer in self.around[edited]}
        if part not in inside:
            return self.made[part]
        (made,) = self.made[part]
        whole: Any = copy.copy(made)
        for name in ("body", "orelse", "finalbody"):
            block = getattr(part, name, None)
            if isinstance(block, list):
                if isinstance(part, ast.ClassDef):
                    block = [p for p in block if p in inside or p in edits]
                setattr(whole, name, [n for p in block for n in self.again(file, p, edits)])
        if isinstance(part, ast.ClassDef):
            whole.bases, whole.keywords, whole.decorator_list = [], [], []
        if isinstance(part, ast.Try):
            whole.handlers = [self._handler(file, h, edits) for h in part.handlers]
        return [whole]

    def _new(self, rewriter: "_Rewriter", new: Any) -> list[ast.stmt]:
        """A new statement rewritten; of a loop whose body is an old one's only the first line."""
        body = getattr(new, "body", None)
        if not isinstance(body, list) or any(part not in self.made for part in body):
            return rewriter.kept(copied(new))
        header = copy.copy(new)
        header.body = []
        (made,) = rewriter.kept(copied(header))
        whole: Any = made
        whole.body = [n for part in body for n in self.made[part]]
        return [made]

    def _handler(self, file: str, handler: ast.ExceptHandler, edits: Mapping) -> ast.ExceptHandler:
        new = copy.copy(handler)
        new.body = [n for p in handler.body for n in self.again(file, p, edits)]
        return new

    def line(self, file: str, number: int) -> str:
        """A line of a file."""
        lines = self.texts.get(file, [])
        return lines[number - 1] if 0 < number <= len(lines) else ""


def _enclose(node: ast.AST, above: tuple[ast.stmt, ...], found: dict) -> None:
    """Note what stands around every statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            found[child] = above
            _enclose(child, (*above, child), found)
        elif not isinstance(child, ast.expr):
            _enclose(child, above, found)


def _key(node: ast.AST) -> tuple:
    return (type(node), node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


class _Rewriter(ast.NodeTransformer):
    """Wraps slots and calls in hooks."""

    def __init__(self, program: Program, file: str, originals: dict) -> None:
        self.program, self.file, self.originals = program, file, originals
        self.path: list[str] = []
        self.scopes: list[Scope] = []
        self.statement: Statement | None = None

    def kept(self, node: ast.stmt) -> list[ast.stmt]:
        """A statement rewritten; what it has become is kept with the original."""
        original = self.originals.get(_key(node))
        found = self._statement(node)
        if original is not None:
            self.program.made[original] = found
        return found

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.path.append(node.name)
        for name in ("bases", "keywords", "decorator_list"):
            setattr(node, name, [self.visit(part) for part in getattr(node, name)])
        node.body = [new for child in node.body for new in self.kept(child)]
        self.path.pop()
        return node

    def visit_FunctionDef(self, node: Any) -> ast.AST:
        original = self.originals.get(_key(node), node)
        self.path.append(node.name)
        self.scopes.append(original)
        node.body = [part for child in node.body for part in self.kept(child)]
        node.args = self.visit(node.args)
        self.scopes.pop()
        self.path.pop()
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        """A statement with its hooks, and what has to follow it."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return [self.visit(node)]
        if not isinstance(node, SIMPLE_STATEMENTS):
            for name in ("body", "orelse", "finalbody"):
                if getattr(node, name, None):
                    inner = [p for child in getattr(node, name) for p in self.kept(child)]
                    setattr(node, name, inner)
            for handler in getattr(node, "handlers", []):
                handler.body = [p for child in handler.body for p in self.kept(child)]
            self._open(node)
            for name in ("test", "iter", "items", "subject", "exc", "value"):
                if getattr(node, name, None) is not None:
                    found = getattr(node, name)
                    visited = (
                        [self.visit(n) for n in found]
                        if isinstance(found, list)
                        else self.visit(found)
                    )
                    setattr(node, name, visited)
            return [node]
        self._open(node)
        return self._simple(node)

    def _simple(self, node: Any) -> list[ast.stmt]:
        if isinstance(node, ast.Assign):
            node.value = self._watched(node.value, "value")
            node.targets = [self.visit(t) for t in node.targets]
        elif isinstance(node, ast.AugAssign):
            return self._in_place(node)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            node.value = self._watched(node.value, "value")
        elif isinstance(node, ast.Return) and node.value is not None:
            node.value = self._watched(node.value, "return")
        elif isinstance(node, ast.Expr):
            node.value = self._for_effect(node.value)
        return [node]

    def _for_effect(self, node: ast.expr) -> ast.expr:
        """A call for what it does: what a library's function writes is a value."""
        if not isinstance(node, ast.Call) or not is_of_library(node.func) or not self.scopes:
            return self.visit(node)
        first, rest = node.args[:1], node.args[1:]
        arguments = [*map(self.visit, first), *map(self._argument, rest)]
        for keyword in node.keywords:
            keyword.value = self._argument(keyword.value)
        called = _hook("call", self.visit(node.func), *arguments)
        called.keywords = node.keywords
        return ast.copy_location(called, node)

    def _in_place(self, node: ast.AugAssign) -> list[ast.stmt]:
        addend = self._slot(node.value, "addend")
        node.value = self._hooked(addend, self._inside(node.value))
        node.target = self.visit(node.target)
        if addend is None or any(
            isinstance(n, ast.Call | ast.NamedExpr | ast.Await) for n in ast.walk(node.target)
        ):
            return [node]
        target = copied(node.target)
        _loaded(target)
        made = ast.BinOp(copied(target), node.op, addend.expression)
        made = ast.fix_missing_locations(ast.copy_location(made, node))
        if addend.after is None and not self.originals:
            return [node]  # another version of the file assigns in place here, this one does not
        if addend.after is None:
            after = Slot(len(self.program.slots), addend.statement, "after", made)
            self.program.slots.append(after)
            addend.after = after.number
        look = ast.Expr(_hook("after", ast.Constant(addend.after), target))
        return [node, ast.fix_missing_locations(ast.copy_location(look, node))]

    def _open(self, node: ast.stmt) -> None:
        if not self.originals:
            self.statement = _NOWHERE
            return
        scope = self.scopes[-1] if self.scopes else None
        original = self.originals.get(_key(node), node)
        number = len(self.program.statements)
        self.statement = Statement(number, self.file, original, ".".join(self.path), scope)
        self.program.statements.append(self.statement)

    def _watched(self, node: ast.expr, kind: str) -> ast.expr:
        """An expression that is bound or returned: its parts where it is a display, or itself."""
        if isinstance(node, ast.Tuple | ast.List) and not any(
            isinstance(e, ast.Starred) for e in node.elts
        ):
            node.elts = [self._watched(e, "element") for e in node.elts]
            return node
        if isinstance(node, ast.Dict):
            node.keys = [k and self.visit(k) for k in node.keys]
            node.values = [self._watched(v, "element") for v in node.values]
            return node
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            node.elt = self._watched(node.elt, "element")
            node.generators = [self.visit(g) for g in node.generators]
            return node
        if isinstance(node, ast.DictComp):
            node.key, node.value = self.visit(node.key), self._watched(node.value, "element")
            node.generators = [self.visit(g) for g in node.generators]
            return node
        return self._hooked(self._slot(node, kind), self._inside(node))

    def _inside(self, node: ast.expr) -> ast.expr:
        """What is in an expression; of lists that are joined, the elements."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            displays = (ast.List, ast.Tuple)
            if isinstance(node.left, displays) or isinstance(node.right, displays):
                node.left, node.right = (self._joined(n) for n in (node.left, node.right))
                return node
        return self.visit(node)

    def _joined(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.List | ast.Tuple):
            return self._watched(node, "element")
        return self._inside(node)

    def _slot(self, node: ast.expr, kind: str) -> Slot | None:
        place = (self.file, *_key(node))
        if place in self.program.placed:
            return self.program.slots[self.program.placed[place]]
        original = self.originals.get(_key(node))
        if self.statement is None or original is None or self._says_nothing(node):
            return None
        slot = Slot(len(self.program.slots), self.statement, kind, original)
        self.program.slots.append(slot)
        self.program.placed[place] = slot.number
        return slot

    @staticmethod
    def _says_nothing(node: ast.expr) -> bool:
        constant = isinstance(node, ast.Constant) and not isinstance(node.value, float | int)
        return constant or isinstance(node, ast.Lambda | ast.JoinedStr | ast.Yield | ast.Await)

    def _hooked(self, slot: Slot | None, node: ast.expr) -> ast.expr:
        if slot is None:
            return node
        if self.originals:
            slot.code = _compiled(node, self.file)
        number = ast.Constant(slot.number)
        seen = _hook("s", number, node)
        if slot.code is None:
            return ast.copy_location(seen, node)
        keep = ast.Subscript(_attribute("keep"), number, ast.Load())
        found = ast.IfExp(keep, seen, _hook("e", number))
        return ast.fix_missing_locations(ast.copy_location(found, node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in LEFT_ALONE:
            return node
        if self.statement is not None and self.scopes and not is_of_library(node.func):
            node.args = [self._argument(a) for a in node.args]
            for keyword in node.keywords:
                keyword.value = self._argument(keyword.value)
        else:
            node.args = [self.visit(a) for a in node.args]
            for keyword in node.keywords:
                keyword.value = self.visit(keyword.value)
        called = _hook("call", self.visit(node.func), *node.args)
        called.keywords = node.keywords
        return ast.copy_location(called, node)

    def _argument(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred | ast.Constant):
            return self.visit(node)
        return self._watched(node, "argument")


_NOWHERE = Statement(-1, "", ast.Pass(), "", None)


def is_of_library(function: ast.expr) -> bool:
    """Whether a call is, to all appearance, NumPy's or of an array's method."""
    if isinstance(function, ast.Name):
        return hasattr(builtins, function.id)
    root = function
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name) and root.id in (
        "np",
        "numpy",
        "math",
        "scipy",
        "signal",
        "special",
    ):
        return True
    return isinstance(function, ast.Attribute) and function.attr in ARRAY_METHODS


def _loaded(node: ast.AST) -> None:
    for part in ast.walk(node):
        if hasattr(part, "ctx"):
            part.ctx = ast.Load()


def _attribute(name: str) -> ast.expr:
    return ast.Attribute(ast.Name(NAME, ast.Load()), name, ast.Load())


def _hook(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_attribute(name), list(arguments), [])


def _compiled(node: ast.expr, file: str) -> CodeType | None:
    """An expression on its own, or None where it needs its function around it."""
    for part in ast.walk(node):
        if isinstance(part, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Await):
            return None
        if isinstance(part, ast.Name) and part.id in ("super", "__class__"):
            return None
    tree = ast.fix_missing_locations(ast.Expression(copied(node)))
    return compile(tree, file, "eval")


def functions_in(code: CodeType) -> Iterator[CodeType]:
    """A code object and all inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from functions_in(constant)


def with_calls_hooked(node: ast.expr, file: str) -> CodeType:
    """An expression on its own, whose calls are made by the hooks."""
    tree = _Rewriter(Program(), file, {}).visit(copied(node))
    return compile(ast.fix_missing_locations(ast.Expression(tree)), file, "eval")
