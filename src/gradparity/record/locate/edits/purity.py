"""Which functions of a subject's have no effect but their result, told from their text."""

import ast
from types import FunctionType
from typing import Any

from gradparity.record.frontend.source import Program, Scope
from gradparity.record.locate.edits.expressions import WRITING


class Purity:
    """Answers whether a function can be called once more without anybody noticing.

    Args:
        program: the subject's text.
    """

    def __init__(self, program: Program) -> None:
        self._scopes: dict[tuple[str, str, int], Scope] = {}
        for file, tree in program.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                    self._scopes[file, node.name, first] = node
        self._known: dict[Any, bool] = {}

    def __call__(self, function: Any) -> bool:
        """Whether it has no effect."""
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType):
            return False
        code = function.__code__
        if code not in self._known:
            self._known[code] = False  # while it is asked: one that calls itself is left alone
            self._known[code] = self._pure(function)
        return self._known[code]

    def _pure(self, function: FunctionType) -> bool:
        code = function.__code__
        if code.co_name == "<lambda>":
            return True
        scope = self._scopes.get((code.co_filename, code.co_name, code.co_firstlineno))
        if scope is None:
            return False
        arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        return all(self._harmless(node, arguments, function) for node in ast.walk(scope))

    def _harmless(self, node: ast.AST, arguments: set[str], function: FunctionType) -> bool:
        if isinstance(node, ast.Global | ast.Nonlocal | ast.Yield | ast.YieldFrom | ast.Await):
            return False
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root = _root(node)
            return isinstance(node, ast.Subscript) and root is not None and root not in arguments
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            return node.target.id not in arguments
        if isinstance(node, ast.Call):
            return self._call(node.func, arguments, function)
        return True

    def _call(self, called: ast.expr, arguments: set[str], function: FunctionType) -> bool:
        if isinstance(called, ast.Attribute):
            root = _root(called)
            if called.attr in WRITING:
                return root is not None and root not in arguments and root != "np"
            return root is not None and root != "self"
        if isinstance(called, ast.Name):
            found = function.__globals__.get(called.id)
            return not isinstance(found, FunctionType) or self(found)
        return False


def _root(node: ast.AST) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None
