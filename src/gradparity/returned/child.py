"""A subject in a process of its own: it can hang, print, crash or train at import.

The child imports the file and answers calls; the parent stops it when its time is up.
"""

import contextlib
import importlib.util
import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from gradparity.returned.layouts import Layout, layout_named
from gradparity.returned.probes import Probe
from gradparity.returned.returned import Returned, SubjectError
from gradparity.returned.subject import Manner, Subject
from gradparity.returned.trace import Event, Tracer
from lstm_spec import InputError

MOST_FRAMES = 8  # of what a subject raised


@dataclass(frozen=True)
class Address:
    """Where a subject is: `FILE.py:FUNCTION`, with how it is called.

    `layout` is a name, a description, or the name of a `Layout` in the file.
    """

    file: Path
    function: str
    layout: str
    kind: str
    state: bool | None = None
    learning_rate: float | None = None


def parse(text: str) -> tuple[Path, str]:
    """Take `FILE.py:FUNCTION` apart.

    Raises:
        InputError: it is no such thing, or there is no such file.
    """
    file, colon, function = text.rpartition(":")
    if not colon or not function.isidentifier() or not file:
        raise InputError(f"subject: got {text!r}, expected FILE.py:FUNCTION")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"{file}: no such file, expected Python source with {function}")
    return path, function


class Remote:
    """A subject in a child process; a context manager that ends the child.

    Args:
        address: the subject.
        timeout: seconds that the import, or one call, may take.

    Raises:
        SubjectError: the file cannot be imported or has no such function.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self._timeout = timeout
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, address), daemon=True)
        self._process.start()
        theirs.close()
        self.manner: Manner = self._answer(f"importing {address.file}")

    def run(self, probe: Probe) -> Returned:
        """As `Subject.run`."""
        return self._ask("run", probe)

    def trace(self, probe: Probe) -> list[Event]:
        """What each of the subject's lines did in a call."""
        return self._ask("trace", probe)

    def __enter__(self) -> "Remote":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()

    def _ask(self, what: str, probe: Probe) -> Any:
        try:
            self._pipe.send((what, probe))
        except OSError as error:
            raise SubjectError("the subject's process has ended") from error
        return self._answer(f"the call with {probe.name}")

    def _answer(self, what: str) -> Any:
        if not self._pipe.poll(self._timeout):
            self._process.kill()
            raise SubjectError(
                f"{what} took more than {self._timeout:g} s; give it more with --timeout. "
                "A module should not train when it is imported"
            )
        try:
            ok, answer = self._pipe.recv()
        except EOFError as error:
            self._process.join(1)
            code = self._process.exitcode
            raise SubjectError(f"{what}: the subject's process ended (exit code {code})") from error
        if not ok:
            raise SubjectError(answer)
        return answer


def _serve(pipe: Connection, address: Address) -> None:
    """The child: import, then answer until the parent is gone."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)  # whatever it prints, from C too, stays out of the report
    os.dup2(sink, 2)
    threading.Thread(target=_end_with_the_parent, args=(os.getppid(),), daemon=True).start()
    subject = _guarded(pipe, address, lambda: _subject(address))
    if subject is None:
        return
    pipe.send((True, subject.manner))
    with contextlib.suppress(EOFError, OSError):
        while True:
            what, probe = pipe.recv()
            work = subject.run if what == "run" else partial(_traced, subject)
            answer = _guarded(pipe, address, partial(work, probe), subject)
            if answer is not None:
                pipe.send((True, answer))


def _end_with_the_parent(parent: int) -> None:
    """A subject that never returns must not outlive a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _traced(subject: Subject, probe: Probe) -> list[Event]:
    return Tracer(subject.function).run(lambda: subject.run(probe))


def _guarded(
    pipe: Connection, address: Address, work: Callable[[], Any], subject: Subject | None = None
) -> Any:
    """Do something of the subject's; send what it raises, in its own frames, to the parent."""
    try:
        return work()
    except InputError as error:
        pipe.send((False, str(error)))
    except BaseException as error:
        message = own_traceback(error, os.path.dirname(os.path.abspath(address.file)))
        called = f"\nit was called with {subject.called}" if subject and subject.called else ""
        pipe.send((False, message + called))
    return None


def _subject(address: Address) -> Subject:
    path = address.file.resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SubjectError(f"{address.file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    function = getattr(module, address.function, None)
    if not callable(function):
        names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise SubjectError(
            f"{address.file}: no function {address.function}, "
            f"expected one of {', '.join(names) or 'none'}"
        )
    own = getattr(module, address.layout, None)
    layout = own if isinstance(own, Layout) else layout_named(address.layout)
    manner = Manner(address.kind, layout, address.state, learning_rate=address.learning_rate)
    return Subject(function, manner)


def own_traceback(error: BaseException, folder: str) -> str:
    """What was raised, and only those frames that lie in a folder."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(folder)]
    lines = [f"  {os.path.relpath(f.filename)}:{f.lineno} in {f.name}: {f.line}" for f in frames]
    if len(lines) > MOST_FRAMES:
        lines = [*lines[:2], f"  … {len(lines) - MOST_FRAMES} more", *lines[2 - MOST_FRAMES :]]
    if isinstance(error, SyntaxError):
        text = (error.text or "").strip()
        lines = [f"  {os.path.relpath(error.filename or '')}:{error.lineno}: {text}"]
    return "\n".join([f"it raised {type(error).__name__}: {error}", *lines])
