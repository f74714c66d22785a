"""Copies of syntax trees."""

import ast
from collections.abc import Callable
from typing import Any


def copied(node: Any) -> Any:
    """A tree of its own; `copy.deepcopy` takes five times as long."""
    return over(copied, node)


def over(function: Callable[[Any], Any], node: Any) -> Any:
    """The same node, of what a function makes of its parts."""
    if isinstance(node, ast.AST):
        new = type(node)(**{name: function(part) for name, part in ast.iter_fields(node)})
        return ast.copy_location(new, node)
    return [function(part) for part in node] if isinstance(node, list) else node
