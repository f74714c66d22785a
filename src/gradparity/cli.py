"""The command line: `gradparity check` and `gradparity diagnose`."""

import errno
import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gradparity.check.cases import CASES
from gradparity.check.planted import Planted
from gradparity.diagnose_command import Diagnose
from gradparity.lstm.equations import NUMBERS, known_mistakes
from lstm_spec import BACKENDS, InputError, load_backend
from lstm_spec.corpus import interpreter_text, read_text
from lstm_spec.files import require_writable, silence_output, write_whole

OK, MISMATCH, BAD_USE, INTERRUPTED, BROKEN = 0, 1, 2, 130, 70
NARROWEST = 80  # columns that the table needs; a narrower terminal wraps it
CASE_NAMES = tuple(case.name for case in CASES)


@dataclass(frozen=True)
class Check:
    """Prove two implementations' gradients equal, equation by equation and step by step.

    Runs aⁿbⁿ sequences and English text through both, over many shapes, with random
    and with initial weights. Exit code 0: parity, 1: mismatch, 2: bad use.
    """

    data: Path | None = None
    """UTF-8 text to use instead of the English that ships with Python."""
    json: Path | None = None
    """Write every block's verdict to this file."""
    figure: Path | None = None
    """Draw error by gate and time step to this file (.png, .pdf or .svg)."""
    backend: str = "numpy"
    """The implementation that is checked."""
    against: str = "jax"
    """The implementation it is held to."""
    seed: int = 0
    """First seed; each case runs this one and the next few."""
    case: str | None = None
    """Run this case only, such as "aⁿbⁿ, notebook"; --json lists their names."""
    plant: str | None = None
    """See the check fail: plant a known mistake in this equation, B1 to B11."""

    def run(self) -> int:
        """Check, report, and return the exit code."""
        from gradparity.check.suite import run_check
        from gradparity.common.figure import draw_errors

        start = time.perf_counter()
        self._validate()
        # The gate is float64; JAX must be told before it is imported.
        os.environ.setdefault("JAX_ENABLE_X64", "1")
        text = read_text(self.data) if self.data else interpreter_text()
        subject = self._planted() if self.plant else load_backend(self.backend)
        reference = load_backend(self.against)
        names = (f"{self.plant} planted" if self.plant else self.backend, self.against)
        with _progress() as progress:
            report = run_check(
                subject, reference.adjoints, names, text, self.seed, progress, self.case
            )
        report.seconds = time.perf_counter() - start
        if self.json:
            write_whole(self.json, report.to_json().encode())
        if self.figure:
            draw_errors(report.blocks, self.figure, report.headline())
        console = Console()
        console.width = max(console.width, NARROWEST)
        report.print(console)
        return OK if report.ok else MISMATCH

    def _validate(self) -> None:
        from gradparity.common.figure import FORMATS

        for name in (self.backend, self.against):
            if name not in BACKENDS:
                raise InputError(f"backend: got {name!r}, expected one of {', '.join(BACKENDS)}")
        for path in filter(None, (self.json, self.figure)):
            require_writable(path)
        if self.figure and self.figure.suffix.lstrip(".").lower() not in FORMATS:
            raise InputError(f"--figure {self.figure}: expected a name in .{', .'.join(FORMATS)}")
        if self.json and self.json == self.figure:
            raise InputError(f"--json and --figure: both are {self.json}, expected two files")
        if self.plant is None and self.backend == self.against:
            raise InputError(f"--against {self.against}: the backend itself, expected another")
        if self.plant is not None and self.backend != "numpy":
            raise InputError("--plant: stands in for --backend, expected one of the two")
        if self.plant is not None and self.plant not in NUMBERS:
            raise InputError(f"--plant: got {self.plant!r}, expected one of {', '.join(NUMBERS)}")
        if self.case is not None and self.case not in CASE_NAMES:
            raise InputError(f"--case: got {self.case!r}, expected one of {'; '.join(CASE_NAMES)}")
        if self.seed < 0:
            raise InputError(f"--seed: got {self.seed}, expected 0 or more")

    def _planted(self) -> Planted:
        mistake = next(m for m in known_mistakes() if m.number == self.plant)
        print(f"planted: {mistake}", file=sys.stderr)
        return Planted([mistake])


def _progress() -> Progress:
    """On standard error, so that piped output stays clean; silent where nobody looks."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


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
