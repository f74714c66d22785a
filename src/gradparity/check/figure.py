"""The check's errors by quantity and time step, drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradparity.check.run import Block
from gradparity.common.figure import FAINTEST, canvas, colour_bar, heat_map, write
from gradparity.lstm.equations import QUANTITIES
from gradparity.trees.equal import RTOL

PANELS = 3


def draw_errors(blocks: Sequence[Block], path: Path, title: str) -> None:
    """Write a heat map of relative errors: one panel a case, a row a quantity, a column a step.

    Cases of three steps or more that failed come first; then the longest ones.
    """
    from matplotlib.ticker import MaxNLocator

    cases = _cases_to_draw(blocks)
    figure = canvas(9, 1.1 + 2.3 * len(cases), title, 11)
    axes = figure.subplots(len(cases), squeeze=False)[:, 0]
    largest = max(b.judgement.max_rel_error for b in blocks if b.case in cases)
    limit = max(10 * RTOL, largest if np.isfinite(largest) else 1.0)
    labels = [f"{quantity}  {number}" for number, quantity in QUANTITIES.items()]
    for axis, case in zip(axes, cases, strict=True):
        image = heat_map(axis, _grid(blocks, case), limit, labels)
        axis.set_title(case, loc="left", fontsize=10)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].set_xlabel("time step t")
    label = "largest error / largest reference value (green: tolerance)"
    colour_bar(figure, image, axes, RTOL, label)
    write(figure, path)


def _cases_to_draw(blocks: Sequence[Block]) -> list[str]:
    steps: dict[str, int] = {}
    failed: dict[str, bool] = {}
    for block in blocks:
        if block.time is not None:
            steps[block.case] = max(steps.get(block.case, 0), block.time + 1)
            failed[block.case] = failed.get(block.case, False) or not block.ok
    return sorted(steps, key=lambda case: (not failed[case], -steps[case]))[:PANELS]


def _grid(blocks: Sequence[Block], case: str) -> Any:
    """Relative error `(rows, time)`, the worst over layers; exact zeros as the faintest colour."""
    found = [b for b in blocks if b.case == case and b.time is not None]
    steps = 1 + max(b.time for b in found if b.time is not None)
    grid = np.full((len(QUANTITIES), steps), FAINTEST)
    rows = {quantity.removeprefix("d"): row for row, quantity in enumerate(QUANTITIES.values())}
    for block in found:
        if block.symbol in rows and block.time is not None:
            place = rows[block.symbol], block.time
            error = block.judgement.max_rel_error
            grid[place] = max(grid[place], error if np.isfinite(error) else 1.0)
    return grid
