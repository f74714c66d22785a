"""What was measured of strong and weak scaling, and the model beside it."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt


def draw(results: dict[str, Any], path: Path) -> None:
    """A row for each case: strong and weak scaling here; and what the model says beyond."""
    found = results["cases"]
    figure, rows = plt.subplots(
        len(found), 3, figsize=(12, 3.6 * len(found)), squeeze=False, layout="constrained"
    )
    for axes, one in zip(rows, found, strict=True):
        _measured(axes[0], one, "strong", results["cores"])
        _measured(axes[1], one, "weak", results["cores"])
        _predicted(axes[2], one, results["networks"])
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _measured(axes: Any, one: dict, way: str, cores: int) -> None:
    for number, (name, times) in enumerate(one[way].items()):
        counts = [int(count) for count in times]
        milliseconds = [1000 * seconds for seconds in times.values()]
        style = "--" if name == "its model" else "o-"
        axes.loglog(counts, milliseconds, style, label=name, color=f"C{number}")
    axes.axvspan(cores * 1.19, max(counts) * 1.19, color="0.9", label=f"more than {cores} cores")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xticks([], minor=True)
    shared = "in all" if way == "strong" else "each"
    axes.set_title(f"{one['case']['name']}: {one[way + '_batch']} sequences {shared}", fontsize=10)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.set_xlabel("processes")
    axes.set_ylabel("milliseconds a step")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize=7)


def _predicted(axes: Any, one: dict, networks: dict) -> None:
    for number, name in enumerate(networks):
        for way, style in (("weak", "-"), ("strong", ":")):
            times = one["predicted"][name][way]
            counts = [int(count) for count in times]
            axes.semilogx(counts, list(times.values()), style, color=f"C{number}",
                          label=f"{name}, {way}", base=2)  # fmt: skip
    axes.set_ylim(0, 1.02)
    axes.set_title("efficiency by the model", fontsize=10)
    axes.set_xlabel("devices")
    axes.grid(True, alpha=0.3)
    axes.legend(fontsize=6, framealpha=0.5, loc="lower left")
