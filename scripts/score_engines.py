#!/usr/bin/env python
"""Compare recording with judging from returned gradients, on the mistakes of the equations' table.

    scripts/score_engines.py [--most 25]

The wrong LSTMs of scripts/score_diagnosis.py, in five styles, are given to both engines: with
their layout to `gradparity diagnose --layout`, and as a function of parameters to
`gradparity diagnose`. Prints the table of docs/diagnose_how.md.
"""

import os
import random
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "gradparity"))

import numpy as np
import tyro
from record.scoring import RULES
from record.subject_files import loaded
from returned.planting.plant import TEMPLATES, function, score, statement_of, write
from returned.planting.template import Template
from rich.console import Console
from rich.table import Table

from gradparity.record.examine.engine import examine
from gradparity.record.report.explain import recording_of
from gradparity.record.run.runs import Runner
from gradparity.record.subject.forms import form_of
from gradparity.returned.call.layouts import layout_named
from gradparity.returned.call.probes import probes_for
from gradparity.returned.call.subject import Manner, Subject
from lstm_spec.exits import guarded

GLUE = {
    "model": """
def loss_and_grads(*given):
    return subject(*given)
""",
    "layer": """
def loss_and_grads(params, x, h0, C0, dh, dC):
    out, grads = subject(params, x, h0, C0, dh, 0 * dC)  # C is not returned
    return (out * dh).sum(), grads
""",
    "cell": """
def loss_and_grads(params, x, h, C, dh, dC):
    new_h, new_C, grads = subject(params, x, h, C, dh, dC)
    return (new_h * dh).sum() + (new_C * dC).sum(), grads
""",
}


@dataclass(frozen=True)
class Options:
    """How much to compare."""

    most: int = 25
    """Mistakes in each style, one at a time."""
    seed: int = 0
    """Of what is drawn."""
    processes: int = 2


def main() -> None:
    """Compare, and print."""
    options = tyro.cli(Options, description=__doc__)
    rng = random.Random(options.seed)
    jobs = []
    for name, template in TEMPLATES.items():
        count = len(template.mistakes())
        jobs += [(name, n) for n in rng.sample(range(count), min(options.most, count))]
    tally: dict[str, list] = defaultdict(list)
    with get_context("spawn").Pool(options.processes, maxtasksperchild=20) as pool:
        for (name, _), found in zip(jobs, pool.imap(_both, jobs), strict=True):
            if found is not None:
                tally[name].append(found)
    table = Table(box=None, pad_edge=False)
    for heading in ("style", "mistakes", "--layout: line", "recorded: line", "nothing besides"):
        table.add_column(heading, justify="left" if heading == "style" else "right")
    for name, found in [*tally.items(), ("all", [f for fs in tally.values() for f in fs])]:
        shares = [f"{100 * np.mean([f[k] for f in found]):.0f} %" for k in range(3)]
        table.add_row(name, str(len(found)), *shares)
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def _both(job: tuple[str, int]) -> tuple[bool, bool, bool] | None:
    """Whether each engine names the line, and recording no other; None: it changes nothing."""
    template = TEMPLATES[job[0]]
    mistake = template.mistakes()[job[1]]
    told = score(template, [mistake])
    if told is None:
        return None
    wanted = {statement_of(template, line) for line in template.lines(mistake[0])}
    source = write(template, mistake)
    named = {statement_of(template, n) for n in _recorded(template, source)}
    return bool(told.lines), bool(named & wanted), bool(named) and named <= wanted


def _recorded(template: Template, source: str) -> list[int]:
    """The lines that recording names."""
    path = Path(tempfile.mkdtemp(prefix="subject_")) / "subject.py"
    path.write_text(source + GLUE[template.kind], encoding="utf-8")
    form = form_of(loaded(path).loss_and_grads, _arguments(template), {})
    runner = Runner(form)
    found = recording_of(examine(runner, RULES), runner)
    return [f.line for f in found.findings]


def _arguments(template: Template) -> tuple:
    """What a style's function is called with, over a few steps."""
    right, given = function(write(template)), []

    def noted(*arguments: object) -> object:
        given.append(arguments)
        return right(*arguments)

    subject = Subject(right, Manner(template.kind, layout_named(template.layout)))
    subject.function = noted
    manner = subject.manner
    probes = probes_for(
        manner.kind, batch=manner.layout.has_batch, state=bool(manner.state),
        bias=manner.layout.has_bias, dC=bool(manner.dC), seed=0,
    )  # fmt: skip
    subject.run(max(probes, key=lambda p: (p.time <= 3, p.time, p.batch)))
    return tuple(given[0])


if __name__ == "__main__":
    sys.exit(guarded("score_engines.py", main))
