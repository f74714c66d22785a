"""`gradparity.diagnose`: record the subject where it can be, else judge what it returns."""

from collections.abc import Callable
from typing import Any

from gradparity.record.report.recording import Recording
from gradparity.returned.call.layouts import Layout
from gradparity.returned.call.probes import KINDS
from gradparity.returned.report.findings import Diagnosis
from gradparity.returned.run import diagnose as diagnose_returned

TIMEOUT = 60.0  # seconds


def diagnose(
    subject: Any,
    *arguments: Any,
    backward: Callable[..., Any] | None = None,
    layout: str | Layout | None = None,
    kind: str | None = None,
    state: bool | None = None,
    learning_rate: float | None = None,
    exact: bool = False,
    seed: int = 0,
    timeout: float = TIMEOUT,
    **options: Any,
) -> Recording | Diagnosis:
    """Say whether hand-written gradients are right, and which lines are wrong.

    Args:
        subject: a function `(params, *rest) -> (loss, gradients)`; or, with `backward`, a function
            `(*inputs) -> (out, cache)`; or an object with `forward` and `backward`, or a list of
            such objects. With `layout`, an LSTM's function; see docs/layout.md.
        arguments, options: what the subject is called with. Arrays of real numbers are made
            generic near the given values; integers, masks and one-hot rows stay.
        backward: `(dout, cache) -> gradients` of the inputs, in order or by name.
        layout: judge an LSTM from its returned gradients alone: a name, a description, a `Layout`.
        kind, state, learning_rate: with a layout; see docs/layout.md.
        exact: take the arguments as they are.
        seed: of the noise on arguments, and of upstream gradients.
        timeout: seconds that the subject and its analysis may take.

    Returns:
        What was found: `ok`, `verdict`, `findings`, `raise_if_wrong()`.

    Raises:
        InputError: the subject cannot be run, or not be recorded; the message says why.
    """
    if layout is not None or kind is not None or _is_kind(arguments):
        first = arguments[0] if arguments else "model"
        return diagnose_returned(
            subject,
            first if kind is None else kind,
            layout="gradparity" if layout is None else layout,
            state=state,
            learning_rate=learning_rate,
            seed=seed,
        )
    from gradparity.record.bring import recorded

    return recorded(subject, arguments, options, backward, exact=exact, seed=seed, timeout=timeout)


def _is_kind(arguments: tuple[Any, ...]) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], str) and arguments[0] in KINDS
