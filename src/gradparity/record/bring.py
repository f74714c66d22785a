"""Bring your own code: a subject and its arguments in, what recording has shown out."""

from collections.abc import Callable
from typing import Any

from gradparity.common.process import isolated
from gradparity.record.address import Named
from gradparity.record.examine.engine import examine
from gradparity.record.report.explain import recording_of
from gradparity.record.report.recording import Recording
from gradparity.record.run.runs import Runner
from gradparity.record.subject.forms import form_of


def recorded(
    subject: Any,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    backward: Callable[..., Any] | None = None,
    *,
    exact: bool = False,
    seed: int = 0,
    timeout: float = 60.0,
    name: str = "",
) -> Recording:
    """Record a subject in a process of its own; see `gradparity.diagnose`.

    Raises:
        InputError: it cannot be run or recorded.
    """
    form = form_of(subject, arguments, options, backward)
    form.name = name or form.name
    runner = Runner(form, seed, exact)

    def work() -> Recording:
        return recording_of(examine(runner), runner)

    return isolated(work, timeout, lambda: runner.code.files)


def recorded_file(
    named: Named, *, exact: bool = False, seed: int = 0, timeout: float = 60.0
) -> Recording:
    """Record a subject in a file; the file is imported in the child process.

    Raises:
        InputError: it cannot be run or recorded.
    """
    files: set[str] = {str(named.file), str(named.file.resolve())}

    def work() -> Recording:
        runner = Runner(named.form(), seed, exact)
        files.update(runner.code.files)
        return recording_of(examine(runner), runner)

    return isolated(work, timeout, lambda: frozenset(files))
