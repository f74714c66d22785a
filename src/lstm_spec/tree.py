"""Trees of arrays: walk them, name their leaves, build new ones alike.

A tree is any nesting of mappings, sequences, named tuples, dataclasses, and, where
JAX is loaded, classes registered with it. A leaf's path joins keys with dots:
`layers.0.W_f`.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from lstm_spec.errors import InputError


def children(node: Any) -> list[tuple[str, Any]] | None:
    """The named children of a container, or None for a leaf."""
    if isinstance(node, Mapping):
        return [(str(key), value) for key, value in node.items()]
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return list(zip(node._fields, node, strict=True))
    if isinstance(node, (list, tuple)):
        return [(str(index), value) for index, value in enumerate(node)]
    registered = _registered_children(node)
    if registered is None and is_dataclass(node) and not isinstance(node, type):
        return [(field.name, getattr(node, field.name)) for field in fields(node)]
    return registered


def _registered_children(node: Any) -> list[tuple[str, Any]] | None:
    """Children of a node class that the program registered with JAX, if JAX is loaded at all."""
    jax = sys.modules.get("jax")
    if jax is None or node is None or hasattr(node, "dtype"):
        return None
    entries = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda inner: inner is not node)[0]
    if len(entries) == 1 and entries[0][1] is node:
        return None
    return [(".".join(map(_key_name, path)), value) for path, value in entries]


def _key_name(key: Any) -> str:
    """What JAX calls an attribute, a key or an index."""
    return str(next(getattr(key, a) for a in ("name", "key", "idx") if hasattr(key, a)))


def iter_leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(path, leaf)` in order; None is an absent subtree and yields nothing."""
    inner = children(tree)
    if inner is None:
        if tree is not None:
            yield prefix, tree
        return
    for name, value in inner:
        yield from iter_leaves(value, f"{prefix}.{name}" if prefix else name)


def leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    """All leaves of a tree by path.

    Raises:
        InputError: two leaves have the same path, as with keys 1 and "1".
    """
    found: dict[str, Any] = {}
    for path, leaf in iter_leaves(tree, prefix):
        if path in found:
            raise InputError(f"{path}: two leaves have this path, expected one")
        found[path] = leaf
    return found


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply a function to the leaves of trees of one structure (tuples, lists, dicts, None)."""
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        return {key: tree_map(function, tree[key], *(o[key] for o in others)) for key in tree}
    if isinstance(tree, (list, tuple)):
        mapped = [tree_map(function, *parts) for parts in zip(tree, *others, strict=True)]
        return type(tree)(*mapped) if hasattr(tree, "_fields") else type(tree)(mapped)
    return function(tree, *others)
