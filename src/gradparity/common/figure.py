"""Error by gate and time step, drawn."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradparity.check.run import Block
from gradparity.record.findings import Gradient
from gradparity.trees.blocks import RTOL
from lstm_spec.files import write_whole

ROWS = (
    ("v", "dv  B1"),
    ("h", "dh  B3"),
    ("a_o", "da_o  B4"),
    ("C", "dC  B5"),
    ("a_g", "da_g  B6"),
    ("a_i", "da_i  B7"),
    ("a_f", "da_f  B8"),
    ("z", "dz  B10"),
)
FAINTEST, WORST = 1e-17, 10.0
FORMATS = ("png", "pdf", "svg")


def draw_errors(blocks: Sequence[Block], path: Path, title: str) -> None:
    """Write a heat map of relative errors: one panel a case, a row a quantity, a column a step.

    Cases of three steps or more that failed come first; then the longest ones.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    cases = _cases_to_draw(blocks)
    figure = Figure(figsize=(9, 1.1 + 2.3 * len(cases)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(cases), squeeze=False)[:, 0]
    largest = max(b.judgement.max_rel_error for b in blocks if b.case in cases)
    norm = LogNorm(FAINTEST, max(10 * RTOL, largest if np.isfinite(largest) else 1.0))
    for axis, case in zip(axes, cases, strict=True):
        image = axis.imshow(_grid(blocks, case), norm=norm, aspect="auto", cmap="magma")
        axis.set_title(case, loc="left", fontsize=10)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_yticks(range(len(ROWS)), [label for _, label in ROWS], fontsize=8)
    axes[-1].set_xlabel("time step t")
    bar = figure.colorbar(image, ax=axes)
    bar.ax.axhline(RTOL, color="tab:green", linewidth=2)
    bar.set_label("largest error / largest reference value (green: tolerance)")
    figure.suptitle(title, fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    write_whole(path, buffer.getvalue())


def draw_map(errors: Mapping[str, Sequence[float]], path: Path, title: str) -> None:
    """Write a heat map of a diagnosis: a row a quantity, a column a time step."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    labels = {row[1].split()[1]: row[1] for row in ROWS}
    rows = [number for number in labels if number in errors]
    steps = max((len(errors[number]) for number in rows), default=1)
    grid = [np.nan_to_num(errors[number], nan=FAINTEST) for number in rows] or [np.zeros(steps)]
    image = axis.imshow(
        np.maximum(grid, FAINTEST), norm=LogNorm(FAINTEST, 10.0), aspect="auto", cmap="magma"
    )
    axis.set_yticks(range(len(grid)), [labels[number] for number in rows] or ["no errors"])
    axis.set_xticks(range(steps))
    axis.set(xlabel="time step t")
    bar = figure.colorbar(image, ax=axis)
    bar.ax.axhline(RTOL, color="tab:green", linewidth=2)
    bar.set_label("error / largest right value")
    figure.suptitle(title, fontsize=10, wrap=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    write_whole(path, buffer.getvalue())


def draw_gradients(gradients: Sequence[Gradient], path: Path, title: str) -> None:
    """Write a bar for every gradient: its error, or that it is no gradient of that shape at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1.2 + 0.3 * len(gradients)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    errors = [g.error if np.isfinite(g.error) else WORST for g in gradients]
    colours = ["tab:green" if g.ok else "tab:red" for g in gradients]
    places = list(range(len(gradients)))
    axis.barh(places, np.clip(errors, 2 * FAINTEST, WORST), left=FAINTEST, color=colours)
    for place, g in zip(places, gradients, strict=True):
        axis.text(2 * FAINTEST, place, g.problem, va="center", fontsize=8, color="white")
    axis.set_yticks(places, [g.parameter for g in gradients], fontsize=8)
    axis.invert_yaxis()
    axis.set(xscale="log", xlim=(FAINTEST, WORST), xlabel="error / largest right value")
    figure.suptitle(title, fontsize=10, wrap=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    write_whole(path, buffer.getvalue())


def _cases_to_draw(blocks: Sequence[Block], most: int = 3) -> list[str]:
    steps: dict[str, int] = {}
    failed: dict[str, bool] = {}
    for block in blocks:
        if block.time is not None:
            steps[block.case] = max(steps.get(block.case, 0), block.time + 1)
            failed[block.case] = failed.get(block.case, False) or not block.ok
    return sorted(steps, key=lambda case: (not failed[case], -steps[case]))[:most]


def _grid(blocks: Sequence[Block], case: str) -> Any:
    """Relative error `(rows, time)`, the worst over layers; exact zeros as the faintest colour."""
    found = [b for b in blocks if b.case == case and b.time is not None]
    steps = 1 + max(b.time for b in found if b.time is not None)
    grid = np.full((len(ROWS), steps), FAINTEST)
    rows = {symbol: row for row, (symbol, _) in enumerate(ROWS)}
    for block in found:
        if block.symbol in rows and block.time is not None:
            place = rows[block.symbol], block.time
            error = block.judgement.max_rel_error
            grid[place] = max(grid[place], error if np.isfinite(error) else 1.0)
    return grid
