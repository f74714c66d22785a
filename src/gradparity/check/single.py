"""float32, judged against float64 truth (rule 3 of docs/tolerances.md)."""

from dataclasses import dataclass

import numpy as np

from gradparity.check.cases import Case, Text, draw
from gradparity.check.run import Adjoints, Subject
from lstm_spec.tree import leaves, tree_map

EPS32 = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class SinglePrecision:
    """One leaf or adjoint in float32, the worst of its runs.

    Attributes:
        case, path: where.
        error: max|subject − truth|.
        allowed: 3 · max|reference − truth| + 8 · eps32 · max|truth|.
    """

    case: str
    path: str
    error: float
    allowed: float

    @property
    def ratio(self) -> float:
        """Error over what is allowed; 1 is the limit."""
        return self.error / self.allowed if self.allowed else float(self.error > 0)


def check_single(
    case: Case, text: Text, subject: Subject, reference: Adjoints, seed: int = 0
) -> list[SinglePrecision]:
    """Run a case in float32 and judge each leaf and adjoint as a whole."""
    worst: dict[str, SinglePrecision] = {}
    for run in range(seed, seed + case.runs):
        for found in _run(case, text, subject, reference, run):
            if found.path not in worst or found.ratio > worst[found.path].ratio:
                worst[found.path] = found
    return list(worst.values())


def _run(
    case: Case, text: Text, subject: Subject, reference: Adjoints, seed: int
) -> list[SinglePrecision]:
    params32, batch32 = _cast(draw(case, text, seed), np.float32)
    params64, batch64 = _cast((params32, batch32), np.float64)
    truth = leaves(reference(params64, batch64))
    got = leaves(subject.adjoints(params32, batch32)) | leaves(
        subject.loss_and_grads(params32, batch32)
    )
    theirs = leaves(reference(params32, batch32))
    found = []
    for path, exact in truth.items():
        ours, other = (float(np.max(np.abs(r[path] - np.asarray(exact)))) for r in (got, theirs))
        allowed = 3 * other + 8 * EPS32 * float(np.max(np.abs(exact)))
        found.append(SinglePrecision(case.name, path, ours, allowed))
    return found


def _cast(tree: tuple, dtype: type) -> tuple:
    """Every float leaf in another dtype; integers and masks as they are."""
    return tree_map(lambda leaf: leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf, tree)
