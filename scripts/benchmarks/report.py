"""The figures as tables that fit 80 columns."""

import math
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.contender import CONTENDERS
from benchmarks.machine import sentences

SHORT = {"jax-grad": "grad", "jax-grad-fused": "grad fused", "numpy-literal": "literal"}


def show(console: Console, results: dict[str, Any]) -> None:
    """Every table for which something was measured."""
    makers = {
        "step": _steps,
        "sample": _samples,
        "peak": _peaks,
        "cold": _cold,
        "long": _long,
        "scaling": _scaling,
        "verdicts": _verdicts,
    }
    for kind, maker in makers.items():
        for table in maker(results[kind]) if results.get(kind) else ():
            put(console, table)


def begin(console: Console, environment: dict[str, Any]) -> None:
    """Where the figures come from, before they are measured: it may take a while."""
    for line in sentences(environment["machine"]):
        console.print(line, style="yellow" if line.startswith("warning") else None, markup=False)
    console.print()


def put(console: Console, table: Table) -> None:
    """Print a table under its title."""
    title, table.title = table.title, None  # else it wraps at the table's width
    console.print(title, style="bold")
    console.print(table, "")


def new_table(title: str, *columns: str) -> Table:
    """A table whose columns but the first are numbers."""
    table = Table(title=title, box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _names(results: list[dict], key: str) -> list[str]:
    return [name for name in CONTENDERS if name in results[0][key]]


def _heads(names: Iterable[str]) -> list[str]:
    return [SHORT.get(name, name) for name in names]


def _steps(results: list[dict]) -> list[Table]:
    names = _names(results, "seconds")
    times = new_table("Training step, milliseconds", "case", *_heads(names), "limit")
    for result in results:
        found = result["seconds"]
        cells = [_milliseconds(found[name]) for name in names]
        times.add_row(result["case"]["name"], *cells, _milliseconds(result["limit_seconds"]))
    limits = new_table("Share of the GEMM limit", "case", *_heads(names), "GFLOP/s")
    for result in results:
        cells = [f"{result['limit_seconds'] / result['seconds'][name]:.2f}" for name in names]
        limits.add_row(result["case"]["name"], *cells, f"{result['gemm_rate'] / 1e9:.0f}")
    ours = [name for name in names if not CONTENDERS[name].peer]
    others = [name for name in names if name == "jax" or CONTENDERS[name].peer]
    ratios = [_ratios(results, name, others) for name in ours]
    return [times, *(table for table in ratios if table.columns[1:]), limits]


def _ratios(results: list[dict], ours: str, others: list[str]) -> Table:
    """How many times as fast as each of the others, and the geometric mean over the cases."""
    others = [name for name in others if name != ours and name in results[0]["seconds"]]
    table = new_table(f"{ours}: times as fast as", "case", *_heads(others))
    columns: dict[str, list[float]] = {name: [] for name in others}
    for result in results:
        found = result["seconds"]
        for name in others:
            columns[name].append(found[name] / found[ours])
        table.add_row(result["case"]["name"], *(f"{columns[name][-1]:.2f}" for name in others))
    if len(results) > 1:
        means = (math.prod(values) ** (1 / len(values)) for values in columns.values())
        table.add_row("geometric mean", *(f"{mean:.2f}" for mean in means))
    return table


def _samples(results: list[dict]) -> list[Table]:
    names = _names(results, "tokens_per_second")
    table = new_table("Sampling one sequence, tokens per second", "case", *_heads(names))
    for result in results:
        cells = (f"{result['tokens_per_second'][name]:,.0f}" for name in names)
        table.add_row(result["case"]["name"], *cells)
    return [table]


def _peaks(results: list[dict]) -> list[Table]:
    names = _names(results, "bytes")
    table = new_table("Memory that a training step adds, MiB", "case", *_heads(names))
    for result in results:
        cells = (_mebibytes(result["bytes"][name]) for name in names)
        table.add_row(result["case"]["name"], *cells)
    return [table]


def _cold(result: dict) -> list[Table]:
    names = _names([result], "seconds")
    table = new_table("From cold start to the first gradient, seconds", "case", *_heads(names))
    table.add_row("notebook", *(f"{result['seconds'][name]:.2f}" for name in names))
    return [table]


def _long(result: dict) -> list[Table]:
    case, found = result["case"], []
    table = new_table(
        f"Memory and time of a training step, {case['name']}", "states kept", "MiB", "seconds",
        "memory ×", "time ×",
    )  # fmt: skip
    for name, seconds in result["seconds"].items():
        found.append((result["bytes"][name], seconds))
        whole = found[-2] if len(found) % 2 == 0 else found[-1]
        shares = (f"{found[-1][0] / whole[0]:.2f}", f"{seconds / whole[1]:.2f}")
        table.add_row(name, _mebibytes(found[-1][0]), f"{seconds:.2f}", *shares)
    return [table]


def _scaling(result: dict) -> list[Table]:
    tables = []
    for axis, curve in result["curves"].items():
        names = [name for name in CONTENDERS if name in curve["seconds"]]
        table = new_table(f"Training step over {axis}, milliseconds", axis, *_heads(names))
        for number, size in enumerate(curve["sizes"]):
            cells = (_milliseconds(curve["seconds"][name][number]) for name in names)
            table.add_row(str(size), *cells)
        tables.append(table)
    return tables


def _verdicts(result: dict) -> list[Table]:
    table = new_table("A verdict on the notebook's model, cold start included", "by", "seconds")
    for name, seconds in result["seconds"].items():
        table.add_row(name, f"{seconds:.2f}")
    return [table]


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _mebibytes(size: float) -> str:
    value = size / 2**20
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
