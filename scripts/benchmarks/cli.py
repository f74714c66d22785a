"""From the command line to tables, JSON and a figure."""

import json
import sys
import time
from typing import Any

import tyro
from rich.console import Console

from benchmarks import measure, report
from benchmarks.options import Benchmark
from lstm_spec.exits import guarded
from lstm_spec.files import write_whole

NARROWEST = 80  # columns that the tables need


def main(arguments: list[str] | None = None) -> None:
    """Entry point of scripts/benchmark.py."""
    sys.exit(guarded("benchmark.py", lambda: _run(arguments)))


def _run(arguments: list[str] | None) -> None:
    options = tyro.cli(Benchmark, prog="benchmark.py", args=arguments)
    options.validate()
    console, environment = Console(highlight=False), measure.environment(options.device)
    console.width = max(console.width, NARROWEST)
    report.begin(console, environment)
    results = _measure(options, environment)
    report.show(console, results)
    if options.json:
        write_whole(options.json, json.dumps(results, indent=1).encode())
    if options.figure:
        from benchmarks.figure import draw

        draw(results, options.figure)


def _measure(options: Benchmark, environment: dict[str, Any]) -> dict[str, Any]:
    begin, results = time.monotonic(), {"environment": environment}

    def teller(what: str) -> Any:
        def tell(text: str) -> None:
            seconds = time.monotonic() - begin
            print(f"{seconds:6.0f} s  {what}, {text}", file=sys.stderr, flush=True)

        return tell

    by_case = {"step": measure.steps, "sample": measure.samples, "peak": measure.peaks}
    once = {
        "cold": measure.cold,
        "long": measure.long,
        "scaling": measure.scaling,
        "verdicts": measure.verdicts,
    }
    for kind in dict.fromkeys(options.measure):
        if kind in by_case:
            results[kind] = [
                by_case[kind](options, case, teller(f"{kind} {case.name}"))
                for case in options.cases()
            ]
        else:
            results[kind] = once[kind](options, teller(kind))
    return results
