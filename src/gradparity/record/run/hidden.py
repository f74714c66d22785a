"""What a set of arguments cannot show: mistakes that are right for them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradparity.record.run.runs import Record, Runner
from gradparity.record.subject.gradients import ARGUMENTS, FIRST
from gradparity.record.subject.trees import at


def hidden_by(runner: Runner, record: Record) -> list[str]:
    """Sentences about the arguments that make some mistakes invisible."""
    return list(dict.fromkeys(_found(runner, record)))


def _found(runner: Runner, record: Record) -> Iterator[str]:
    arguments = runner.form.arguments
    for number, value in enumerate(arguments):
        name = runner.name((ARGUMENTS, ("item", number)))
        first = (ARGUMENTS, ("item", number)) == FIRST and not isinstance(value, np.ndarray)
        if isinstance(value, np.ndarray) and not first:
            yield from _of_array(name, value)
        elif isinstance(value, float) and value == 0.0:
            yield f"{name} is 0: what it multiplies"
    for path in record.parameters:
        if path[0] == ARGUMENTS or len(path) < 2:
            continue
        value = _value(runner, path)
        if (
            isinstance(value, np.ndarray)
            and value.ndim == 2
            and value.shape[0] == value.shape[1] > 1
        ):
            yield f"{runner.name(path)} is square: a forgotten transpose keeps its shape"


def _value(runner: Runner, path: Any) -> Any:
    owner = getattr(getattr(runner.form, "function", None), "__self__", None)
    layers = getattr(runner.form, "layers", owner)
    try:
        return at((layers, runner.form.arguments, runner.form.options), path)
    except LookupError:
        return None


def _of_array(name: str, value: np.ndarray) -> Iterator[str]:
    if value.ndim and value.shape[0] == 1:
        yield f"{name} has a first axis of 1: sums and means over it"
    if value.ndim == 4 and value.shape[-1] == value.shape[-2]:
        yield f"{name} is as high as wide: height's indices in the width's place"
    if value.dtype.kind in "iu" and value.size > 1 and len(np.unique(value)) == value.size:
        yield f"in {name} no number occurs twice: gradients that should be added up where one does"
    if (
        value.dtype.kind in "fb"
        and value.size > 1
        and (value == 1).all()
        and "mask" in name.lower()
    ):
        yield f"{name} is all ones: whether it is used"
