"""The command line: `gradparity check` and `gradparity diagnose`."""

import errno
import sys
import traceback
from dataclasses import dataclass

import tyro

from gradparity.check.command import Check
from gradparity.diagnose_command import Diagnose
from lstm_spec import InputError
from lstm_spec.files import silence_output

OK, BAD_USE, INTERRUPTED, BROKEN = 0, 2, 130, 70


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `gradparity` command."""
    for stream in (sys.stdout, sys.stderr):  # an ASCII terminal shows ? for σ, and no traceback
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    arguments = sys.argv[1:] if arguments is None else arguments
    command: Check | Diagnose | Version = tyro.extras.subcommand_cli_from_dict(
        {"check": Check, "diagnose": Diagnose, "version": Version},
        prog="gradparity",
        description="Check hand-written gradients, and say which equation is wrong.",
        args=["version"] if arguments == ["--version"] else arguments,
    )
    sys.exit(_exit_code(command))


def _exit_code(command: "Check | Diagnose | Version") -> int:
    try:
        code = command.run()
        sys.stdout.flush()  # here, and not at the interpreter's end, a full disk can be told
        return code
    except InputError as error:
        print(f"gradparity: {error}", file=sys.stderr)
        if getattr(command, "format", "") == "github":
            print(f"::error title=gradparity::{str(error).partition(chr(10))[0]}")
        return BAD_USE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EPIPE):
            print(f"gradparity: standard output: {error.strerror}", file=sys.stderr)
            silence_output()
            return BAD_USE
        traceback.print_exc()  # a fault of ours, or a backend's; 1 would mean a mismatch
        return BROKEN


@dataclass(frozen=True)
class Version:
    """Print versions of gradparity and of what it computes with."""

    def run(self) -> int:
        """Print them."""
        from gradparity.common.environment import environment

        for name, value in environment().items():
            print(f"{name} {value}")
        return OK
