"""The order of a diagnosis: the forward pass, the verdict, and then what is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gradparity.diagnosis.explanation import Explanation
from gradparity.diagnosis.findings import Diagnosis, Finding
from gradparity.diagnosis.forward import STANDARD, ForwardPass, judge_forward, name_factor
from gradparity.diagnosis.naming import finding_list
from gradparity.diagnosis.numeric import derivatives, disagreement, gate_of
from gradparity.diagnosis.probes import Gradients, Probe, draw, probes_for, synthesize
from gradparity.diagnosis.replay import Call
from gradparity.diagnosis.returned import Returned, SubjectError
from gradparity.diagnosis.search import Search
from gradparity.diagnosis.subject import Manner
from gradparity.diagnosis.tolerated import tolerated
from gradparity.film import Array, Film
from gradparity.simulate import Plan

ROUNDING = 1e-9  # relative difference that float64 may make
NOISIEST = 1e-3


class Runner(Protocol):
    """A subject, in this process or in another one."""

    @property
    def manner(self) -> Manner:
        """How it is called."""

    def run(self, probe: Probe) -> Returned:
        """Call it."""


@dataclass(frozen=True)
class Evidence:
    """All calls of a subject.

    Attributes:
        probes, films, returned: one of each for every call.
        forward: what was found of the outputs.
        tolerance: the subject's own noise, relative.
        notes: remarks on its manners.
    """

    probes: list[Probe]
    films: list[Film]
    returned: list[Returned]
    forward: ForwardPass
    tolerance: float
    notes: tuple[str, ...]

    def calls(self) -> list[Call]:
        """Gradients with the loss's factor taken out."""
        return [
            Call(p, f, {k: g / factor for k, g in r.grads.items()})
            for p, f, r, factor in zip(
                self.probes, self.films, self.returned, self.forward.factors, strict=True
            )
        ]


Judged = tuple[Diagnosis, Search | None, Explanation | None]


def judge(subject: Runner, name: str, seed: int = 0) -> Judged:
    """Diagnose a subject; search and explanation come along for who wants to find source lines.

    Raises:
        SubjectError: it returned what cannot be judged.
    """
    evidence = gather(subject, seed)
    wrong_form = _wrong_forms(evidence)
    if not evidence.forward.standard:
        return _by_differences(subject, name, evidence, wrong_form, seed), None, None
    forward = (
        f"the loss is {evidence.forward.factor_name} × the mean nats per token"
        if evidence.forward.factor_name
        else ""
    )
    calls, tolerance = evidence.calls(), evidence.tolerance
    notes = (*evidence.notes, *_eps_note(evidence))
    if wrong_form:
        return (
            Diagnosis("wrong", name, notes=notes, findings=tuple(wrong_form), forward=forward),
            None,
            None,
        )
    true = [synthesize(c.probe, Plan(), c.film)[0] for c in calls]
    scale = _scale(calls, true, tolerance)
    if scale == "":
        compared = _compared(calls, true)
        return Diagnosis("right", name, "", notes, forward=forward, compared=compared), None, None
    if scale is not None:
        return Diagnosis("scaled", name, scale, notes, forward=forward), None, None
    excused = tolerated(calls, true, tolerance)
    if excused:
        return Diagnosis("right", name, notes=(*notes, excused), forward=forward), None, None
    search = Search(calls, tolerance)
    explanations = search.explanations()
    findings, more, errors = finding_list(search, explanations)
    diagnosis = Diagnosis(
        "wrong", name, "", (*notes, *more), tuple(findings), forward=forward, errors=errors
    )
    return diagnosis, search, explanations[0] if explanations else None


def _compared(calls: Sequence[Call], true: Sequence[Gradients]) -> str:
    """How much was compared, and how closely it agreed."""
    difference = max(
        float(np.abs(grad - t[path.rstrip("'")]).max() / np.abs(t[path.rstrip("'")]).max())
        for call, t in zip(calls, true, strict=True)
        for path, grad in call.grads.items()
        if t[path.rstrip("'")].any()
    )
    times = sorted({call.probe.time for call in calls})
    lengths = "one step" if times == [1] else f"{times[0]} to {times[-1]} steps"
    return (
        f"every gradient, on {len(calls)} inputs of {lengths}; the largest relative difference "
        f"is {difference:.0e}"
    )


def gather(subject: Runner, seed: int) -> Evidence:
    """Call the subject on every probe, twice."""
    manner = subject.manner
    probes = probes_for(
        manner.kind, batch=manner.layout.has_batch, state=bool(manner.state),
        bias=manner.layout.has_bias, dC=bool(manner.dC), seed=seed,
    )  # fmt: skip
    films = [probe.forward() for probe in probes]
    returned, again = [subject.run(p) for p in probes], [subject.run(p) for p in probes]
    outputs = [r.outputs for r in returned]
    if not all(np.isfinite(o).all() for o in outputs):
        raise SubjectError(
            "the loss is not a finite number"
            if manner.kind == "model"
            else "h holds NaN or infinity"
        )
    forward = judge_forward(probes, films, outputs)
    return Evidence(
        probes, films, returned, forward, _noise(manner, probes, returned, forward),
        tuple(_manners(returned, again)),
    )  # fmt: skip


