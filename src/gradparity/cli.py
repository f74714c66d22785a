"""The command line: `gradparity check` and `gradparity diagnose`."""

import sys
from dataclasses import dataclass

import tyro

from gradparity.check.command import Check
from gradparity.diagnose_command import Diagnose
from lstm_spec import InputError
from lstm_spec.exits import OK, guarded


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `gradparity` command."""
    written = sys.argv[1:] if arguments is None else arguments
    sys.exit(guarded("gradparity", lambda: _run(written)))


def _run(arguments: list[str]) -> int:
    command: Check | Diagnose | Version = tyro.extras.subcommand_cli_from_dict(
        {"check": Check, "diagnose": Diagnose, "version": Version},
        prog="gradparity",
        description="Check hand-written gradients, and say which equation is wrong.",
        args=["version"] if arguments == ["--version"] else arguments,
    )
    try:
        return command.run()
    except InputError as error:
        if getattr(command, "format", "") == "github":
            print(f"::error title=gradparity::{str(error).partition(chr(10))[0]}")
        raise


@dataclass(frozen=True)
class Version:
    """Print versions of gradparity and of what it computes with."""

    def run(self) -> int:
        """Print them."""
        from gradparity.common.environment import environment

        for name, value in environment().items():
            print(f"{name} {value}")
        return OK
