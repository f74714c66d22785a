"""Put rewritten code into the functions of a subject's files, and take it out again.

Functions keep their identity: whoever holds one (a class, a closure, a decorator) runs the
rewritten code. Nothing is imported anew, so it works in notebooks and in tests as well.
"""

import ast
import builtins
import gc
import linecache
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from gradparity.record.frontend.hooks import Hooks
from gradparity.record.frontend.source import NAME, Program, functions_in

OURS = tuple(
    str(Path(__file__).resolve().parents[3] / name)
    for name in ("gradparity", "lstm_spec", "manual", "jax_ref", "jax_manual", "lstm_lm")
)
INSTALLED = tuple(
    {sysconfig.get_path(n) for n in ("stdlib", "platstdlib", "purelib", "platlib")} - {None}
)


class Code:
    """The functions of a subject's files, with both versions of their code.

    Args:
        roots: functions and objects to begin with; files that they refer to are followed.
    """

    def __init__(self, *roots: Any) -> None:
        self.program = Program()
        self.files: frozenset[str] = frozenset(_files_of(roots))
        self._codes: dict[CodeType, CodeType] = {}
        for file in sorted(self.files):
            linecache.checkcache(file)
            text = "".join(linecache.getlines(file))
            if text:
                self._take(file, text)

    def _take(self, file: str, text: str) -> None:
        try:
            tree = self.program.add(file, text)
            compiled = compile(tree, file, "exec", dont_inherit=True)
            original = compile(text, file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):  # what is no module's text, such as a notebook's magics
            return
        pairs = zip(_ordered(original), _ordered(compiled), strict=True)
        self._codes |= {old: new for old, new in pairs if old.co_name != "<module>"}

    def edited(self, edits: Mapping[ast.stmt, Sequence[ast.stmt]]) -> dict[CodeType, CodeType]:
        """Rewritten code of the functions in which statements are replaced by others.

        Args:
            edits: statements of the program's trees, and what stands for each.

        Raises:
            SyntaxError: what came out is no program.
        """
        found: dict[CodeType, CodeType] = {}
        inside = {outer for edited in edits for outer in (edited, *self.program.around[edited])}
        for file, tree in self.program.trees.items():
            for part in tree.body:
                if part in inside:
                    new = ast.Module(self.program.again(file, part, edits), [])
                    code = compile(new, file, "exec", dont_inherit=True)
                    for inner in functions_in(code):
                        old = self._known.get((file, inner.co_qualname, inner.co_firstlineno))
                        if old is not None:
                            found[old] = inner
        return found

    @cached_property
    def _known(self) -> dict[tuple, CodeType]:
        """Code as it was written, by file, name and first line."""
        return {(c.co_filename, c.co_qualname, c.co_firstlineno): c for c in self._codes}

    @contextmanager
    def watched(self, hooks: Hooks) -> Iterator[None]:
        """Run the rewritten code inside, with these hooks."""
        changed = []
        codes = {**self._codes, **hooks.codes}
        for function in self._functions:
            found = codes.get(function.__code__)
            if found is not None and found.co_freevars == function.__code__.co_freevars:
                changed.append((function, function.__code__))
                function.__code__ = found
        setattr(builtins, NAME, hooks)
        try:
            yield
        finally:
            delattr(builtins, NAME)
            for function, code in changed:
                function.__code__ = code

    @cached_property
    def _functions(self) -> list[FunctionType]:
        """Those that exist now; what they define when they run has the code that they have."""
        return [
            f
            for f in gc.get_objects()
            if type(f) is FunctionType and f.__code__.co_filename in self.files
        ]


def _ordered(code: CodeType) -> list[CodeType]:
    return list(functions_in(code))


def is_users(file: str) -> bool:
    """Whether a file is neither installed, nor Python's, nor ours."""
    if file.startswith("<") and not linecache.getlines(file):
        return False
    return not file.startswith((*INSTALLED, *OURS)) and file != "<frozen"


def _files_of(roots: tuple) -> set[str]:
    """The files of functions and objects, and of what these refer to by their names."""
    files: set[str] = set()
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        function = _function_of(value)
        if function is not None and is_users(function.__code__.co_filename):
            new = function.__code__.co_filename not in files
            files.add(function.__code__.co_filename)
            waiting += [c.cell_contents for c in function.__closure__ or () if _filled(c)]
            if new:
                waiting += [v for v in function.__globals__.values() if _may_hold_code(v)]
        elif isinstance(value, type):
            for kind in value.__mro__:
                if not kind.__module__.startswith(("builtins", "numpy")):
                    waiting += list(vars(kind).values())
        elif isinstance(value, ModuleType):
            if is_users(getattr(value, "__file__", None) or "<none>"):
                waiting += [v for v in vars(value).values() if _may_hold_code(v)]
        elif isinstance(value, list | tuple) and len(value) < 1000:
            waiting += list(value)
        elif isinstance(value, dict) and len(value) < 1000:
            waiting += list(value.values())
        elif type(value).__module__ not in ("builtins", "numpy"):
            waiting.append(type(value))
            waiting += list(getattr(value, "__dict__", {}).values())
    return files


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _function_of(value: Any) -> FunctionType | None:
    if isinstance(value, staticmethod | classmethod | MethodType):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    if isinstance(value, FunctionType):
        return getattr(value, "__wrapped__", value) if _installed(value) else value
    inner = getattr(value, "func", None) if type(value).__name__ == "partial" else None
    return inner if isinstance(inner, FunctionType) else None


def _installed(function: FunctionType) -> bool:
    return not is_users(function.__code__.co_filename)


def _may_hold_code(value: Any) -> bool:
    return isinstance(value, FunctionType | type | ModuleType) or (
        hasattr(value, "__dict__") and is_users_object(value)
    )


def is_users_object(value: Any) -> bool:
    """Whether an object's class was written in a user's file."""
    for method in vars(type(value)).values():
        function = _function_of(method)
        if function is not None:
            return is_users(function.__code__.co_filename)
    return False