def _noise(
    manner: Manner, probes: list[Probe], returned: list[Returned], forward: ForwardPass
) -> float:
    """How far apart two gradients may be and still be called equal."""
    noise = max(ROUNDING, 100 * forward.error if forward.standard else 0.0)
    if any(r.single for r in returned):
        noise = max(noise, 2e-5)
    if manner.learning_rate is not None:
        largest = max(np.abs(leaf).max() for p in probes for leaf in p.layer)
        smallest = min(
            np.abs(g).max() for r in returned for g in r.grads.values() if np.abs(g).max() > 0
        )
        noise = max(noise, 50 * np.finfo(float).eps * largest / (manner.learning_rate * smallest))
    return float(min(noise, NOISIEST))


def _manners(returned: list[Returned], again: list[Returned]) -> list[str]:
    """Remarks on a subject that changes its arguments or remembers its last call."""
    notes = []
    changed = sorted({name for r in returned for name in r.changed})
    if changed:
        notes.append(f"it changes its arguments: {', '.join(changed)}")
    differing = [
        path
        for one, other in zip(returned, again, strict=True)
        for path, grad in one.grads.items()
        if not np.array_equal(grad, other.grads.get(path, np.nan), equal_nan=True)
    ]
    if differing:
        notes.append(
            "it remembers its last call: called twice with the same arguments it returned two "
            f"different gradients ({', '.join(sorted(set(differing))[:4])})"
        )
    return notes


def _eps_note(evidence: Evidence) -> list[str]:
    error = evidence.forward.error
    if 1e-13 < error < STANDARD and not any(r.single for r in evidence.returned):
        return [
            f"the forward pass is {error:.0e} away from the standard one, as with a small eps in "
            "a logarithm or an activation; gradients are judged no more closely than that allows"
        ]
    return []


def _wrong_forms(evidence: Evidence) -> list[Finding]:
    """Findings for gradients that are missing, of another shape, not finite, or all zero."""
    found: dict[str, Finding] = {}
    for r in evidence.returned:
        for name, what in r.wrong.items():
            found.setdefault(name, Finding("", "", (), f"{name}: {what}", what))
    for path in evidence.returned[0].grads:
        arrays = [r.grads[path] for r in evidence.returned if path in r.grads]
        if not all(np.isfinite(a).all() for a in arrays):
            what = f"the gradient of {path} holds NaN or infinity"
            found[path] = Finding("", gate_of(path), (), what, what)
    if not any(g.any() for r in evidence.returned for g in r.grads.values()):
        what = "every gradient is zero"
        return [
            Finding("", "", (), what, "nothing is sent back from the loss, or it is not returned")
        ]
    return list(found.values())


def _scale(calls: Sequence[Call], true: Sequence[Gradients], tolerance: float) -> str | None:
    """The factor over all leaves in words, "" for 1, or None where there is no such factor."""
    factors = []
    for call, expected in zip(calls, true, strict=True):
        paths = [
            p for p in call.grads if p.rstrip("'") in expected and p not in ("dx", "dh0", "dC0")
        ]
        got = np.concatenate([call.grads[p].ravel() for p in paths])
        right = np.concatenate([expected[p.rstrip("'")].ravel() for p in paths])
        factor = float(got @ right / (right @ right))
        for path, grad in call.grads.items():
            inputs = path in ("dx", "dh0", "dC0")
            reference = expected[path.rstrip("'")]
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


def _by_differences(
    subject: Runner, name: str, evidence: Evidence, wrong_form: list[Finding], seed: int
) -> Diagnosis:
    """Judge each leaf against a numerical derivative of the subject's own forward pass."""
    manner = subject.manner
    time, size = 1 if manner.kind == "cell" else 3, 2 if manner.layout.has_batch else 1
    probe = draw(
        manner.kind, time, size, seed + 50,
        state=bool(manner.state), bias=manner.layout.has_bias, dC=False, hidden=4, inputs=5,
    )  # fmt: skip
    result = subject.run(probe)

    def objective(moved: Probe) -> float:
        again = subject.run(moved)
        if manner.kind == "model":
            return float(again.outputs)
        total = float((again.outputs * moved.dh).sum())
        return total if again.C is None else total + float((again.C * moved.dC).sum())

    findings = list(wrong_form)
    grads = {
        k: g
        for k, g in result.grads.items()
        if manner.kind != "model" or k not in ("dx", "dh0", "dC0")
    }
    if manner.layout.container != "mapping" or manner.layout.tokens.count("n") == 0:
        grads.pop("dx", None)
    for path, estimate in derivatives(objective, probe, grads).items():
        excess, scale = disagreement(grads[path], estimate, evidence.tolerance)
        if excess > 0:
            what = f"the gradient of {path} is not the derivative of the function's own outputs"
            detail = f"off by {excess:.1e} where the derivative reaches {scale:.1e}"
            findings.append(Finding("", gate_of(path), (), what, detail, known=False))
    departure = evidence.forward.departure or "how is not known"
    forward = f"the forward pass is not the standard LSTM's: {departure}"
    notes = (*evidence.notes, "judged by differences of its own forward pass; B1–B11 do not apply")
    verdict = "wrong" if findings else "right"
    return Diagnosis(verdict, name, "", notes, tuple(findings), standard=False, forward=forward)
