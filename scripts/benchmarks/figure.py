"""The figures drawn: bars of ratios, and curves of cost."""

import math
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from benchmarks.contender import CONTENDERS

COLOURS = {name: f"C{number}" for number, name in enumerate(CONTENDERS)}


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw what was measured of `step` and `scaling`."""
    steps, scaling = results.get("step"), results.get("scaling")
    curves = list(scaling["curves"].items()) if scaling else []
    rows = bool(steps) + math.ceil(len(curves) / 3)
    figure = plt.figure(figsize=(11, 4.2 * max(rows, 1)), layout="constrained")
    grid = figure.add_gridspec(max(rows, 1), 3)
    if steps:
        _bars(figure.add_subplot(grid[0, :]), steps)
    for number, (axis, curve) in enumerate(curves):
        place = grid[bool(steps) + number // 3, number % 3]
        _curve(figure.add_subplot(place), axis, curve, scaling["middle"])
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _bars(axes: Any, steps: list[dict]) -> None:
    """For each case, how many times as fast as PyTorch, or else as the first peer."""
    names = [name for name in CONTENDERS if name in steps[0]["seconds"]]
    peers = [name for name in names if CONTENDERS[name].peer]
    base = "torch" if "torch" in peers else (peers or names)[0]
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        heights = [s["seconds"][base] / s["seconds"][name] for s in steps]
        places = [case + (number - (len(names) - 1) / 2) * width for case in range(len(steps))]
        bars = axes.bar(places, heights, width, label=name, color=COLOURS[name])
        axes.bar_label(bars, fmt="%.1f", fontsize=6)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(steps)), [_label(s["case"]) for s in steps], fontsize=8)
    axes.set_ylabel(f"times as fast as {base}")
    axes.set_title("Training step: loss and all gradients")
    axes.legend(ncols=min(4, len(names)), fontsize=8)


def _label(case: dict) -> str:
    sizes = f"{case['time']} × {case['batch']} × {case['hidden']} × {case['vocab']}"
    return (
        sizes if "x" in case["name"] and case["name"][0].isdigit() else f"{case['name']}\n{sizes}"
    )


def _curve(axes: Any, axis: str, curve: dict, middle: dict) -> None:
    for name, seconds in curve["seconds"].items():
        milliseconds = [1000 * s for s in seconds]
        axes.loglog(curve["sizes"], milliseconds, "o-", label=name, color=COLOURS[name])
    fixed = ", ".join(f"{key} {middle[key]}" for key in ("time", "batch", "hidden") if key != axis)
    axes.set_xticks(curve["sizes"], [str(size) for size in curve["sizes"]], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlabel(f"{axis} ({fixed})")
    axes.set_ylabel("milliseconds a training step")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=8)
