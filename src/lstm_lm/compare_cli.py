"""`scripts/compare_runs.py`: the losses of several runs over each other, and how they differ."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lstm_lm.config.options import instead_of_none
from lstm_lm.keep.folder import RunFolder
from lstm_lm.plots import draw_over_each_other, relative_difference
from lstm_spec import InputError
from lstm_spec.exits import OK, guarded

FIRST = (1, 20, 200, 1000)  # updates


@dataclass(frozen=True)
class Comparison:
    """How far the losses of runs differ from those of the first."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of two runs or more, of one task."""
    figure: Annotated[Path | None, instead_of_none("no figure")] = None
    """Draw them over each other, and their differences: a PNG."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of scripts/compare_runs.py."""
    program = "compare_runs.py"
    sys.exit(guarded(program, lambda: _compare(tyro.cli(Comparison, prog=program, args=arguments))))


def _compare(command: Comparison) -> int:
    if len(command.runs) < 2:
        raise InputError(f"runs: got {len(command.runs)}, expected two or more folders")
    curves = {str(run): _records(run) for run in command.runs}
    if len(curves) < len(command.runs):
        raise InputError("runs: got the same folder twice")
    console = Console()
    console.print(_table(curves))
    if command.figure is not None:
        draw_over_each_other(curves, command.figure, "losses of runs")
        console.print(
            f"{command.figure}: the losses and their differences", soft_wrap=True, markup=False
        )
    return OK


def _records(run: Path) -> list[dict[str, Any]]:
    folder = RunFolder(run)
    folder.options()  # says what the folder lacks
    records = [record for record in folder.records() if "loss" in record]
    if not records:
        raise InputError(f"{run}: no update was made yet")
    return records


def _table(curves: Mapping[str, Sequence[dict[str, Any]]]) -> Table:
    """For each run the largest difference in its first updates, and in all that both have made."""
    first, *others = curves
    found = {name: relative_difference(curves[name], curves[first])[1] for name in others}
    ends = {len(difference) for difference in found.values()}
    lasts = sorted({last for last in FIRST if last < max(ends)} | ends)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(Text(f"largest relative difference\nof the losses from {first}"))
    for last in lasts:
        table.add_column(f"{last:,}\nupdate{'s' if last > 1 else ''}", justify="right")
    for name, difference in found.items():
        table.add_row(Text(name), *(_cell(difference, last) for last in lasts))
    return table


def _cell(difference: np.ndarray, last: int) -> str:
    """Empty where the runs have not got as far."""
    return f"{difference[:last].max():.1e}" if last <= len(difference) else ""
