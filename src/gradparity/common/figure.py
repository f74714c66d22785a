"""What every figure has: a canvas without a screen, a scale of errors, and a file written whole."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstm_spec.files import write_whole

FAINTEST, WORST = 1e-17, 10.0  # errors that the colours tell apart
FORMATS = ("png", "pdf", "svg")


def canvas(width: float, height: float, title: str, size: int = 10) -> Any:
    """An empty figure, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=size, wrap=True)
    return figure


def heat_map(axis: Any, grid: Any, largest: float, labels: Sequence[str]) -> Any:
    """Draw errors `(rows, time)`, a labelled row each; the image, for its colour bar."""
    from matplotlib.colors import LogNorm

    norm = LogNorm(FAINTEST, largest)
    image = axis.imshow(grid, norm=norm, aspect="auto", cmap="magma")
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    return image


def colour_bar(figure: Any, image: Any, axes: Any, tolerance: float, label: str) -> None:
    """The scale of a heat map, with a mark at the tolerance."""
    bar = figure.colorbar(image, ax=axes)
    bar.ax.axhline(tolerance, color="tab:green", linewidth=2)
    bar.set_label(label)


def write(figure: Any, path: Path) -> None:
    """Write a figure to a file, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix.lstrip(".").lower() or "png", dpi=150)
    write_whole(path, buffer.getvalue())
