#!/usr/bin/env python
"""Measure what recording costs: time and memory of a cold verdict against recorded operations.

    scripts/recording_cost.py [--mistakes 1] [--out docs/images/recording_cost.png]

Each verdict is given in a fresh process, on a subject that the tests have, over longer and longer
sequences: as it stands, and with a mistake that a machine made in it. Prints the table of
docs/diagnose_how.md and draws the figure beside it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "gradparity"))

# How each subject says how long its sequences are.
LENGTHS = {
    "b_gru_before.py": ("T, N, D, H = 4, 2, 3, 5", "T, N, D, H = {}, 2, 3, 5"),
    "b_gru_cudnn.py": ("N, T, I, H = 2, 5, 3, 4", "N, T, I, H = 2, {}, 3, 4"),
    "b_lstm_peephole.py": ("N, T = 2, 5", "N, T = 2, {}"),
    "b_lstm_batchfirst.py": ("size=(2, 5, 3)", "size=(2, {}, 3)"),
    "b_birnn.py": ("(4, 6, 3)", "({}, 6, 3)"),
    "b_ssm_scan.py": ("N, T, P, S, Q = 2, 5, 3, 4, 6", "N, T, P, S, Q = 2, {}, 3, 4, 6"),
    "b_attention_rnn.py": ("S, L, E, D, H, A = 2, 5, 3,", "S, L, E, D, H, A = 2, 5, {},"),
}
SIZES = (300, 1_000, 3_000, 10_000)


@dataclass(frozen=True)
class Options:
    """What is measured."""

    sizes: tuple[int, ...] = SIZES
    """Recorded operations."""
    mistakes: int = 1
    """In each subject, one at a time."""
    seed: int = 0
    """Of the mistakes."""
    only: list[str] = field(default_factory=list)
    """Parts of the names of subjects to keep to."""
    out: Path | None = None
    """Draw the figure there."""


@dataclass(frozen=True)
class Cost:
    """Of one verdict; seconds from the start of its process, of which JAX's start is a part."""

    name: str
    size: int
    wrong: bool
    verdict: str
    named: bool
    operations: int
    seconds: float
    jax: float
    mebibytes: float


def main() -> None:
    """Measure, print, draw."""
    import tyro
    from rich.console import Console
    from rich.progress import track

    options = tyro.cli(Options, description=__doc__)
    console = Console(stderr=True)
    jobs = list(_jobs(options))
    costs = []
    for job in track(jobs, "judging", console=console, transient=True):
        cost = _measured(job)
        costs.append(cost)
        if cost.verdict != ("wrong" if cost.wrong else "right") or (cost.wrong and not cost.named):
            console.print(f"{cost}", highlight=False, soft_wrap=True)
    _print(costs)
    if options.out:
        _draw(costs, options.out)


def _jobs(options: Options) -> Iterator[dict]:
    from record.scoring import drawn, original

    for name, (written, long) in LENGTHS.items():
        if options.only and not any(part in name for part in options.only):
            continue
        mistakes = drawn(name, options.mistakes, 0, 0, options.seed)
        texts = [(original(name), 0), *((p.text, p.mistakes[0].lines[0]) for p in mistakes)]
        short, longer = (
            operations(original(name).replace(written, long.format(n))) for n in (8, 16)
        )
        each = (longer - short) / 8
        for size in options.sizes:
            length = max(1, round((size - short) / each) + 8)
            for text, line in texts:
                changed = text.replace(written, long.format(length))
                yield {"name": name, "size": size, "text": changed, "line": line}


def operations(text: str) -> int:
    """How many a subject's run records."""
    from record.scoring import runner_of

    runner = runner_of(text, "subject.py")
    runner.plain()
    return len(runner.recorded().graph.nodes)


def _measured(job: dict) -> Cost:
    start = time.perf_counter()
    worker = subprocess.run(
        [sys.executable, __file__, "worker"], input=json.dumps(job), text=True, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    found = json.loads(worker.stdout)
    return Cost(job["name"], job["size"], bool(job["line"]), seconds=seconds, **found)


def _worker() -> None:
    """Judge one subject, as a fresh process does."""
    import resource

    job = json.loads(sys.stdin.read())
    start = time.perf_counter()
    import jax.numpy

    jax = time.perf_counter() - start
    from record.scoring import runner_of

    from gradparity.record.examine.engine import examine
    from gradparity.record.report.explain import recording_of

    runner = runner_of(job["text"], job["name"])
    found = recording_of(examine(runner), runner)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = {n for f in found.findings for n in (f.line, *f.alternatives)}
    answer = {
        "verdict": found.verdict, "named": job["line"] in lines, "jax": jax, "mebibytes": peak,
        "operations": len(runner.recorded().graph.nodes),
    }  # fmt: skip
    print(json.dumps(answer))


def _print(costs: Sequence[Cost]) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("operations", "", "seconds", "slowest 10 %", "of it JAX", "MiB", "named"):
        table.add_column(heading, justify="right")
    for size in sorted({c.size for c in costs}):
        for wrong in (False, True):
            some = [c for c in costs if c.size == size and c.wrong == wrong]
            if some:
                seconds = [c.seconds for c in some]
                table.add_row(
                    f"{size:,}", "wrong" if wrong else "right",
                    f"{np.median(seconds):.1f}", f"{np.quantile(seconds, 0.9):.1f}",
                    f"{np.median([c.jax for c in some]):.1f}",
                    f"{np.median([c.mebibytes for c in some]):.0f}",
                    f"{sum(c.named for c in some)} of {len(some)}" if wrong else "",
                )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def _draw(costs: Sequence[Cost], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), constrained_layout=True)
    for wrong, colour, label in ((False, "tab:green", "right"), (True, "tab:red", "one mistake")):
        some = [c for c in costs if c.wrong == wrong]
        for axis, values in zip(
            axes, ([c.seconds for c in some], [c.mebibytes for c in some]), strict=True
        ):
            axis.scatter([c.operations for c in some], values, s=18, color=colour, label=label)
    axes[0].axhline(
        sum(c.jax for c in costs) / len(costs), color="grey", lw=1, ls=":", label="JAX's start"
    )
    for axis, label in zip(axes, ("seconds, cold", "peak memory, MiB"), strict=True):
        axis.set(xscale="log", xlabel="recorded operations", ylabel=label, ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        _worker()
    else:
        from lstm_spec.exits import guarded  # a worker measures what it imports

        sys.exit(guarded("recording_cost.py", main))
