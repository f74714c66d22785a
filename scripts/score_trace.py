"""Score `gradparity diagnose` on the subjects of its tests, with mistakes made by machine.

    scripts/score_trace.py [--singles 2] [--pairs 1] [--fives 1] [--right 1]

Mistakes are made on the syntax tree of the backward pass, from no list: an operand, an index, a
sign, an axis, a statement left out, two exchanged. Prints the tables of docs/diagnose_how.md.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small arrays; two processes share the cores
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "gradparity"))

import numpy as np
import tyro
from record.scoring import Planted, Score, drawn, scored
from record.subject_files import NAMES
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lstm_spec.exits import guarded


@dataclass(frozen=True)
class Options:
    """How much to score."""

    singles: int = 2
    """Mistakes in each subject, one at a time."""
    pairs: int = 1
    """Two at once."""
    fives: int = 1
    """Five at once."""
    right: int = 1
    """Seeds with which each subject is judged as it stands."""
    seed: int = 0
    """Of what is drawn."""
    limit: int = 60
    """Seconds that one judgement may take."""
    only: list[str] = field(default_factory=list)
    """Parts of the names of subjects to keep to."""
    processes: int = 2


def main() -> None:
    """Score, and print."""
    options = tyro.cli(Options, description=__doc__)
    names = [n for n in NAMES if not options.only or any(part in n for part in options.only)]
    tally: dict[str, list[tuple[Planted, Score]]] = defaultdict(list)
    with (
        get_context("spawn").Pool(options.processes, maxtasksperchild=40) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        jobs = _jobs(names, options, pool, progress)
        task = progress.add_task("judging", total=len(jobs))
        work = pool.imap(partial(scored, limit=options.limit), jobs)
        for job, score in zip(jobs, work, strict=True):
            progress.advance(task)
            tally[_group(job)].append((job, score))
            if not _fine(job, score):
                progress.console.print(
                    _missed(job, score), soft_wrap=True, highlight=False, markup=False
                )
    _print(tally)


def _jobs(names: Sequence[str], options: Options, pool: Pool, progress: Progress) -> list[Planted]:
    jobs = [Planted(name, seed=seed) for name in names for seed in range(options.right)]
    if options.singles or options.pairs or options.fives:
        task = progress.add_task("planting mistakes", total=len(names))
        counts = {"singles": options.singles, "pairs": options.pairs, "fives": options.fives}
        for found in pool.imap(partial(drawn, **counts, seed=options.seed), names):
            jobs += found
            progress.advance(task)
        progress.remove_task(task)
    return jobs


def _group(job: Planted) -> str:
    return {0: "right ones", 1: "one mistake", 2: "two", 5: "five"}[len(job.mistakes)]


def _fine(job: Planted, score: Score) -> bool:
    if not job.mistakes:
        return score.verdict == "right"
    return score.verdict == "wrong" and all(score.blamed) and score.only and score.repaired


def _missed(job: Planted, score: Score) -> str:
    planted = "; ".join(
        f"{m.lines[0]} {m.kind}: {m.before} → {m.after}" + ("" if hit else " (missed)")
        for m, hit in zip(job.mistakes, score.blamed or [True] * 9, strict=False)
    )
    return (
        f"{job.name}: {planted} | {score.verdict}, cause {score.cause}, {score.seconds:.1f} s | "
        f"{'; '.join(score.told)}"
    )


def _print(tally: dict[str, list[tuple[Planted, Score]]]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(_shares(tally))
    single = tally.get("one mistake", [])
    if single:
        console.print()
        console.print(_by_kind(single))


def _shares(tally: dict[str, list[tuple[Planted, Score]]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (
        "planted", "", "verdict", "blamed", "only", "cause", "elsewhere", "wrong", "repaired",
        "seconds", "slowest 10 %",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "planted" else "right")
    for group, found in tally.items():
        scores = [s for _, s in found]
        seconds = [s.seconds for s in scores]
        times = f"{np.median(seconds):.1f}", f"{np.percentile(seconds, 90):.1f}"
        if group == "right ones":
            share = _share(s.verdict == "right" for s in scores)
            table.add_row(group, str(len(found)), share, *[""] * 6, *times)
            continue
        causes = [s.cause for s in scores]
        table.add_row(
            group, str(len(found)), _share(s.verdict == "wrong" for s in scores),
            _share(b for s in scores for b in s.blamed), _share(s.only for s in scores),
            *(_share(c == k for c in causes) for k in ("right", "elsewhere", "wrong")),
            _share(s.repaired for s in scores), *times,
        )  # fmt: skip
    return table


def _by_kind(found: list[tuple[Planted, Score]]) -> Table:
    kinds: dict[str, list[Score]] = defaultdict(list)
    for job, score in found:
        kinds[job.mistakes[0].kind].append(score)
    table = Table(box=None, pad_edge=False)
    for heading in ("kind of mistake", "", "line named", "repaired"):
        table.add_column(heading, justify="left" if heading == "kind of mistake" else "right")
    for kind, scores in sorted(kinds.items(), key=lambda item: -len(item[1])):
        named = _share(all(s.blamed) and s.only for s in scores)
        table.add_row(
            kind.replace("_", " "), str(len(scores)), named, _share(s.repaired for s in scores)
        )
    return table


def _share(found: Iterator[bool]) -> str:
    values = list(found)
    return f"{100 * sum(values) / len(values):.1f} %" if values else ""


if __name__ == "__main__":
    sys.exit(guarded("score_trace.py", main))
