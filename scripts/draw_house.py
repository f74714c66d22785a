#!/usr/bin/env python
"""Draw the house: its rooms, and an arrow for what one imports of another.

    scripts/draw_house.py [--out docs/images/house.png]

Prints for every depth of folders how many rooms and arrows there are, and each circle of rooms that
import one another. A room stands above all that it imports, so that without a circle no arrow
points upwards. A folder's own `__init__.py`, where it imports anything, is its door, and stands by
itself. Exit code 1: there is a circle.
"""

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grimp
import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from lstm_spec.exits import guarded

PACKAGES = ("lstm_spec", "manual", "jax_ref", "jax_manual", "jax_mesh", "gradparity", "lstm_lm")
COLOURS = dict(zip(PACKAGES, ("#ddd", "#cde", "#dec", "#ced", "#edc", "#ecd", "#dde"), strict=True))
MODULES = 99  # a depth that is every module's own
Imports = dict[str, set[str]]


@dataclass(frozen=True)
class Options:
    """Draw the house: its rooms, and an arrow for what one imports of another."""

    out: Path = Path("house.png")
    """The figure."""


def main() -> None:
    """Read, draw, print."""
    options, console = tyro.cli(Options, description=__doc__), Console(highlight=False)
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    found = []
    for depth, name in enumerate(("packages", "rooms", "inner rooms", "innermost", "modules"), 1):
        imports = _between(graph, MODULES if name == "modules" else depth)
        arrows = sum(map(len, imports.values()))
        circles = _circles(imports)
        console.print(f"{name:12} {len(imports):4}   arrows {arrows:5}   circles {len(circles)}")
        found += circles
    for circle in found:
        console.print(f"FAIL  {' → '.join(circle)}", soft_wrap=True)
    if not found:
        _draw(_between(graph, 3), options.out)
        console.print(f"{options.out}: every arrow points down")
    sys.exit(1 if found else 0)


def _between(graph: grimp.ImportGraph, depth: int) -> Imports:
    """What each room imports of others; a room is a folder, up to a depth, or a module in one."""
    folders = {module for module in graph.modules if graph.find_children(module)}
    imports: Imports = defaultdict(set)
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = (_room(name, folders, depth) for name in (module, other))
            if one != two:
                imports[one].add(two)
                imports[two] |= set()
    return dict(imports)


def _room(module: str, folders: set[str], depth: int) -> str:
    """The folder that a module lies in, at most so deep; its own name where the depth is great."""
    if depth == MODULES:
        return module
    parts = module.split(".")
    folder = [*parts, "door"] if module in folders else parts[:-1]
    return ".".join(folder[:depth])


def _circles(imports: Imports) -> list[list[str]]:
    """One circle for every room that can be come back to, each once."""
    found: dict[frozenset[str], list[str]] = {}
    for start in imports:
        way = _way_back(imports, start)
        if way:
            found.setdefault(frozenset(way), way)
    return list(found.values())


def _way_back(imports: Imports, start: str) -> list[str]:
    """The shortest way from a room back to itself; empty where there is none."""
    ways, seen = [[start]], set()
    while ways:
        ways, before = [], ways
        for way in before:
            for other in sorted(imports[way[-1]]):
                if other == start:
                    return [*way, start]
                if other not in seen:
                    seen.add(other)
                    ways.append([*way, other])
    return []


def _levels(imports: Imports) -> dict[str, int]:
    """How high each room stands: above everything that it imports."""
    found: dict[str, int] = {}

    def level(room: str) -> int:
        if room not in found:
            found[room] = 1 + max(map(level, imports[room]), default=-1)
        return found[room]

    for room in imports:
        level(room)
    return found


def _draw(imports: Imports, out: Path) -> None:
    levels, rows = _levels(imports), defaultdict(list)
    for room in sorted(imports, key=lambda r: (PACKAGES.index(r.partition(".")[0]), r)):
        rows[levels[room]].append(room)
    places = {
        room: ((k + 0.5) / len(row), float(level))
        for level, row in rows.items()
        for k, room in enumerate(row)
    }
    figure = Figure(figsize=(10, 0.75 * len(rows) + 1), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for room, others in imports.items():
        for other in others:
            _arrow(axis, places[room], places[other])
    for room, place in places.items():
        colour = COLOURS[room.partition(".")[0]]
        box = {"boxstyle": "round", "facecolor": colour, "edgecolor": "#666"}
        axis.text(
            *place, room.replace(".", ".\n", 1), ha="center", va="center", fontsize=7, bbox=box
        )
    axis.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4))
    axis.axis("off")
    figure.savefig(out, dpi=150)


def _arrow(axis: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "->", "color": "#88a", "lw": 0.7, "shrinkA": 12, "shrinkB": 12}
    axis.annotate("", end, start, arrowprops=style | {"connectionstyle": "arc3,rad=0.05"})


if __name__ == "__main__":
    sys.exit(guarded("draw_house.py", main))
