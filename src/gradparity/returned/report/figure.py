"""A diagnosis's errors by quantity and time step, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gradparity.common.figure import FAINTEST, WORST, canvas, colour_bar, heat_map, write
from gradparity.lstm.equations import QUANTITIES
from gradparity.trees.equal import RTOL


def draw_map(errors: Mapping[str, Sequence[float]], path: Path, title: str) -> None:
    """Write a heat map of a diagnosis: a row a quantity, a column a time step."""
    figure = canvas(6, 3.4, title)
    axis = figure.subplots()
    labels = [
        f"{quantity}  {number}" for number, quantity in QUANTITIES.items() if number in errors
    ]
    grid = [
        np.nan_to_num(errors[number], nan=FAINTEST) for number in QUANTITIES if number in errors
    ]
    steps = max(map(len, grid), default=1)
    shown = np.maximum(grid or [np.zeros(steps)], FAINTEST)
    image = heat_map(axis, shown, WORST, labels or ["no errors"])
    axis.set_xticks(range(steps))
    axis.set(xlabel="time step t")
    colour_bar(figure, image, axis, RTOL, "error / largest right value")
    write(figure, path)
