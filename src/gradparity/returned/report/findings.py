"""What a diagnosis says: a verdict, notes, and a finding for each wrong equation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.lstm.equation import Key
from gradparity.lstm.equations import EQUATIONS


@dataclass(frozen=True)
class Location:
    """A source line.

    Attributes:
        file, line: where; from 1.
        text: the line.
        around: its neighbours, by number.
    """

    file: str
    line: int
    text: str = ""
    around: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def to_json(self) -> dict[str, Any]:
        """Without its neighbours."""
        return {"file": self.file, "line": self.line, "text": self.text}


@dataclass(frozen=True)
class Finding:
    """Something wrong.

    Attributes:
        equation: "B8", or "" for the form of a gradient.
        gate: f, i, g, o, "W_v" or "".
        times: the steps of a five-step sequence at which it shows; empty: it has none.
        mistake: what was written, and what belongs there.
        explanation: in words.
        known: whether the cause is known.
        alternatives: other causes that explain the same, from outside.
        location: the line that computed it, where it was found.
        also: lines of further slips in the same equation.
        written: what was written for what, where `mistake` says just that.
    """

    equation: str
    gate: str
    times: tuple[int, ...]
    mistake: str
    explanation: str
    known: bool = True
    alternatives: tuple[str, ...] = ()
    location: Location | None = None
    also: tuple[Location, ...] = ()
    written: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The format of `gradparity diagnose --json`."""
        return {
            "equation": self.equation or None,
            "gate": self.gate or None,
            "times": list(self.times),
            "mistake": self.mistake,
            "explanation": self.explanation,
            "known": self.known,
            "alternatives": list(self.alternatives),
            "location": self.location and self.location.to_json(),
            "also": [place.to_json() for place in self.also],
        }


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found about a subject's gradients.

    Attributes:
        verdict: "right", "wrong" or "scaled" (right but for one factor over all leaves).
        subject: what was judged.
        scale: that factor in words: "T", "1/V", "0.5".
        notes: what is no mistake, but worth knowing.
        findings: what is wrong.
        standard: whether the forward pass is the standard LSTM's.
        forward: what is to be said of the forward pass.
        errors: for each of B1, B3–B8 and B10 `(time,)` relative errors of a sequence of five
            steps, inherited ones included; NaN where it cannot be seen. A cell has one step, and
            only a model has B1.
        compared: what a verdict of "right" rests on, in words.
    """

    verdict: str
    subject: str
    scale: str = ""
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    standard: bool = True
    forward: str = ""
    errors: dict[str, tuple[float, ...]] = field(default_factory=dict)
    compared: str = ""

    @property
    def steps(self) -> int:
        """Time steps of the errors."""
        return len(next(iter(self.errors.values()), ()))

    @property
    def ok(self) -> bool:
        """Whether the gradients are right."""
        return self.verdict == "right"

    def passes(self, *, allow_scale: bool) -> bool:
        """Whether they are right, or right up to a positive factor where that is allowed."""
        return self.ok or (allow_scale and self.verdict == "scaled")

    def to_json(self) -> dict[str, Any]:
        """The format of `gradparity diagnose --json`."""
        return {
            "verdict": self.verdict,
            "scale": self.scale or None,
            "subject": self.subject,
            "notes": list(self.notes),
            "findings": [finding.to_json() for finding in self.findings],
            "forward": self.forward or None,
            "compared": self.compared or None,
            "errors": {k: [None if np.isnan(x) else x for x in v] for k, v in self.errors.items()},
        }

    def sentence(self) -> str:
        """The verdict in a sentence."""
        if self.verdict == "right":
            return "the gradients are right"
        if self.verdict == "scaled":
            return f"the gradients are right but for one factor over all of them: {self.scale}"
        names = list(dict.fromkeys(f.equation for f in self.findings if f.equation))
        if not names:
            return "the gradients are wrong"
        verb = "is" if len(names) == 1 else "are"
        return f"the gradients are wrong: {_listed(names)} {verb} at fault"


def name_of(key: Key) -> str:
    """An equation in words, "forget gate"."""
    return EQUATIONS[key].name


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def gate_word(key: Key) -> str:
    """A key's gate as reports call it."""
    return {"v": "W_v"}.get(key[1], key[1])
