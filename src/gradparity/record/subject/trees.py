"""Trees of arrays: any nesting of dicts, lists, tuples and objects, and the path of every leaf."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

Step = tuple[str, Any]  # how to get one further: ("item", key) or ("attr", name)
Path = tuple[Step, ...]
DEEPEST = 8


def leaves(tree: Any, path: Path = (), depth: int = DEEPEST) -> Iterator[tuple[Path, Any]]:
    """Every array and real number of a tree, with its path; shared objects once."""
    yield from _leaves(tree, path, depth, set())


def _leaves(tree: Any, path: Path, depth: int, seen: set[int]) -> Iterator[tuple[Path, Any]]:
    if isinstance(tree, np.ndarray | np.floating | float):
        yield path, tree
        return
    if depth < 0 or isinstance(tree, str | bytes | int | type | FunctionType | ModuleType):
        return
    if id(tree) in seen:
        return
    seen.add(id(tree))
    for step, value in children(tree):
        yield from _leaves(value, (*path, step), depth - 1, seen)


def children(tree: Any) -> list[tuple[Step, Any]]:
    """What a container holds, with the step to each."""
    if isinstance(tree, dict):
        return [(("item", k), v) for k, v in tree.items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return [(("attr", n), getattr(tree, n)) for n in tree._fields]
    if isinstance(tree, list | tuple):
        return [(("item", k), v) for k, v in enumerate(tree)]
    if isinstance(tree, MethodType | partial):
        return []
    names = [n for kind in type(tree).__mro__ for n in _slots(kind) if hasattr(tree, n)]
    found = [(("attr", n), getattr(tree, n)) for n in names]
    return found + [(("attr", n), v) for n, v in getattr(tree, "__dict__", {}).items()]


def _slots(kind: type) -> Sequence[str]:
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def at(tree: Any, path: Path) -> Any:
    """What stands at a path.

    Raises:
        LookupError: nothing does.
    """
    for kind, key in path:
        try:
            tree = getattr(tree, key) if kind == "attr" else tree[key]
        except (AttributeError, TypeError) as error:
            raise LookupError(str(error)) from error
    return tree


def mapped(tree: Any, change: Callable[[Path, Any], Any], path: Path = ()) -> Any:
    """A copy of a tree, its containers and objects new, with every array and real number changed.

    What is found twice (an object, an array, a view of its memory) is changed once.
    """
    return _mapped(tree, change, path, {})


def _mapped(tree: Any, change: Callable, path: Path, memo: dict[int, Any]) -> Any:
    if id(tree) in memo:
        return memo[id(tree)][0]
    if isinstance(tree, np.ndarray | np.floating | float) and not isinstance(tree, bool):
        found = change(path, tree)
        if isinstance(tree, np.ndarray):
            memo[id(tree)] = (found, tree)
        return found
    if isinstance(tree, str | bytes | int | type | FunctionType | ModuleType) or tree is None:
        return tree
    if isinstance(tree, np.random.Generator | np.random.RandomState):
        import copy

        memo[id(tree)] = (copy.deepcopy(tree), tree)
        return memo[id(tree)][0]
    return _container(tree, change, path, memo)


def _container(tree: Any, change: Callable, path: Path, memo: dict[int, Any]) -> Any:
    if isinstance(tree, dict):
        new: Any = type(tree).__new__(type(tree))
        if hasattr(tree, "default_factory"):
            new.default_factory = tree.default_factory
        memo[id(tree)] = (new, tree)
        for key, value in tree.items():
            new[key] = _mapped(value, change, (*path, ("item", key)), memo)
        return new
    if isinstance(tree, tuple):
        parts = [_mapped(v, change, (*path, step), memo) for step, v in children(tree)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, list):
        new = type(tree)()
        memo[id(tree)] = (new, tree)
        new.extend(_mapped(v, change, (*path, step), memo) for step, v in children(tree))
        return new
    if isinstance(tree, MethodType):
        return MethodType(tree.__func__, _mapped(tree.__self__, change, path, memo))
    if isinstance(tree, partial):
        parts = _mapped((tree.func, tree.args, tree.keywords), change, path, memo)
        return partial(parts[0], *parts[1], **parts[2])
    if isinstance(tree, set | frozenset) or not children(tree):
        return tree
    return _object_copy(tree, change, path, memo)


def _object_copy(tree: Any, change: Callable, path: Path, memo: dict[int, Any]) -> Any:
    kind: Any = type(tree)
    new = kind.__new__(kind)
    memo[id(tree)] = (new, tree)
    for (_, name), value in children(tree):
        object.__setattr__(new, name, _mapped(value, change, (*path, ("attr", name)), memo))
    return new


def spelled(path: Path, root: str = "") -> str:
    """A path as Python writes it: `params["W"]`, `layers[0].W`."""
    text = root
    for kind, key in path:
        if kind == "attr":
            text += f".{key}" if text else str(key)
        else:
            text += f"[{key!r}]".replace("'", '"') if text or not isinstance(key, str) else key
    return text
