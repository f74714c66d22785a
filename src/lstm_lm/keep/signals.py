"""What ends a run from outside: Ctrl-C, a scheduler's end of time, a closed terminal.

While a run trains, the first signal lets the update end and everything be committed; at any other
time, and the second time, the process ends at once: what was committed stays. This module imports
next to nothing, for it answers from the first line of a program.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHOW_CURSOR = b"\r\x1b[K\x1b[?25h"


class Stop:
    """What was asked for, and what is said where the process ends at once.

    Attributes:
        asked: the signal's number; 0 as long as there was none.
        deferring: whether the first signal waits for the update that is being made.
        message: the line.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.deferring = False
        self.message = "stopped before anything was begun"


class StoppedError(Exception):
    """A signal has come; everything is committed.

    Attributes:
        code: exit code of the process.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


stop = Stop()


def install() -> None:
    """Answer signals from here on; one that is ignored (nohup) stays ignored."""
    for number in WATCHED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _answer)


def ignore() -> None:
    """Let none end the process from here on: all is done, and it ends in the ordinary way.

    The interpreter takes handlers back as it ends, and a signal then would cost the exit code.
    """
    for number in WATCHED:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[Stop]:
    """Let the first signal wait; who is inside looks at `asked`."""
    before = {n: signal.getsignal(n) for n in WATCHED}
    install()
    stop.asked, stop.deferring = 0, True
    try:
        yield stop
    finally:
        stop.deferring = False
        for number, handler in before.items():
            signal.signal(number, handler)


def _answer(number: int, frame: Any) -> None:
    if stop.deferring and not stop.asked:
        stop.asked = number
        return
    if os.isatty(1):
        os.write(1, SHOW_CURSOR)
    with suppress(OSError):  # the terminal may be gone
        os.write(1, f"\n{stop.message}\n".encode())
    sys.stderr.flush()
    os._exit(128 + number)
