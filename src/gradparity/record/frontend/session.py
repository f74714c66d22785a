"""What is being recorded now: the graph that grows, and the files of the subject."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.record.graph.nodes import Graph, Place
from lstm_spec import InputError


class RecordError(InputError):
    """The subject does what cannot be followed."""


@dataclass
class Session:
    """One recorded run.

    Attributes:
        graph: what has been computed.
        files: source files whose lines are the subject's.
        writes: `(start, stop)` addresses of memory written into, and the pool's size then.
    """

    graph: Graph = field(default_factory=Graph)
    files: frozenset[str] = frozenset()
    writes: list[tuple[int, int, int]] = field(default_factory=list)


_current: list[Session] = []


@contextmanager
def recording(files: frozenset[str]) -> Iterator[Session]:
    """Record what is computed with recorded arrays inside."""
    session = Session(files=files)
    _current.append(session)
    try:
        yield session
    finally:
        _current.pop()


def active() -> bool:
    """Whether anything is being recorded."""
    return bool(_current)


def graph() -> Graph:
    """The graph of the run that is being recorded."""
    return _current[-1].graph


def place() -> Place | None:
    """The subject's innermost instruction that is being executed."""
    files = _current[-1].files
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename in files:
            return Place(frame.f_code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def written(array: np.ndarray) -> None:
    """Note that an array's memory was written into."""
    session = _current[-1]
    session.writes.append((*np.lib.array_utils.byte_bounds(array), session.graph.size))


def refused(function: Callable, why: str = "") -> RecordError:
    """An operation that cannot be followed, with its line and what to do."""
    module = (getattr(function, "__module__", "") or "numpy").replace("numpy", "np")
    name = getattr(function, "__name__", str(function))
    return RecordError(
        f"{where()}{module}.{name} cannot be recorded{why and f' ({why})'}: write it with other "
        "NumPy functions, or judge the returned gradients alone with --layout"
    )


def refused_kind(array: Any) -> RecordError:
    """An array of a kind that has no gradient here."""
    return RecordError(
        f"{where()}an array of dtype {array.dtype} cannot be recorded, expected real numbers"
    )


def where() -> str:
    """The line being executed, as a prefix."""
    found = place() if _current else None
    return f"{found.file}:{found.line}: " if found else ""
