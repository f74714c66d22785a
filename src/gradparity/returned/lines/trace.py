"""Watch a Python subject work: each array that a line of its file made or changed."""

import inspect
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any

import numpy as np

MOST_EVENTS = 20_000
LARGEST = 20_000  # entries of an array that is kept
DEPTH = 2  # how far into lists, dicts and objects to look


@dataclass(frozen=True)
class Event:
    """A line made or changed an array.

    Attributes:
        file, function, line: the line that did.
        name: the array's, such as `dW[0]`.
        new: its values afterwards.
        old: its values before, if it had the same shape.
    """

    file: str
    function: str
    line: int
    name: str
    new: np.ndarray
    old: np.ndarray | None


class Tracer:
    """Collects events while a function runs; only lines of the subject's own files count."""

    def __init__(self, function: Callable) -> None:
        self.events: list[Event] = []
        self._folder = os.path.dirname(os.path.abspath(inspect.getsourcefile(function) or ""))
        self._seen: dict[int, dict[str, np.ndarray]] = {}
        self._line: dict[int, int] = {}

    def run(self, work: Callable[[], Any]) -> list[Event]:
        """Run something under the tracer."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            work()
        finally:
            sys.settrace(before)
        return self.events

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        if os.path.dirname(os.path.abspath(file)) != self._folder or "site-packages" in file:
            return None
        if not linecache.getlines(file):  # code without a source, as a named tuple's
            return None
        self._seen[id(frame)] = dict(_arrays(frame))
        self._line[id(frame)] = frame.f_lineno
        return self._step

    def _step(self, frame: FrameType, event: str, _: Any) -> Any:
        if event in ("line", "return") and len(self.events) < MOST_EVENTS:
            self._look(frame)
            self._line[id(frame)] = frame.f_lineno
        return self._step

    def _look(self, frame: FrameType) -> None:
        """Record what the line before has changed."""
        seen = self._seen[id(frame)]
        for name, array in _arrays(frame):
            old = seen.get(name)
            if (
                old is not None
                and old.shape == array.shape
                and np.array_equal(old, array, equal_nan=True)
            ):
                continue
            seen[name] = array
            same = old if old is not None and old.shape == array.shape else None
            code = frame.f_code
            place = code.co_filename, code.co_name, self._line[id(frame)]
            self.events.append(Event(*place, name, array, same))


def _arrays(frame: FrameType) -> Iterator[tuple[str, np.ndarray]]:
    """Copies of the arrays that a frame's variables hold."""
    for name, value in list(frame.f_locals.items()):
        yield from _inside(name, value, DEPTH)


def _inside(name: str, value: Any, depth: int) -> Iterator[tuple[str, np.ndarray]]:
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and 0 < value.size <= LARGEST:
            yield name, value.astype(np.float64)  # a copy
        return
    if depth == 0 or isinstance(value, (str, bytes, ModuleType, type)) or callable(value):
        return
    if isinstance(value, dict):
        for key, inner in list(value.items()):
            yield from _inside(f"{name}[{key!r}]", inner, depth - 1)
    elif isinstance(value, (list, tuple)):
        for n, inner in enumerate(value):
            yield from _inside(f"{name}[{n}]", inner, depth - 1)
    elif hasattr(value, "__dict__"):
        for key, inner in list(vars(value).items()):
            yield from _inside(f"{name}.{key}", inner, depth - 1)
