"""The error of every gradient, drawn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradparity.common.figure import FAINTEST, WORST, canvas, write
from gradparity.record.report.findings import Gradient


def draw_gradients(gradients: Sequence[Gradient], path: Path, title: str) -> None:
    """Write a bar for every gradient: its error, or that it is no gradient of that shape at all."""
    figure = canvas(7, 1.2 + 0.3 * len(gradients), title)
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
    write(figure, path)
