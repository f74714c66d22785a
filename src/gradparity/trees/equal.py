"""When two arrays are equal: the verdict on one block. The rules are in docs/tolerances.md."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RTOL = 1e-9
# Rounding of a block's own equation, in units of eps times its absolute terms.
FLOOR_ULPS = 8
# Where the floor exceeds this share of the scale, nothing can be said.
RESOLVABLE = 1e-3


@dataclass(frozen=True)
class Judgement:
    """The verdict on one block.

    Attributes:
        path: which block.
        status: "pass", "mismatch", "not finite", "vacuous" (the reference is all
            zero and nobody said it should be), "not resolvable" (rounding exceeds a
            thousandth of the scale), "missing", "unexpected", "shape" or "dtype".
        index: where the error is largest.
        values: both values there, the tested one first.
        max_abs_error, max_rel_error: largest error, and it over max|reference|.
        tolerance: the largest error allowed.
        note: what else there is to say.
    """

    path: str
    status: str
    index: tuple[int, ...] = ()
    values: tuple[float, float] | None = None
    max_abs_error: float = float("nan")
    max_rel_error: float = float("nan")
    tolerance: float = float("nan")
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether the block passes."""
        return self.status == "pass"

    @property
    def margin(self) -> float:
        """Tolerance over error: how many times larger the error could have been."""
        if self.max_abs_error == 0:
            return float("inf")
        return self.tolerance / self.max_abs_error

    def sentence(self) -> str:
        """The verdict in words."""
        if self.values is None:
            return f"{self.path}: {self.status}: {self.note}"
        got, expected = self.values
        where = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        text = (
            f"{self.path}{where}: got {got!r}, expected {expected!r}, "
            f"error {self.max_abs_error:.2e}, tolerance {self.tolerance:.2e}"
        )
        return text if self.status in ("pass", "mismatch") else f"{text} ({self.status})"


def judge(
    path: str,
    got: np.ndarray,
    reference: np.ndarray,
    *,
    rtol: float = RTOL,
    atol: float = 0.0,
    zero: bool = False,
) -> Judgement:
    """Judge one array: `max|got − reference| ≤ rtol · max|reference| + atol`.

    Args:
        path: the block's name.
        got, reference: float arrays of one shape and dtype.
        rtol, atol: what is allowed, relative and absolute.
        zero: the reference is declared to be all zero.
    """
    floors = np.zeros(1)
    judged = judge_rows([path], got[None], reference[None], floors, rtol=rtol, zero=zero, atol=atol)
    return judged[0]


def judge_rows(
    paths: Sequence[str],
    got: np.ndarray,
    reference: np.ndarray,
    floors: np.ndarray,
    *,
    rtol: float = RTOL,
    atol: float = 0.0,
    scales: np.ndarray | None = None,
    zero: bool = False,
) -> list[Judgement]:
    """Judge every row of two arrays as a block of its own.

    Row n passes where `max|got − reference| ≤ rtol · scales[n] + atol + floors[n]`.

    Args:
        paths: a name for each row.
        got, reference: float arrays of one shape, blocks along the first axis.
        floors: rounding to be expected of each block's own equation, absolute.
        rtol, atol: what is allowed besides.
        scales: max|reference| of each row unless given.
        zero: the references are declared to be all zero.
    """
    rows = len(paths)
    with np.errstate(invalid="ignore"):
        errors = np.abs(got - reference).reshape(rows, -1)
    if errors.shape[1] == 0:
        return [Judgement(path, "pass", (), None, 0.0, 0.0, 0.0) for path in paths]
    worst = np.argmax(np.where(np.isnan(errors), np.inf, errors), axis=1)
    largest = np.abs(reference).reshape(rows, -1).max(axis=1)
    scales = largest if scales is None else scales
    tolerances = rtol * scales + atol + floors
    finite = np.isfinite(got).reshape(rows, -1).all(axis=1) & np.isfinite(largest)
    judged = []
    for n, path in enumerate(paths):
        index = tuple(int(i) for i in np.unravel_index(worst[n], got.shape[1:]))
        error, scale = float(errors[n, worst[n]]), float(scales[n])
        status = _status(
            passed=error <= tolerances[n],
            finite=bool(finite[n]),
            vacuous=largest[n] == 0 and not zero,
            resolvable=zero or floors[n] <= RESOLVABLE * scale,
        )
        relative = error / scale if scale else (0.0 if error == 0 else float("inf"))
        values = (got[n][index].item(), reference[n][index].item())
        judged.append(Judgement(path, status, index, values, error, relative, float(tolerances[n])))
    return judged


def _status(*, passed: bool, finite: bool, vacuous: bool, resolvable: bool) -> str:
    if not finite:
        return "not finite"
    if not passed:
        return "mismatch"
    if vacuous:
        return "vacuous"
    return "pass" if resolvable else "not resolvable"
