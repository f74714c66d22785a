"""What is worth knowing of a subject that is no mistake."""

import numpy as np

from gradparity.record.graph.truth import Truth
from gradparity.record.run.clipping import Clip
from gradparity.record.run.runs import Plain, Record, Runner
from gradparity.record.subject.trees import Path


def manners(runner: Runner, changed: list[Path]) -> list[str]:
    """That it changes its arguments, and that it adds to gradients from before."""
    return [*_changes(runner, changed), *_additions(runner)]


def _additions(runner: Runner) -> list[str]:
    names = list(dict.fromkeys(runner.sources.found[p].name for p in runner.added_to))
    held = ", ".join(names)
    return (
        [f"it adds to what {held} held before, here 0: reset that at every step"] if names else []
    )


def _changes(runner: Runner, changed: list[Path]) -> list[str]:
    updates = [path for path, source in runner.sources.found.items() if source.rate]
    names = list(dict.fromkeys(runner.name(path) for path in changed if path not in updates))
    return [f"it changes its arguments: {', '.join(names)}"] if names else []


def leftovers(runner: Runner, plain: Plain, watched: Plain) -> list[str]:
    """What is read before it is written is whatever was in memory; watched runs have zeros."""
    if not any("empty" in line for text in runner.code.program.texts.values() for line in text):
        return []
    pairs = [(plain.gradients.get(p), value) for p, value in watched.gradients.items()]
    same = all(
        a is None or b is None or a.shape != b.shape or np.allclose(a, b, equal_nan=True)
        for a, b in pairs
    )
    return [] if same else ["np.empty is read before it is written to: taken as zeros here"]


def clipped(clips: list[Clip]) -> list[str]:
    """That it clips its gradients."""
    return [
        f"line {c.line} clips the gradients by {c.kind}: judged as they are before" for c in clips
    ]


def missing(runner: Runner, record: Record, truth: Truth) -> list[str]:
    """That a parameter has a gradient, and none was found."""
    places = {p: record.parameters.get(p) for p in runner.sources.missing}
    names = [
        runner.name(p) for p, at in places.items() if at is not None and truth.adjoints[at].any()
    ]
    return [f"no gradient was found for {', '.join(names)}"] if names else []
