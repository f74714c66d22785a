"""Arrays that functions read from their module, and gradients that they leave there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from gradparity.record.frontend.source import functions_in
from gradparity.record.subject.trees import Path, leaves, mapped

Make = Callable[[Path, Any], Any]


@dataclass
class Surroundings:
    """A module's names that hold arrays and that its functions use.

    Attributes:
        space: the module's names; no module's for functions that are given all they need.
        names: those that are taken.
    """

    space: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @contextmanager
    def replaced(self, make: Make) -> Iterator[Callable[[], dict[str, Any]]]:
        """Have the arrays replaced inside; yields what the module holds by then.

        Args:
            make: the array of this run, of its path and the caller's.
        """
        before = dict(self.space)
        own = {name: self.space[name] for name in self.names}
        self.space.update(mapped(own, make, (GLOBALS,)))
        try:
            yield lambda: {n: v for n, v in self.space.items() if n in own or n not in before}
        finally:
            for name in set(self.space) - set(before):
                del self.space[name]
            self.space.update(before)


GLOBALS = ("item", 3)  # where they stand in what a run was given


def around(function: Any) -> Surroundings:
    """What a function, and the others of its file, read and assign in their module."""
    function = getattr(function, "__func__", function)
    if type(function) is not FunctionType:
        return Surroundings()
    space, file = function.__globals__, function.__code__.co_filename
    own = [f for f in space.values() if type(f) is FunctionType and f.__code__.co_filename == file]
    codes = [code for f in {function, *own} for code in functions_in(f.__code__)]
    used = {name for code in codes for name in code.co_names}
    names = tuple(n for n in space if n in used and any(True for _ in leaves(space[n], depth=3)))
    return Surroundings(space, names)
