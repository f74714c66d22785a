"""Plant mistakes in templates, diagnose them, and judge the diagnosis."""

import ast
import linecache
import random
import re
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from gradparity import Diagnosis, diagnose
from gradparity.lstm.equations import Mistake
from gradparity.returned.call.layouts import layout_named
from gradparity.returned.call.probes import probes_for
from gradparity.returned.call.subject import Manner, Subject
from returned.planting import columns, cs231n, kerascell, notebook, torchlike
from returned.planting.template import Template, targeted

TEMPLATES: dict[str, Template] = {
    t.name: t
    for t in (
        notebook.TEMPLATE, torchlike.TEMPLATE, cs231n.TEMPLATE, columns.TEMPLATE, kerascell.TEMPLATE
    )
}  # fmt: skip
# What cannot be told apart from outside counts as one: a carry that is dropped, or not read.
CARRIES = {"B3": "B10", "B5": "B11"}


@dataclass(frozen=True)
class Score:
    """How a diagnosis did on one planted subject.

    Attributes:
        verdict: it was the right one.
        blamed: exactly the wrong equations were blamed.
        named: every mistake was named, alone or with one that looks the same from outside.
        lines, planted: how many of the planted mistakes were found at their line, of how many.
    """

    verdict: bool
    blamed: bool
    named: bool
    lines: int = 0
    planted: int = 0


def function(source: str) -> Callable:
    """The function `subject` of a source, with lines that a tracer can show."""
    name = f"<planted {abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    module = types.ModuleType("planted")
    module.__file__ = name
    exec(compile(source, name, "exec"), module.__dict__)
    return module.__dict__["subject"]


def write(template: Template, mistakes: Iterable[Mistake] = ()) -> str:
    """A template's source with mistakes."""
    return targeted(template.write(mistakes))


def edited(template: Template, edit: tuple[str, str, str, str]) -> str:
    """The right source with one blind edit."""
    source = write(template)
    assert source.count(edit[0]) == 1, f"the edit no longer fits the source: {edit[0]}"
    return source.replace(edit[0], edit[1])


def run(template: Template, source: str) -> Diagnosis:
    """Diagnose a source."""
    return diagnose(function(source), template.kind, layout=template.layout)


def returned(template: Template, source: str) -> list[np.ndarray]:
    """Every gradient of a source on every probe."""
    subject = Subject(function(source), Manner(template.kind, layout_named(template.layout)))
    manner = subject.manner
    probes = probes_for(
        manner.kind, batch=manner.layout.has_batch, state=bool(manner.state),
        bias=manner.layout.has_bias, dC=bool(manner.dC), seed=0,
    )  # fmt: skip
    return [g for p in probes for _, g in sorted(subject.run(p).grads.items())]


def effective(
    template: Template, groups: Sequence[tuple[Mistake, ...]]
) -> list[tuple[Mistake, ...]]:
    """The planted mistakes whose removal changes what is returned."""
    whole = returned(template, write(template, [m for g in groups for m in g]))
    found = []
    for group in groups:
        rest = [m for g in groups if g is not group for m in g]
        without = returned(template, write(template, rest))
        if any(_differ(a, b) for a, b in zip(whole, without, strict=True)):
            found.append(group)
    return found


def _differ(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() > 1e-9 * max(np.abs(a).max(), np.abs(b).max()))


def score(template: Template, groups: Sequence[tuple[Mistake, ...]]) -> Score | None:
    """Plant and diagnose; None if what is planted changes nothing."""
    groups = effective(template, groups)
    if not groups:
        return None
    found = run(template, write(template, [m for g in groups for m in g]))
    mistakes = [m for g in groups for m in g]
    if all(_is_a_scale(m) for m in mistakes):
        right = found.verdict == "scaled"
        return Score(right, right, right)
    wanted = {(_carry(m), m.gate) for m in mistakes if not _is_a_scale(m)}
    blamed = {
        (_same_carry(f.equation, f.mistake), f.gate.replace("W_v", "v")) for f in found.findings
    }
    named = all(
        _is_named(m, found) or _is_said_shorter(m, mistakes, found)
        for m in mistakes
        if not _is_a_scale(m)
    )
    few = all(len(f.alternatives) <= 1 for f in found.findings)
    lines = sum(_line_found(template, group[0], found) for group in groups)
    return Score(
        found.verdict == "wrong", _without_v(blamed) == _without_v(wanted), named and few, lines,
        len(groups),
    )  # fmt: skip


