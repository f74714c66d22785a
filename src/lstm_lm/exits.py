"""How the programs end: exit codes, and one message instead of a traceback."""

import io
import sys
from collections.abc import Callable

from lstm_lm.keep.signals import StoppedError
from lstm_spec import InputError
from lstm_spec.files import silence_output

OK, FAILED, BAD_USE, INTERRUPTED, CLOSED = 0, 1, 2, 130, 141


def guarded(name: str, work: Callable[[], int]) -> int:
    """Run something; a user's mistake is one message on standard error and exit code 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show ⁿ shows "?"
    try:
        return work()
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return BAD_USE
    except MemoryError as error:
        print(f"{name}: not enough memory: {error}", file=sys.stderr)
        return BAD_USE
    except StoppedError as stopped:
        return stopped.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        silence_output()
        return CLOSED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"{name}: {place}{error.strerror or error}", file=sys.stderr)
        silence_output()
        return BAD_USE
