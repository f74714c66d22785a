"""A recording for people: the verdict, each wrong line in its source, and what was judged."""

import io
import re
from pathlib import Path

from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text

from gradparity.common.output import annotation
from gradparity.record.report.findings import Finding, Findings

STYLE = {"right": "bold green", "wrong": "bold red"}
WIDTH = 80
LISTED = 12  # lines that are named


def print_recording(found: Findings, console: Console) -> None:
    """Show it on a terminal, or as plain text."""
    parts: list = [
        Text.assemble(("gradparity diagnose  ", "bold"), found.subject),
        "",
        Text.assemble((found.verdict.upper(), STYLE[found.verdict]), f"  {found.sentence()}"),
    ]
    for finding in found.findings:
        parts += ["", *_entry(finding)]
    parts += ["", *_gradients(found)]
    parts += [_indented(Text(f"note: {note}", "dim")) for note in found.notes]
    for what in found.hidden:
        parts.append(_indented(Text(f"cannot show: {what}", "yellow")))
    with console.capture() as captured:
        console.print(Group(*parts))
    console.file.write(re.sub(r" +\n", "\n", captured.get()))


def as_text(found: Findings) -> str:
    """The same as plain text."""
    stream = io.StringIO()
    print_recording(found, Console(file=stream, width=WIDTH, no_color=True, highlight=False))
    return stream.getvalue().rstrip()


def _indented(text: Text, by: int = 2) -> Padding:
    return Padding(text, (0, 0, 0, by), expand=False)


def _entry(finding: Finding) -> list:
    """One wrong line in its source, with what belongs there."""
    place = Text(f"{finding.file}:{finding.line}", "cyan")
    if finding.equation:
        place.append(f"  {finding.equation}", "bold")
    parts: list = [place, *_source(finding)]
    if finding.cause:
        parts.append(_indented(Text(finding.cause, "red")))
    elif finding.alternatives:
        others = ", ".join(map(str, finding.alternatives))
        parts.append(_indented(Text(f"cause not known; or the fault is in line {others}", "red")))
    else:
        parts.append(_indented(Text("cause not known", "red")))
    if finding.should_be:
        parts.append(_indented(Text(f"should be {finding.should_be}")))
    if finding.where:
        parts.append(_indented(Text(f"at {finding.where}", "dim")))
    if finding.repair:
        parts.append(_indented(Text.assemble("repair: ", (finding.repair, "bold green"))))
    return parts


def _source(finding: Finding) -> list[Text]:
    try:
        lines = Path(finding.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    if not 0 < finding.line <= len(lines) or lines[finding.line - 1].strip() != finding.text:
        return [
            Text(f"> {finding.line:4} {finding.text}", "bold", no_wrap=True, overflow="ellipsis")
        ]
    shown = []
    for number in range(max(1, finding.line - 1), min(len(lines), finding.line + 1) + 1):
        here = number == finding.line
        text = f"{'>' if here else ' '} {number:4} {lines[number - 1].expandtabs(4)}"
        shown.append(Text(text, "bold" if here else "dim", no_wrap=True, overflow="ellipsis"))
    return shown


def _gradients(found: Findings) -> list:
    wrong = [g for g in found.gradients if not g.ok]
    right = len(found.gradients) - len(wrong)
    parts: list = []
    for g in wrong:
        what = g.problem or f"off by {g.error:.1g} of its largest value"
        parts.append(_indented(Text(f"gradient of {g.parameter}: {what}")))
    if right:
        of = "all" if not wrong else str(right)
        noun = "gradient is" if right == 1 and wrong else "gradients are"
        worst = max(g.error for g in found.gradients if g.ok)
        close = f", to {worst:.0e}" if worst else ""
        parts.append(_indented(Text(f"{of} {'other ' if wrong else ''}{noun} right{close}", "dim")))
    if found.held:
        parts.append(_indented(Text(_held(found), "dim")))
    for g in found.gradients:
        if g.found_at:
            parts.append(
                _indented(Text(f"note: the gradient of {g.parameter} is {g.found_at}", "dim"))
            )
    return parts


def _held(found: Findings) -> str:
    """How much of the backward pass is known line by line."""
    lines = f"{found.held} line{'s' if found.held != 1 else ''}"
    verb = "compute" if found.held != 1 else "computes"
    text = f"{lines} of the backward pass {verb} a gradient that is true"
    if not found.unheld:
        return f"{text}: every one"
    if not found.ok:
        return text
    listed = ", ".join(map(str, found.unheld[:LISTED]))
    more = " …" if len(found.unheld) > LISTED else ""
    return f"{text}; steps on the way, right as what they lead to is: lines {listed}{more}"


def github_annotations(found: Findings) -> list[str]:
    """Workflow commands that mark the wrong lines of a pull request."""
    lines = []
    for f in found.findings:
        message = f"{f.cause or 'cause not known'}{f'; repair: {f.repair}' if f.repair else ''}"
        lines.append(annotation(message, "gradient", f.file, f.line))
    return lines
