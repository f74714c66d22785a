"""How the commands end: exit codes, and one message instead of a traceback."""

import errno
import sys
import traceback
from collections.abc import Callable
from typing import Any

from lstm_spec.errors import InputError
from lstm_spec.files import silence_output
from lstm_spec.marks import plain_where_needed

OK = 0
WRONG = 1  # what was to be checked is not right
BAD_USE = 2  # also bad input, a full disk, too little memory
BROKEN = 70  # a fault of ours, with its traceback
INTERRUPTED = 130  # Ctrl-C
CLOSED = 141  # whoever read the output has stopped reading; as if by SIGPIPE

# Of standard output, if no file is named.
_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def guarded(name: str, work: Callable[[], int | None]) -> int:
    """Run a command; what its user can mend is one message on standard error and exit code 2.

    Args:
        name: of the command; begins the message.
        work: gives the exit code, None for 0; may also end in `SystemExit`, as after --help.

    Returns:
        The exit code.
    """
    plain_where_needed()
    try:
        code = _code(name, work)
        print(end="", flush=True)  # at the interpreter's end, what goes wrong cannot be told
    except BrokenPipeError:
        silence_output(sys.stdout, sys.stderr)
        return CLOSED
    except OSError as error:
        code = _told(name, f"standard output: {error.strerror or error}")
        silence_output(sys.stdout)
    return code


def _code(name: str, work: Callable[[], int | None]) -> int:
    """The exit code; lets out only what is the matter with standard output."""
    try:
        return work() or OK
    except InputError as error:
        return _told(name, error)
    except MemoryError as error:
        return _told(name, f"not enough memory: {error}")
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        return _of_exit(end)
    except OSError as error:
        return _of_system(name, error)
    except Exception:
        return _broken()


def _of_exit(end: SystemExit) -> int:
    if isinstance(end.__context__, BrokenPipeError):  # rich has answered it
        raise end.__context__
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
        return WRONG
    return end.code or OK


def _of_system(name: str, error: OSError) -> int:
    if error.filename is not None:
        return _told(name, f"{error.filename}: {error.strerror or error}")
    if error.errno is None:  # in words of the program, as where a process of it has ended
        return _told(name, error)
    if error.errno == errno.ENOMEM:
        return _told(name, f"not enough memory: {error.strerror}")
    if isinstance(error, BrokenPipeError) or error.errno in _OUTPUT:
        raise error
    return _broken()


def _told(name: str, message: Any) -> int:
    print(f"{name}: {message}", file=sys.stderr)
    return BAD_USE


def _broken() -> int:
    traceback.print_exc()
    return BROKEN
