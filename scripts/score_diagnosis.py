"""Score `gradparity diagnose` on planted mistakes, and print the table of docs/layout.md.

    scripts/score_diagnosis.py [--most 150]

Wrong implementations are written as code in five styles: mistakes of the table of equations one
at a time and in pairs, and blind edits that are in no table. Right ones, with many seeds.
"""

import os
import random
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small arrays; two processes share the cores
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "gradparity"))

import tyro
from returned.planting.plant import TEMPLATES, function, outside, pairs, score, score_edit, write
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from gradparity import diagnose
from lstm_spec.exits import guarded


@dataclass(frozen=True)
class Options:
    """How much to score."""

    most: int = 150
    """Mistakes of the table, and pairs, in each style; 0: all of them, and as many pairs."""
    seeds: int = 200
    """Right implementations in each style."""
    seed: int = 0
    """Of what is drawn."""


def main() -> None:
    """Score, and print."""
    options = tyro.cli(Options, description=__doc__)
    jobs = [job for name in TEMPLATES for job in _jobs(name, options)]
    tally: dict[tuple[str, str], list] = defaultdict(list)
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        task = progress.add_task("diagnosing", total=len(jobs))
        for job, found in zip(jobs, pool.map(_work, jobs, chunksize=8), strict=True):
            progress.advance(task)
            if found is not None:
                tally[job[0], job[1]].append(found)
    _print(tally)


def _jobs(name: str, options: Options) -> list[tuple]:
    rng = random.Random(options.seed)
    mistakes = TEMPLATES[name].mistakes()
    numbers = list(range(len(mistakes)))
    most = options.most or len(numbers)
    alone = sorted(rng.sample(numbers, min(most, len(numbers))))
    return [
        *((name, "alone", (n,)) for n in alone),
        *((name, "pairs", pair) for pair in pairs(TEMPLATES[name], most, rng)),
        *((name, "edits", n) for n in range(len(TEMPLATES[name].edits))),
        *((name, "right", seed) for seed in range(options.seeds)),
    ]


def _work(job: tuple) -> object:
    name, what, argument = job
    template = TEMPLATES[name]
    if what == "right":
        subject = function(write(template))
        return diagnose(subject, template.kind, layout=template.layout, seed=1000 * argument).ok
    if what == "edits":
        edit = template.edits[argument]
        found = score_edit(template, edit)
        return found, "; ".join([f"{edit[0]} → {edit[1]}", *outside(template, edit)])
    mistakes = template.mistakes()
    groups = [mistakes[n] for n in argument]
    return (s, "; ".join(str(g[0]) for g in groups)) if (s := score(template, groups)) else None


def _print(tally: dict) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading in ("style (kind, layout)", "planted", "", "verdict", "blamed", "named", "lines"):
        table.add_column(heading, justify="left" if heading[:5] in ("style", "plant") else "right")
    missed = []
    for (name, what), found in tally.items():
        template = TEMPLATES[name]
        label = f"{name} ({template.kind}, {template.layout})" if what == "alone" else ""
        if what == "right":
            table.add_row(label, "none: right ones", str(len(found)), _share(found), "", "", "")
            continue
        scores = [s for s, _ in found]
        lines = sum(s.lines for s in scores), sum(s.planted for s in scores)
        words = {"alone": "one of the table", "pairs": "two of the table", "edits": "blind edit"}
        table.add_row(
            label, words[what], str(len(found)), _share([s.verdict for s in scores]),
            _share([s.blamed for s in scores]),
            _share([s.named for s in scores]) if what != "edits" else "",
            f"{100 * lines[0] / lines[1]:.0f} %" if lines[1] else "",
        )  # fmt: skip
        missed += [
            f"{name}: {words}" for s, words in found if not (s.verdict and s.blamed and s.named)
        ]
    console.print(table)
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)


def _share(found: list) -> str:
    return f"{100 * sum(found) / len(found):.1f} %" if found else ""


if __name__ == "__main__":
    sys.exit(guarded("score_diagnosis.py", main))
