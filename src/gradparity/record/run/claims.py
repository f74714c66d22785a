"""Gradients that no name tells: what an update has changed, and what is a gradient by its value."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gradparity.record.graph.nodes import Array
from gradparity.record.graph.rules import Rules
from gradparity.record.graph.truth import Truth, close, scale_of
from gradparity.record.run.runs import Plain, Runner
from gradparity.record.subject.gradients import Source, Sources
from gradparity.record.subject.trees import Path

SURE = frozenset("lr learning_rate learningrate learn_rate lrate".split())
RATES = SURE | frozenset("rate alpha eta step_size stepsize".split())


def claim(runner: Runner, plain: Plain, rules: Rules) -> list[str]:
    """Find the gradients of parameters that none is named after; sentences that say which.

    Args:
        runner: after a plain run.
        plain: that run.
        rules: derivatives.
    """
    sources = runner.sources
    if not (sources.unnamed and sources.unclaimed):
        return []
    left: dict[Path, Source] = {
        (("left", k),): source for k, source in enumerate(sources.unclaimed)
    }
    runner.sources = Sources(found=left)
    record = runner.recorded()
    runner.sources = sources
    truth = Truth.of(record.graph, record.seeds, rules)
    places = {p: record.parameters[p] for p in sources.unnamed if p in record.parameters}
    true = {p: truth.adjoints[at] for p, at in places.items()}
    true = {p: value for p, value in true.items() if value.any()}
    values = {
        left[k]: record.graph.values(places)
        for k, places in record.gradients.items()
        if not truth.of_forward(places)
    }
    found = _by_value(true, values)
    rest = {p: value for p, value in true.items() if p not in found}
    changes = {
        p: plain.given[p] - values[s]
        for p in rest
        for s in values
        if (s.returned, s.path) == (False, p)
    }
    rate, told = _rate(runner, plain, changes, rest)
    updates = {p: Source(False, p, "update", runner.name(p), rate) for p in changes}
    sources.found |= found | updates | _by_shape(rest, values, {*found.values()}, changes)
    sources.missing = [p for p in sources.missing if p not in sources.found]
    names = ", ".join(runner.name(p) for p in updates)
    if not updates:
        return []
    many = len(updates) > 1
    whose = f"the gradients of {names} are" if many else f"the gradient of {names} is"
    return [f"{whose} taken from the update{'s' * many}, as (old − new) / {told}"]


def _by_value(true: Mapping[Path, Array], values: Mapping[Source, Array]) -> dict[Path, Source]:
    """Those that are right are known by that."""
    scale, found = scale_of(true.values()), dict[Path, Source]()
    for path, right in true.items():
        equal = [s for s, value in values.items() if close(value, right, scale)]
        if equal:
            found[path] = equal[0]
    return found


def _by_shape(
    true: Mapping[Path, Array],
    values: Mapping[Source, Array],
    taken: set[Source],
    changes: Mapping[Path, Array],
) -> dict[Path, Source]:
    """The only one of its shape that is left."""
    found = {}
    rest = {p: right.shape for p, right in true.items() if p not in changes}
    for path, shape in rest.items():
        fitting = [s for s, v in values.items() if v.shape == shape and s not in taken]
        if len(fitting) == 1 and list(rest.values()).count(shape) == 1:
            found[path] = replace(fitting[0], how="shape")
    return found


def _rate(
    runner: Runner, plain: Plain, changes: Mapping[Path, Array], true: Mapping[Path, Array]
) -> tuple[float, str]:
    """By what an update is the gradient's multiple: a rate that has a name, or what fits most."""
    named = {rate: name for name, rate in _rates(runner, plain).items()}
    fitted = [abs(float((c * true[p]).sum() / (true[p] ** 2).sum())) for p, c in changes.items()]
    # A rate that is surely one is taken: what fits would hide a factor that all gradients lack.
    sure = [rate for rate, name in named.items() if _last(name) in SURE]
    offered = sure or [*named, *fitted]
    if not offered:
        return 1.0, ""
    scale = scale_of(true.values())

    def fits(rate: float) -> int:
        return sum(close(c / rate, true[p], scale) for p, c in changes.items())

    middle = sorted(fitted)[len(fitted) // 2] if fitted else 1.0
    best = max(offered, key=fits)
    if not named and not fits(best):
        best = middle
    if best in named:
        return best, f"{best:.6g} ({named[best]})"
    return best, f"{best:.6g}, a rate that fits: a factor that all lack would not show"


def _last(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _rates(runner: Runner, plain: Plain) -> dict[str, float]:
    """Numbers by whose names people scale an update."""
    found = {}
    for path, value in plain.given.items():
        name = runner.name(path)
        if not value.ndim and value and _last(name) in RATES:
            found[name] = float(value)
    function = runner.form.called()
    function = getattr(function, "__func__", function)
    names = {**runner.form.defaults(), **getattr(function, "__globals__", {})}
    for name, value in names.items():
        if name.lower() in RATES and isinstance(value, float | np.floating) and value:
            found.setdefault(name, float(value))
    return found
