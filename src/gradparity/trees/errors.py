"""The errors of failed comparisons."""

from collections.abc import Sequence
from typing import Any

from gradparity.trees.equal import Judgement


class ParityError(AssertionError):
    """Two trees differ.

    Attributes:
        path: the worst leaf's path, such as `layers.0.W_f`.
        index: where in that leaf.
        values: both values there, the tested one first; None where a leaf is missing.
        error: the largest absolute error of that leaf.
        tolerance: what was allowed.
        failures: every judgement that failed, worst first.
    """

    __module__ = "gradparity"  # a traceback gives the name that a caller catches

    def __init__(self, failures: Sequence[Judgement]) -> None:
        worst = failures[0]
        self.path, self.index, self.values = worst.path, worst.index, worst.values
        self.error, self.tolerance = worst.max_abs_error, worst.tolerance
        self.failures = tuple(failures)
        super().__init__(_message(failures))

    def __reduce__(self) -> tuple:
        """Pickle by what it was made of, so that it crosses a process boundary."""
        return ParityError, (self.failures,)


class GradientError(AssertionError):
    """Hand-written gradients are wrong; the report is the message.

    Attributes:
        recording: what was found.
    """

    __module__ = "gradparity"

    def __init__(self, report: str, recording: Any = None) -> None:
        self.recording = recording
        super().__init__(report)


def _message(failures: Sequence[Judgement], most: int = 8) -> str:
    lines = [f"{len(failures)} of the leaves differ:" if len(failures) > 1 else "a leaf differs:"]
    lines += [f"  {judgement.sentence()}" for judgement in failures[:most]]
    if len(failures) > most:
        lines.append(f"  … and {len(failures) - most} more")
    return "\n".join(lines)
