"""What stands before every verdict: the record is that of a plain run, and of its derivative."""

import numpy as np

from gradparity.record.frontend.session import RecordError
from gradparity.record.graph.nodes import Array
from gradparity.record.graph.truth import RTOL, Truth
from gradparity.record.run.runs import Record, Runner
from gradparity.record.subject.trees import Path

STEP = 1e-6  # of the difference that the recorded truth is held to
DIFFERENCE = 1e-4  # how far from that it may be


def same_as_plain(record: Record, plain: dict[Path, Array | None]) -> None:
    """The recorded run's gradients are those of a plain one, or the record is refused."""
    for path, places in record.gradients.items():
        got, expected = record.graph.values(places), plain[path]
        if expected is None or got.shape != expected.shape:
            raise RecordError("the recorded run returned other gradients than a plain one")
        size = float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
        if not np.allclose(got, expected, rtol=RTOL, atol=1e-9 * size + 1e-300, equal_nan=True):
            raise RecordError(
                "the recorded run returned other gradients than a plain one: it draws random "
                "numbers, or does something that recording does not see"
            )


def same_as_differences(runner: Runner, record: Record, truth: Truth) -> None:
    """The recorded truth is a difference of the plain loss along a random direction."""
    above, below = runner.shifted(STEP).plain(), runner.shifted(-STEP).plain()
    slope = (above.loss - below.loss) / (2 * STEP)
    direction = np.zeros(record.graph.size)  # arrays may share memory: each number once
    for path, places in record.parameters.items():
        if path in above.given and above.given[path].dtype.kind == "f":
            moved = (above.given[path] - below.given[path]) / (2 * STEP)
            direction[places.reshape(-1)] = moved.reshape(-1)
    moves = direction != 0  # the exponent of a power has no derivative, and is not moved
    expected = float(truth.adjoints[moves] @ direction[moves])
    size = max(abs(slope), abs(expected), 1e-3 * abs(above.loss), 1e-12)
    if not abs(slope - expected) <= DIFFERENCE * size:
        raise RecordError(
            f"the recorded forward pass has another derivative ({expected:.6g}) than differences "
            f"of the loss ({slope:.6g}): part of it could not be followed"
        )
