"""A forward pass that is not the standard one: its own differences judge the gradients."""

from gradparity.returned.call.probes import Probe, draw
from gradparity.returned.call.subject import Subject
from gradparity.returned.judge.evidence import Evidence
from gradparity.returned.judge.numeric import derivatives, disagreement, gate_of
from gradparity.returned.report.findings import Diagnosis, Finding


def judge_by_differences(
    subject: Subject, name: str, evidence: Evidence, wrong_form: list[Finding], seed: int
) -> Diagnosis:
    """Judge each leaf against a numerical derivative of the subject's own forward pass."""
    manner = subject.manner
    time, size = 1 if manner.kind == "cell" else 3, 2 if manner.batched else 1
    probe = draw(
        manner.kind, time, size, seed + 50,
        state=bool(manner.state), bias=manner.layout.has_bias, dC=False, hidden=4, inputs=7,
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
