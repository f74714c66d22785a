"""`gradparity.diagnose`, and the same for a file's function in a child process."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gradparity.common.process import files_beside, isolated
from gradparity.returned.call.address import Address
from gradparity.returned.call.layouts import Layout, layout_named
from gradparity.returned.call.returned import SubjectError
from gradparity.returned.call.subject import Manner, Subject
from gradparity.returned.judge.judge import judge
from gradparity.returned.lines.lines import locate
from gradparity.returned.lines.trace import Tracer
from gradparity.returned.report.findings import Diagnosis

TRACED = 3  # steps of the probe that is run under the tracer


def diagnose(
    function: Callable[..., Any],
    kind: str = "model",
    *,
    layout: str | Layout = "gradparity",
    state: bool | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Say whether a function's hand-written gradients are right, and which equation is wrong.

    Args:
        function: for kind "model" `(params, inputs, targets[, h0, C0]) -> (loss, grads)`;
            for "layer" `(params, x, [h0, C0,] dh[, dC]) -> (h, grads)`; for "cell"
            `(params, x, h_prev, C_prev, dh, dC) -> (h, C, grads)`.
        kind: one of these.
        layout: where the parameters stand: a name, a description, or a `Layout`.
        state: whether it takes an initial state; None: as its signature says.
        learning_rate: set if gradients exist only as an update in place.
        seed: of the probes.

    Raises:
        SubjectError: it returned what cannot be judged. What it raises itself goes through.
        InputError: kind or layout make no sense.
    """
    found = layout if isinstance(layout, Layout) else layout_named(layout)
    subject = Subject(function, Manner(kind, found, state, learning_rate=learning_rate))
    return _with_lines(subject, getattr(function, "__qualname__", str(function)), seed)


def diagnose_file(address: Address, *, seed: int = 0, timeout: float = 60.0) -> Diagnosis:
    """As `diagnose`, of a function in a file, in a process that can be stopped."""

    def work() -> Diagnosis:
        return _with_lines(address.subject(), str(address), seed)

    return isolated(work, timeout, lambda: files_beside(address.file))


def _with_lines(subject: Subject, name: str, seed: int) -> Diagnosis:
    diagnosis, case, explanation = judge(subject, name, seed)
    if case is None or explanation is None or not any(f.equation for f in diagnosis.findings):
        return diagnosis
    call = next((c for c in case.close if c.probe.time == TRACED), case.close[0])
    try:
        events = Tracer(subject.function).run(lambda: subject.run(call.probe))
    except (OSError, TypeError, SubjectError):  # no source, or it behaves otherwise under a tracer
        return diagnosis
    located = locate(diagnosis.findings, explanation, call, events)
    return replace(diagnosis, findings=tuple(located))
