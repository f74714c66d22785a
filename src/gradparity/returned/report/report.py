"""A diagnosis for people: the verdict, B1–B11 with a mark each, and a map of errors."""

import os
import re
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradparity.common.output import annotation
from gradparity.common.ranges import ranges
from gradparity.lstm.equations import EQUATIONS, NUMBERS, QUANTITIES
from gradparity.returned.report.findings import Diagnosis, Finding, Location

STYLE = {"right": "bold green", "wrong": "bold red", "scaled": "bold yellow"}
SHADES = (
    (1e-9, "·", "green"),
    (1e-2, "░", "yellow"),
    (0.3, "▒", "red"),
    (float("inf"), "█", "red"),
)
LEGEND = "· right  ░ below 1 %  ▒ below 30 %  █ above; inherited errors included"
MARKS = {True: "✗", False: "✓"}
OF_THE_READOUT = ("B1", "B2")


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Show it on a terminal, or as plain text."""
    verdict = diagnosis.verdict.upper()
    parts: list = [
        Text.assemble(("gradparity diagnose  ", "bold"), diagnosis.subject),
        "",
        Text.assemble((verdict, STYLE[diagnosis.verdict]), f"  {diagnosis.sentence()}"),
    ]
    for line in filter(None, (diagnosis.compared, diagnosis.forward)):
        parts.append(Padding(Text(line), (0, 0, 0, 2), expand=False))
    parts += [
        Padding(Text(f"note: {note}", "dim"), (0, 0, 0, 2), expand=False)
        for note in diagnosis.notes
    ]
    if diagnosis.findings:
        parts += ["", *_equations(diagnosis)]
    if diagnosis.errors:
        parts += ["", _error_map(diagnosis), Text(LEGEND, "dim")]
    with console.capture() as captured:
        console.print(Group(*parts))
    console.file.write(re.sub(r" +\n", "\n", captured.get()))


def _equations(diagnosis: Diagnosis) -> list:
    """Each equation with its mark; the wrong ones with all that is known of them."""
    found: list = []
    other = [f for f in diagnosis.findings if not f.equation]
    found += [block for finding in other for block in _entry([finding], 0)]
    if not any(f.equation for f in diagnosis.findings):
        return found
    layer_only = diagnosis.errors and "B1" not in diagnosis.errors
    for number in NUMBERS:
        if layer_only and number in OF_THE_READOUT:
            continue
        findings = [f for f in diagnosis.findings if f.equation == number]
        formula = next(e.formula for e in EQUATIONS.values() if e.number == number).partition("\n")[
            0
        ]
        mark = Text(MARKS[bool(findings)], "bold red" if findings else "green")
        found.append(
            Text.assemble(mark, " ", (f"{number:4}", "bold"), (formula, "" if findings else "dim"))
        )
        for _, alike in groupby(
            findings, key=lambda f: f.mistake.replace(f.gate, "k") if f.gate else f.mistake
        ):
            found += _entry(list(alike), diagnosis.steps)
    return found


def _entry(findings: Sequence[Finding], steps: int) -> list:
    """One mistake, at one gate or at several; `steps` are those of the sequence it is seen on."""
    first = findings[0]
    gates = ", ".join(f.gate for f in findings if f.gate)
    where = "; ".join(
        part
        for part in (
            f"gate {gates}" if gates and gates != "W_v" else "",
            f"t = {ranges(first.times)} of 0–{steps - 1}" if 0 < len(first.times) < steps else "",
        )
        if part
    )
    lines = [Text(f"{first.explanation}{f' ({where})' if where else ''}", "red")]
    lines += [_wrote(*pair) for pair in first.written] or [Text(first.mistake)]
    if first.alternatives:
        same = " or as ".join(first.alternatives)
        lines.append(Text(f"from outside it looks the same as {same}", "dim"))
    if first.location:
        lines += _source([first.location, *first.also])
    return [Padding(line, (0, 0, 0, 7), expand=False) for line in lines]


def _wrote(wrong: str, right: str) -> Text:
    return Text.assemble("wrote ", (wrong, "bold"), ", should be ", (right, "bold"))


def _source(places: Sequence[Location]) -> list[Text]:
    """The lines and their neighbours, each once; a mark before the offending ones."""
    here = {place.line for place in places}
    around = sorted({pair for place in places for pair in place.around})
    lines = [Text(f"{os.path.relpath(places[0].file)}:{', '.join(map(str, sorted(here)))}", "cyan")]
    for number, text in around:
        mark, style = (">", "bold") if number in here else (" ", "dim")
        lines.append(Text(f"{mark}{number:4} {text}", style, no_wrap=True, overflow="ellipsis"))
    return lines


def _error_map(diagnosis: Diagnosis) -> Table:
    """Rows of quantities, columns of time steps: how far each is from right."""
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("error by time step")
    steps = len(next(iter(diagnosis.errors.values())))
    for t in range(steps):
        table.add_column(f"t={t}", justify="center")
    for number, errors in diagnosis.errors.items():
        table.add_row(f"{QUANTITIES[number]:5}{number}", *[_shade(error) for error in errors])
    return table


def _shade(error: float) -> Text:
    for limit, mark, style in SHADES:
        if error <= limit:
            return Text(mark, style)
    return Text("?", "dim")


def github_annotations(diagnosis: Diagnosis) -> list[str]:
    """Workflow commands that mark the offending lines of a pull request."""
    found = []
    for finding in diagnosis.findings:
        title = " ".join(filter(None, (finding.equation, finding.gate and f"gate {finding.gate}")))
        message = f"{finding.mistake}: {finding.explanation}"
        for place in (finding.location, *finding.also):
            where = (place.file, place.line) if place else ("", 0)
            found.append(annotation(message, title or "gradient", *where))
    if diagnosis.verdict == "scaled":
        found.append(annotation(diagnosis.sentence(), "scale", level="warning"))
    return found
