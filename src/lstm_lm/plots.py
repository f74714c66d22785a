"""Curves, drawn to files without a screen."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstm_spec.files import write_whole


def draw_loss(
    records: Sequence[dict[str, Any]], path: Path, title: str, floor: float | None = None
) -> None:
    """Training and validation loss by update, in nats per token; `floor` is the entropy."""
    figure = _figure(1)
    axis = figure.axes[0]
    steps, losses = _series(records, "loss")
    axis.plot(steps, losses, color="tab:blue", alpha=0.3, linewidth=0.8)
    axis.plot(steps, _smooth(losses), color="tab:blue", label="training")
    if any("validation" in record for record in records):
        axis.plot(
            *_series(records, "validation"), "o-", color="tab:orange", ms=3, label="validation"
        )
    if floor is not None:
        axis.axhline(floor, color="tab:green", linestyle="--", label="entropy floor")
    axis.set(xlabel="update", ylabel="nats per token", title=title)
    axis.legend()
    _write(figure, path)


def draw_over_each_other(
    curves: Mapping[str, Sequence[dict[str, Any]]], path: Path, title: str
) -> None:
    """The losses of runs, and below them their relative differences from the first one's."""
    figure = _figure(2)
    above, below = figure.axes
    first = next(iter(curves))
    for number, (name, records) in enumerate(curves.items()):
        color, style = f"C{number}", "--" if number else "-"
        above.plot(*_series(records, "loss"), style, color=color, label=name, linewidth=1)
        if name != first:
            steps, difference = relative_difference(records, curves[first])
            shown = np.maximum(difference, 1e-17)
            below.semilogy(steps, shown, color=color, linewidth=0.8, alpha=0.7)
    above.set(ylabel="nats per token", title=title)
    above.legend()
    below.set(xlabel="update", ylabel="relative difference")
    _write(figure, path)


def relative_difference(
    one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Updates that both have made, and |a − b| / |b| of their training losses."""
    (steps, a), (_, b) = _series(one, "loss"), _series(other, "loss")
    common = min(len(a), len(b))
    return steps[:common], np.abs(a[:common] - b[:common]) / np.abs(b[:common])


def _series(records: Sequence[dict[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    found = [(record["step"], record[name]) for record in records if name in record]
    steps, values = zip(*found, strict=True) if found else ((), ())
    return np.array(steps), np.array(values, float)


def _smooth(values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Running mean over a fiftieth of the curve, of what there is at its ends."""
    width = max(1, int(len(values) * share))
    ones = np.convolve(np.ones(len(values)), np.ones(width), "same")
    return np.convolve(values, np.ones(width), "same") / ones


def _figure(rows: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2 + 2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [3, 2][:rows]
    figure.subplots(rows, sharex=True, height_ratios=ratios, squeeze=False)
    for axis in figure.axes:
        axis.grid(alpha=0.3)
    return figure


def _write(figure: Any, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_whole(path, buffer.getvalue())
