"""The order of a diagnosis: the forward pass, the verdict, and then what is wrong."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gradparity.lstm.film import Array
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import Gradients, shared, synthesize
from gradparity.returned.call.subject import Subject
from gradparity.returned.judge.beside import EMBEDDING, SECOND, embedding, second_bias, without
from gradparity.returned.judge.differences import judge_by_differences
from gradparity.returned.judge.evidence import Evidence, eps_note, gather, wrong_forms
from gradparity.returned.judge.forward import name_factor
from gradparity.returned.judge.tolerated import tolerated
from gradparity.returned.report.findings import Diagnosis
from gradparity.returned.search.case import Case
from gradparity.returned.search.clock import Clock
from gradparity.returned.search.explanation import Explanation
from gradparity.returned.search.replay import Call, apply
from gradparity.returned.search.search import explanations
from gradparity.returned.words.naming import finding_list

SECONDS = 3  # of computing that a search may take


class Judged(NamedTuple):
    """A diagnosis, and where a search was made, what it was made in and its best explanation."""

    diagnosis: Diagnosis
    case: Case | None = None
    explanation: Explanation | None = None


def judge(subject: Subject, name: str, seed: int = 0) -> Judged:
    """Diagnose a subject; case and explanation come along for who wants to find source lines.

    Raises:
        SubjectError: it returned what cannot be judged.
    """
    evidence = gather(subject, seed)
    wrong_form = wrong_forms(evidence)
    if not evidence.forward.standard:
        return Judged(judge_by_differences(subject, name, evidence, wrong_form, seed))
    if wrong_form:
        return Judged(_diagnosed("wrong", name, evidence, findings=tuple(wrong_form)))
    calls, tolerance = evidence.calls(), evidence.tolerance
    if _whole(calls, tolerance):
        return _by_equations(name, evidence, calls)
    beside = second_bias(calls, tolerance)
    apart = [*(SECOND if beside else ()), *(p for p in calls[0].grads if p == EMBEDDING)]
    found = _by_equations(name, evidence, without(calls, apart))
    if EMBEDDING in apart:
        beside += embedding(calls, _embeddings(calls, found), tolerance, _embedding_name(subject))
    if not beside:
        return found
    findings = (*found.diagnosis.findings, *beside)
    wrong = replace(found.diagnosis, verdict="wrong", findings=findings, compared="")
    return found._replace(diagnosis=wrong)


def _whole(calls: Sequence[Call], tolerance: float) -> bool:
    """Whether all gradients are right together, or scaled, or differ as is tolerated."""
    true = [synthesize(c.probe, Plan(), c.film)[0] for c in calls]
    return _scale(calls, true, tolerance) is not None or bool(tolerated(calls, true, tolerance))


def _by_equations(name: str, evidence: Evidence, calls: Sequence[Call]) -> Judged:
    """The verdict on gradients that B1–B11 speak of."""
    tolerance = evidence.tolerance
    true = [synthesize(c.probe, Plan(), c.film)[0] for c in calls]
    scale = _scale(calls, true, tolerance)
    if scale == "":
        compared = _compared(calls, true)
        return Judged(_diagnosed("right", name, evidence, compared=compared))
    if scale is not None:
        return Judged(_diagnosed("scaled", name, evidence, scale=scale))
    excused = tolerated(calls, true, tolerance)
    if excused:
        return Judged(_diagnosed("right", name, evidence, excused))
    case, clock = Case(calls, tolerance), Clock(SECONDS)
    found = explanations(case, clock)
    findings, more, errors = finding_list(case, found)
    if clock.stopped:
        more = [*more, f"the search was stopped after {SECONDS} s; there may be a simpler cause"]
    diagnosis = _diagnosed(
        "wrong", name, evidence, *more, findings=tuple(findings), errors=errors
    )  # fmt: skip
    return Judged(diagnosis, case, found[0] if found else None)


def _diagnosed(verdict: str, name: str, evidence: Evidence, *notes: str, **found: Any) -> Diagnosis:
    """A diagnosis with what is to be said of the forward pass and of the subject's manners."""
    factor = evidence.forward.factor_name
    forward = f"the loss is {factor} × the mean nats per token" if factor else ""
    notes = (*evidence.notes, *eps_note(evidence), *notes)
    return Diagnosis(verdict, name, notes=notes, forward=forward, **found)


def _embeddings(calls: Sequence[Call], found: Judged) -> list[Array | None]:
    """The gradient of an embedding that follows from what was found of the equations."""
    explanation = found.explanation or Explanation()
    if found.diagnosis.verdict == "wrong" and found.explanation is None:
        return [None] * len(calls)
    return [
        apply(explanation, call)[0][EMBEDDING]
        if call.probe.distinct or not explanation.unknown
        else None
        for call in calls
    ]


def _embedding_name(subject: Subject) -> str:
    arrays = subject.manner.layout.arrays
    return next((name for name, axes in arrays.items() if "e" in axes.split(",")), "an embedding")


def _compared(calls: Sequence[Call], true: Sequence[Gradients]) -> str:
    """How much was compared, and how closely it agreed."""
    difference = max(
        float(np.abs(grad - t[shared(path)]).max() / np.abs(t[shared(path)]).max())
        for call, t in zip(calls, true, strict=True)
        for path, grad in call.grads.items()
        if t[shared(path)].any()
    )
    times = sorted({call.probe.time for call in calls})
    lengths = "one step" if times == [1] else f"{times[0]} to {times[-1]} steps"
    return (
        f"every gradient, on {len(calls)} inputs of {lengths}; the largest relative difference "
        f"is {difference:.0e}"
    )


def _scale(calls: Sequence[Call], true: Sequence[Gradients], tolerance: float) -> str | None:
    """The factor over all leaves in words, "" for 1, or None where there is no such factor."""
    factors = []
    for call, expected in zip(calls, true, strict=True):
        paths = [p for p in call.grads if shared(p) in expected and p not in ("dx", "dh0", "dC0")]
        got = np.concatenate([call.grads[p].ravel() for p in paths])
        right = np.concatenate([expected[shared(p)].ravel() for p in paths])
        factor = float(got @ right / (right @ right))
        for path, grad in call.grads.items():
            inputs = path in ("dx", "dh0", "dC0")
            reference = expected[shared(path)]
            options = (factor, 1.0) if inputs else (factor,)
            if not any(_close(grad, f * reference, tolerance) for f in options):
                return None
        factors.append(factor)
    if min(factors) <= 0:
        return None
    return name_factor([c.probe for c in calls], factors, max(1e-6, tolerance))


def _close(got: Array, expected: Array, tolerance: float) -> bool:
    return bool(
        np.abs(got - expected).max() <= tolerance * max(np.abs(expected).max(), np.abs(got).max())
    )
