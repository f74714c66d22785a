"""What recording a subject has shown: a verdict, and a finding for each wrong line."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """A wrong line.

    Attributes:
        file, line: where; the line from 1.
        text: the line as it stands.
        cause: what is wrong with it in words; "" where that is not known.
        repair: the statement as it should be; "" where that is not known.
        should_be: what the line's value should have been, in words; "" where that has no name.
        where: at which executions, in words; "" for all of them.
        alternatives: further lines one of which may be the wrong one instead.
        equation: an LSTM's equation that the line computes, such as "B5"; "" elsewhere.
    """

    file: str
    line: int
    text: str
    cause: str = ""
    repair: str = ""
    should_be: str = ""
    where: str = ""
    alternatives: tuple[int, ...] = ()
    equation: str = ""

    def to_json(self) -> dict[str, Any]:
        """The format of `gradparity diagnose --json`."""
        return {
            "file": self.file,
            "line": self.line,
            "text": self.text,
            "cause": self.cause or None,
            "repair": self.repair or None,
            "should_be": self.should_be or None,
            "where": self.where or None,
            "alternatives": list(self.alternatives),
            "equation": self.equation or None,
        }


@dataclass(frozen=True)
class Gradient:
    """One gradient, as it was judged.

    Attributes:
        parameter: whose, as the subject writes it.
        found_at: where it was found; "" where it was found by the parameter's own place or name.
        error: largest difference over the largest right value; NaN where the shapes differ.
        ok: whether it is right.
        problem: what is wrong with it besides its values, in words.
    """

    parameter: str
    found_at: str
    error: float
    ok: bool
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """The format of `gradparity diagnose --json`."""
        error = None if self.error != self.error else self.error
        return {
            "parameter": self.parameter,
            "found_at": self.found_at or None,
            "error": error,
            "ok": self.ok,
            "problem": self.problem or None,
        }


@dataclass(frozen=True)
class Findings:
    """Everything that recording a subject has shown.

    Attributes:
        verdict: "right" or "wrong".
        subject: what was judged.
        gradients: of every parameter.
        findings: wrong lines, in the order of their execution.
        notes: what is worth knowing.
        held: lines of the backward pass whose values were held to the truth and found right.
        unheld: lines that no true quantity could be held to.
        hidden: what these arguments cannot show.
    """

    verdict: str
    subject: str
    gradients: tuple[Gradient, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    held: int = 0
    unheld: tuple[int, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the gradients are right."""
        return self.verdict == "right"

    def sentence(self) -> str:
        """The verdict in a sentence."""
        if self.ok:
            return "the gradients are right"
        lines = list(dict.fromkeys(f.line for f in self.findings))
        if not lines:
            return "the gradients are wrong"
        if len(lines) == 1 and self.findings[0].alternatives:
            options = sorted({*lines, *self.findings[0].alternatives})
            return f"the gradients are wrong: one of lines {_listed(options, 'or')} is at fault"
        one = len(lines) == 1
        return (
            f"the gradients are wrong: line{'' if one else 's'} {_listed(lines)} "
            f"{'is' if one else 'are'} at fault"
        )

    def to_json(self) -> dict[str, Any]:
        """The format of `gradparity diagnose --json`."""
        return {
            "ok": self.ok,
            "verdict": self.verdict,
            "subject": self.subject,
            "gradients": [g.to_json() for g in self.gradients],
            "findings": [f.to_json() for f in self.findings],
            "notes": list(self.notes),
            "held": self.held,
            "unheld": list(self.unheld),
            "hidden": list(self.hidden),
        }


def _listed(numbers: list[int], word: str = "and") -> str:
    texts = [str(n) for n in numbers]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"
