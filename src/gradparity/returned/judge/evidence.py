"""All calls of a subject, and what is to be said of them before any equation."""

from dataclasses import dataclass

import numpy as np

from gradparity.lstm.film import Film
from gradparity.returned.call.probes import Probe, probes_for
from gradparity.returned.call.returned import Returned, SubjectError
from gradparity.returned.call.subject import Manner, Subject
from gradparity.returned.judge.forward import STANDARD, ForwardPass, judge_forward
from gradparity.returned.judge.numeric import gate_of
from gradparity.returned.report.findings import Finding
from gradparity.returned.search.replay import Call

ROUNDING = 1e-9  # relative difference that float64 may make
NOISIEST = 1e-3


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
        numbers = np.cumsum([probe.distinct for probe in self.probes]) - 1
        return [
            Call(p, f, {k: g / factor for k, g in r.grads.items()}, factor, int(number))
            for p, f, r, factor, number in zip(
                self.probes, self.films, self.returned, self.forward.factors, numbers, strict=True
            )
        ]


def gather(subject: Subject, seed: int) -> Evidence:
    """Call the subject on every probe, twice."""
    manner = subject.manner
    probes = probes_for(
        manner.kind, batch=manner.batched, state=bool(manner.state),
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
            "it remembers its last call, or draws random numbers (is there dropout to turn off?): "
            "called twice with the same arguments it returned two different gradients "
            f"({', '.join(sorted(set(differing))[:4])})"
        )
    return notes


def eps_note(evidence: Evidence) -> list[str]:
    """A remark on a forward pass that is close to the standard one, but not within rounding."""
    error = evidence.forward.error
    if 1e-13 < error < STANDARD and not any(r.single for r in evidence.returned):
        return [
            f"the forward pass is {error:.0e} away from the standard one, as with a small eps in "
            "a logarithm or an activation; gradients are judged no more closely than that allows"
        ]
    return []


def wrong_forms(evidence: Evidence) -> list[Finding]:
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