def pairs(template: Template, number: int, rng: random.Random) -> list[tuple[int, int]]:
    """Numbers of two mistakes of a template, in different places."""
    mistakes, found = template.mistakes(), []
    while len(found) < number:
        one, other = rng.sample(range(len(mistakes)), 2)
        a, b = mistakes[one][0], mistakes[other][0]
        if (a.key, a.slot) != (b.key, b.slot):
            found.append((one, other))
    return found


def score_edit(template: Template, edit: tuple[str, str, str, str]) -> Score:
    """Diagnose a blind edit: is exactly its equation blamed?"""
    found = run(template, edited(template, edit))
    wanted = {
        CARRIES.get(n, n) if n in ("B3", "B5") and "next" in edit[1] else n for n in edit[2].split()
    }
    blamed = {f.equation for f in found.findings}
    right = blamed in ({*edit[2].split()}, wanted)
    return Score(found.verdict == "wrong", right, right)


def outside(template: Template, edit: tuple[str, str, str, str]) -> set[str]:
    """Equations that a blind edit's diagnosis blames though they are right."""
    found = run(template, edited(template, edit))
    allowed = {*edit[2].split()}
    allowed |= {CARRIES[n] for n in allowed if n in CARRIES}
    allowed |= {n for n, carry in CARRIES.items() if carry in allowed}
    return {f.equation for f in found.findings if f.equation} - allowed


def _is_a_scale(mistake: Mistake) -> bool:
    return (mistake.number, mistake.slot) == ("B1", "number") and mistake.form.code != "-1"


def _carry(mistake: Mistake) -> str:
    read = mistake.slot in ("dh_next", "dC_next") and mistake.number in CARRIES
    return CARRIES[mistake.number] if read else mistake.number


def _same_carry(equation: str, mistake: str) -> str:
    read = mistake in ("0 for dh_next", "0 for dC_next")
    return CARRIES.get(equation, equation) if read else equation


def _without_v(keys: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """B3's gate is the readout in the table, and says nothing for a carry."""
    return {(n, "" if n in ("B10", "B11") and g in ("v", "") else g) for n, g in keys}


def _is_named(mistake: Mistake, found: Diagnosis) -> bool:
    wanted = _plain(f"{mistake.form.code} for {mistake.right.code}")
    carry = mistake.form.code == "0" and mistake.right.code in ("dh_next", "dC_next", "dC")
    for finding in found.findings:
        said = [*finding.mistake.split("; "), *(a for s in finding.alternatives for a in _cut(s))]
        if any(_plain(s) == wanted for s in said):
            return True
        if carry and finding.mistake in ("0 for dh_next", "0 for dC_next", "0 for dC"):
            return True
    return False


def _is_said_shorter(mistake: Mistake, planted: Sequence[Mistake], found: Diagnosis) -> bool:
    """Whether two slips in one equation are named as the one slip that computes the same."""
    together = [m for m in planted if m.key == mistake.key]
    said = [
        f for f in found.findings
        if (f.equation, f.gate.replace("W_v", "v")) == mistake.key and f.known
    ]  # fmt: skip
    slips = sum(len(f.mistake.split("; ")) for f in said)
    return len(together) > 1 and 0 < slips < len(together)


def _cut(sentence: str) -> list[str]:
    """`B4 (gate o): C[t] for m[t] (…); …` as its parts."""
    parts = re.split(r"; (?=B\d)", sentence)
    return [re.sub(r" \([^()]*\)$", "", p.partition(": ")[2]) for p in parts]


def _plain(text: str) -> str:
    """Two spellings of one form: C[t-1] and C_prev[t]."""
    return (
        text.replace("C[t-1] (w", "W").replace("C[t-1]", "C_prev[t]").replace("h[t-1]", "h_prev[t]")
    )


def _line_found(template: Template, mistake: Mistake, found: Diagnosis) -> bool:
    lines = {statement_of(template, line) for line in template.lines(mistake)}
    return any(
        any(place is not None and place.line in lines for place in (f.location, *f.also))
        for f in found.findings
        if _same_carry(f.equation, f.mistake) == _carry(mistake)
    )


@cache
def _statements(template_name: str) -> dict[int, int]:
    """The first line of the innermost statement that each line belongs to."""
    tree = ast.parse(write(TEMPLATES[template_name]))
    simple = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and not hasattr(n, "body")]
    return {
        line: n.lineno for n in simple for line in range(n.lineno, (n.end_lineno or n.lineno) + 1)
    }


def statement_of(template: Template, line: int) -> int:
    """The first line of the statement that a line belongs to."""
    return _statements(template.name).get(line, line)
