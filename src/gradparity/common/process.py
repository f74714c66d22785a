"""Work in a child process that can be stopped: somebody's code may hang, crash or print."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lstm_spec import InputError

CAN_FORK = hasattr(os, "fork")
MOST_FRAMES = 8  # of what a subject raised


class SubjectFailedError(InputError):
    """The subject raised, hung, or ended its process."""


def isolated(work: Callable[[], Any], timeout: float, files: Callable[[], frozenset[str]]) -> Any:
    """What some work returns, done in a child of this process.

    Args:
        work: returns what can be pickled.
        timeout: seconds that it may take.
        files: the subject's own, whose frames are shown if it raises.

    Raises:
        SubjectFailedError: it raised something of the subject's, took too long, or died.
        InputError: what it raised as such.
    """
    if not CAN_FORK:
        return work()  # there is no time limit where a process cannot be copied
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, work, files), daemon=True)
    with warnings.catch_warnings():  # the child computes with NumPy alone, not on JAX's threads
        warnings.simplefilter("ignore")
        process.start()
    theirs.close()
    try:
        return _answer(ours, process, timeout)
    finally:
        process.kill()
        process.join()


def _answer(pipe: Connection, process: Any, timeout: float) -> Any:
    if not pipe.poll(timeout):
        raise SubjectFailedError(
            f"it took more than {timeout:g} s, importing included; give it more with --timeout "
            "(timeout=), or smaller arguments. A module should not train when it is imported"
        )
    try:
        kind, answer = pipe.recv()
    except EOFError as error:
        process.join(1)
        raise SubjectFailedError(
            f"the subject's process ended (exit code {process.exitcode})"
        ) from error
    if kind == "value":
        return answer
    raise (InputError if kind == "input" else SubjectFailedError)(answer)


def _child(pipe: Connection, work: Callable[[], Any], files: Callable[[], frozenset[str]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this process
    threading.Thread(target=_end_with_the_parent, args=(os.getppid(),), daemon=True).start()
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    try:
        answer = ("value", work())
    except InputError as error:
        answer = ("input", str(error))
    except BaseException as error:
        answer = ("raised", raised(error, files()))
    with contextlib.suppress(OSError):
        pipe.send(answer)


def _end_with_the_parent(parent: int) -> None:
    """What never returns must not outlive a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def raised(error: BaseException, files: frozenset[str]) -> str:
    """What the subject raised, with its own frames only, and what was noted of it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
    lines = [f"  {os.path.relpath(f.filename)}:{f.lineno} in {f.name}: {f.line}" for f in frames]
    if len(lines) > MOST_FRAMES:
        lines = [*lines[:2], f"  … {len(lines) - MOST_FRAMES} more", *lines[2 - MOST_FRAMES :]]
    if isinstance(error, SyntaxError):
        text = (error.text or "").strip()
        lines = [f"  {os.path.relpath(error.filename or '')}:{error.lineno}: {text}"]
    notes = getattr(error, "__notes__", [])
    return "\n".join([f"it raised {type(error).__name__}: {error}", *lines, *notes])


def files_beside(file: Path) -> frozenset[str]:
    """A subject's file and the modules imported from its folder; no libraries installed there."""
    folder = str(file.resolve().parent) + os.sep
    loaded = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    own = {f for f in loaded if f.startswith(folder) and "site-packages" not in f}
    return frozenset({str(file), str(file.resolve()), *(own - _ours())})


def _ours() -> set[str]:
    """This package's own files, which may lie beside a subject."""
    return {
        f
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == __name__.partition(".")[0]
        and (f := getattr(module, "__file__", None))
    }
