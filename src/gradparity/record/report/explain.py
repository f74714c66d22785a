"""From what was found out to what is said: findings, with their lines and repairs."""

import os
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from gradparity.record.examine.engine import Examination
from gradparity.record.examine.meaning import Meaning
from gradparity.record.frontend.source import Statement
from gradparity.record.locate.trials.probe import Trial
from gradparity.record.locate.trials.repairs import Repair
from gradparity.record.report.findings import Finding, Gradient
from gradparity.record.report.recording import Recording
from gradparity.record.report.words import cause_of, repair_of
from gradparity.record.run.runs import Runner
from gradparity.record.subject.trees import Path

MOST_ALTERNATIVES = 3


def recording_of(found: Examination, runner: Runner) -> Recording:
    """An examination as it is reported."""
    name = runner.form.name
    gradients = tuple(_gradient(path, found, runner) for path in runner.sources.found)
    if found.ok:
        return Recording(
            "right", name, gradients, (), tuple(found.notes), found.held, tuple(found.unheld),
            tuple(found.hidden),
        )  # fmt: skip
    repairs = found.explanation.trials if found.explanation else []
    findings = [_finding(together, runner, found) for together in _by_statement(repairs)]
    if found.suspects:
        findings.append(_unknown(found.suspects, runner))
    return Recording(
        "wrong", name, gradients, tuple(findings), tuple(found.notes), found.held,
        tuple(found.unheld), tuple(found.hidden),
    )  # fmt: skip


def _by_statement(repairs: Sequence[Repair]) -> list[list[Repair]]:
    """Repairs in the order of the source, those of one statement together."""
    found: dict[int, list[Repair]] = defaultdict(list)
    for repair in sorted(repairs, key=lambda r: (r.statement.file, r.statement.line)):
        found[repair.statement.number].append(repair)
    return list(found.values())


def _gradient(path: Path, found: Examination, runner: Runner) -> Gradient:
    source = runner.sources.found[path]
    got, right = found.got[path], found.true[path]
    name = runner.name(path)
    told = source.how in ("place", "name", "order", "update")
    where = "" if told else f"{source.name}, by {source.how}"
    if got is None:
        return Gradient(name, where, float("nan"), False, "it is no array of numbers")
    if got.shape != right.shape:
        problem = f"its shape is {got.shape}, expected {right.shape}"
        return Gradient(name, where, float("nan"), False, problem)
    size = float(np.abs(right).max(initial=0.0))
    error = float(np.abs(got - right).max(initial=0.0)) / (size or 1.0)
    problem = "" if np.isfinite(got).all() else "it holds NaN or infinity"
    return Gradient(name, where, error, path in found.right, problem)


def _finding(repairs: Sequence[Repair], runner: Runner, known: Examination) -> Finding:
    first = repairs[0]
    statement = first.statement
    meaning = known.meanings.get(statement.number, Meaning())
    line = statement.line
    if isinstance(first, Trial):
        line = getattr(first.targets[0], "lineno", line)
        line = line if line in statement.lines else statement.line
    return Finding(
        shown_path(statement.file),
        line,
        runner.code.program.line(statement.file, line).strip(),
        "; ".join(dict.fromkeys(filter(None, map(cause_of, repairs)))),
        repair_of(repairs),
        meaning.should_be,
        meaning.where,
        equation=known.equations.get(statement.number, ""),
    )


def _unknown(suspects: Sequence[Statement], runner: Runner) -> Finding:
    first = suspects[0]
    lines = dict.fromkeys(s.line for s in suspects if s.file == first.file)
    others = [n for n in lines if n != first.line][:MOST_ALTERNATIVES]
    return Finding(
        shown_path(first.file),
        first.line,
        runner.code.program.line(first.file, first.line).strip(),
        alternatives=tuple(others),
    )


def shown_path(file: str) -> str:
    """A path as people write it from where they stand."""
    try:
        relative = os.path.relpath(file)
    except ValueError:
        return file
    return relative if not relative.startswith(os.path.join("..", "..")) else file
