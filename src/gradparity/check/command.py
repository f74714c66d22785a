"""The command `gradparity check`."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gradparity.check.cases import CASES
from gradparity.check.planted import Planted
from gradparity.common.output import otherwise, require_outputs, require_seed
from gradparity.lstm.equations import NUMBERS, known_mistakes
from lstm_spec import BACKENDS, InputError, load_backend
from lstm_spec.corpus import interpreter_text, read_text
from lstm_spec.exits import OK, WRONG
from lstm_spec.files import write_whole

NARROWEST = 80  # columns that the table needs; a narrower terminal wraps it
MOST_PROCESSES = 8
CASE_NAMES = tuple(case.name for case in CASES)


@dataclass(frozen=True)
class Check:
    """Prove two implementations' gradients equal, equation by equation and step by step.

    Runs aⁿbⁿ sequences and English text through both, over many shapes, with random
    and with initial weights. Exit code 0: parity, 1: mismatch, 2: bad use.
    """

    data: Annotated[Path | None, otherwise("the English that ships with Python")] = None
    """UTF-8 text to use instead of the English that ships with Python."""
    json: Annotated[Path | None, otherwise("not written")] = None
    """Write every block's verdict to this file."""
    figure: Annotated[Path | None, otherwise("not drawn")] = None
    """Draw error by gate and time step to this file (.png, .pdf or .svg)."""
    backend: str = "numpy"
    """The implementation that is checked."""
    against: str = "jax"
    """The implementation it is held to."""
    seed: int = 0
    """First seed; each case runs this one and the next few."""
    case: Annotated[str | None, otherwise("all")] = None
    """Run this case only, such as "aⁿbⁿ, notebook"; --json lists their names."""
    plant: Annotated[str | None, otherwise("nothing")] = None
    """See the check fail: plant a known mistake in this equation, B1 to B11."""

    mesh: Annotated[tuple[str, ...], otherwise("one device")] = ()
    """Hold both JAX backends on meshes of devices to themselves on one: 2 4 8 2x2."""
    mesh_processes: Annotated[tuple[int, ...], otherwise("one")] = ()
    """The same on so many devices, each in a process of its own: 2."""

    def run(self) -> int:
        """Check, report, and return the exit code."""
        if self.mesh or self.mesh_processes:
            return self._run_mesh()
        from gradparity.check.figure import draw_errors
        from gradparity.check.suite import run_check

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
        return OK if report.ok else WRONG

    def _run_mesh(self) -> int:
        from gradparity.check.cases import Text
        from gradparity.check.mesh import MeshReport, chosen, on_meshes, trials
        from gradparity.check.mesh_processes import in_processes
        from jax_mesh.sizes import Grid

        start = time.perf_counter()
        self._validate_mesh()
        os.environ.setdefault("JAX_ENABLE_X64", "1")
        most = max((Grid.of(mesh).devices for mesh in self.mesh), default=1)
        os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(most))
        corpus = Text.of(read_text(self.data) if self.data else interpreter_text())
        given, verdicts = list(trials(corpus, self.seed, chosen(self.case))), []
        with _progress() as progress:
            total = len(given) * (len(self.mesh) + len(self.mesh_processes))
            task = progress.add_task("checking", total=total)
            for count in self.mesh_processes:
                verdicts += in_processes(count, self.seed, self.case, self.data)
                progress.advance(task, len(given))
            for verdict in on_meshes(self.mesh, given):
                verdicts.append(verdict)
                progress.advance(task)
        report = MeshReport(verdicts, time.perf_counter() - start)
        if self.json:
            write_whole(self.json, report.to_json().encode())
        report.print(Console())
        return OK if report.ok else WRONG

    def _validate_mesh(self) -> None:
        from jax_mesh.sizes import Grid

        require_outputs(self.json, None)
        require_seed(self.seed)
        for mesh in self.mesh:
            Grid.of(mesh)
        for count in self.mesh_processes:
            if not 2 <= count <= MOST_PROCESSES:
                expected = f"expected 2 to {MOST_PROCESSES}"
                raise InputError(f"--mesh-processes: got {count}, {expected}")
        for name in ("figure", "plant"):
            if getattr(self, name) is not None:
                raise InputError(f"--{name}: does not go with --mesh")
        if self.case is not None and self.case not in CASE_NAMES:
            raise InputError(f"--case: got {self.case!r}, expected one of {'; '.join(CASE_NAMES)}")

    def _validate(self) -> None:
        for name in (self.backend, self.against):
            if name not in BACKENDS:
                raise InputError(f"backend: got {name!r}, expected one of {', '.join(BACKENDS)}")
        require_outputs(self.json, self.figure)
        require_seed(self.seed)
        if self.plant is None and self.backend == self.against:
            raise InputError(f"--against {self.against}: the backend itself, expected another")
        if self.plant is not None and self.backend != "numpy":
            raise InputError("--plant: stands in for --backend, expected one of the two")
        if self.plant is not None and self.plant not in NUMBERS:
            raise InputError(f"--plant: got {self.plant!r}, expected one of {', '.join(NUMBERS)}")
        if self.case is not None and self.case not in CASE_NAMES:
            raise InputError(f"--case: got {self.case!r}, expected one of {'; '.join(CASE_NAMES)}")

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
