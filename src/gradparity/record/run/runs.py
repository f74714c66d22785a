"""Runs of a subject: plain, recorded, and watched; all of the same arguments."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from gradparity.record.frontend import methods, session  # noqa: F401  methods: Recorded has them
from gradparity.record.frontend.array import Recorded, plain, recorded, wrap
from gradparity.record.frontend.code import Code
from gradparity.record.frontend.hooks import Hooks, Patch, Recorder, Seen
from gradparity.record.graph.nodes import Array, Graph, Provenance
from gradparity.record.subject.forms import Form, Outcome
from gradparity.record.subject.generic import made_generic, says_what_it_means
from gradparity.record.subject.gradients import ARGUMENTS, FIRST, Sources, find_sources
from gradparity.record.subject.memory import Copies
from gradparity.record.subject.surroundings import GLOBALS
from gradparity.record.subject.trees import Path, spelled


@dataclass
class Plain:
    """What a run that is not recorded yielded.

    Attributes:
        loss: the loss, or the outputs' sum weighted by their upstream gradients.
        gradients: by the parameter's path; None where what stands there is no array.
        changed: paths of arguments that it changed.
        given: the arrays that it was given, as they were.
    """

    loss: float
    gradients: dict[Path, Array | None]
    changed: list[Path] = field(default_factory=list)
    given: dict[Path, Array] = field(default_factory=dict)


@dataclass
class Record:
    """What a recorded run yielded.

    Attributes:
        graph: of everything.
        seeds: provenance of what the loss is the sum of, each with its weights.
        parameters: provenance of every given array and number as it was before.
        gradients: provenance of the gradients, by the parameter's path.
        upstream: provenance of the upstream gradients.
        seen: what passed through slots.
        writes: memory that was written into.
    """

    graph: Graph
    seeds: list[tuple[Provenance, Array]]
    parameters: dict[Path, Provenance]
    gradients: dict[Path, Provenance]
    upstream: list[Provenance]
    seen: list[Seen]
    writes: list[tuple[int, int, int]]


class Runner:
    """Runs a form on generic arguments near the caller's.

    Args:
        form: the subject with its arguments.
        seed: of the noise and of upstream gradients.
        exact: take the caller's arguments as they are.

    Attributes:
        holders: given arrays that the gradients are left in. They begin with 0, for people add up
            in them what several batches yield, and reset them elsewhere.
        added_to: parameters whose gradients are added to what such an array held.
    """

    def __init__(
        self, form: Form, seed: int = 0, exact: bool = False, code: Code | None = None
    ) -> None:
        self.form, self.seed, self.exact = form, seed, exact
        self.code = Code(*form.roots()) if code is None else code
        self.sources = Sources()
        self.step = 0.0
        self.base: dict[int, Patch] = {}
        self.holders: frozenset[Path] = frozenset()
        self.added_to: list[Path] = []
        self._filled: dict[Path, Array] = {}

    def fill(self, path: Path, values: Array) -> Array:
        """The values that stand for an array of the caller's; 0 where gradients are kept."""
        if values.dtype.kind != "f":
            return values
        if path in self.holders:
            return np.zeros(values.shape)
        if path not in self._filled:
            self._filled[path] = self._made(path, values)
        return self._filled[path]

    def _made(self, path: Path, values: Array) -> Array:
        found = values.astype(np.float64)
        if found.ndim and not self.exact:
            rng = np.random.default_rng([self.seed, *_numbers(path)])
            found = made_generic(found, rng, always=path[:2] == FIRST)
        if self.step and found.ndim:
            found = found + self.step * self.direction(path, found)
        return found

    def direction(self, path: Path, values: Array) -> Array:
        """A random direction for an array; none for what is no measurement (one-hot rows)."""
        if path[:2] != FIRST and says_what_it_means(values):
            return np.zeros(values.shape)
        rng = np.random.default_rng([self.seed, 7, *_numbers(path)])
        return rng.normal(size=values.shape)

    def _upstream(self, number: int, output: Any) -> Array:
        rng = np.random.default_rng([self.seed, 1_000_003, number])
        return rng.normal(size=np.shape(plain(output)))

    def hooks(
        self,
        patches: Mapping[int, Patch] | None = None,
        codes: Mapping[CodeType, CodeType] | None = None,
    ) -> Hooks:
        """What lets values pass, with other expressions at some slots and other code."""
        return Hooks(
            self.code.program, self.code.files, {**self.base, **(patches or {})}, codes or {}
        )

    def shifted(self, step: float) -> "Runner":
        """The same with all arrays moved a step along a random direction."""
        other = Runner(self.form, self.seed, self.exact, self.code)
        other.sources, other.step, other.base = self.sources, step, self.base
        other.holders, other.added_to = self.holders, self.added_to
        return other

    def reseeded(self, by: int) -> "Runner":
        """The same with other random numbers."""
        other = Runner(self.form, self.seed + by, self.exact, self.code)
        other.sources, other.base = self.sources, self.base
        other.holders, other.added_to = self.holders, self.added_to
        return other

    def argument_names(self) -> list[str]:
        """What the subject calls its arguments."""
        return self.form.names()

    def name(self, path: Path) -> str:
        """A parameter or argument as the subject writes it."""
        if path[:2] == FIRST and len(path) > 2:
            return spelled(path[2:])
        if path[0] == ARGUMENTS:
            names, number = self.argument_names(), path[1][1]
            root = names[number] if number < len(names) else f"argument {number + 1}"
            return spelled(path[2:], root)
        if path[0] == GLOBALS:
            return spelled(path[1:])
        return spelled(path[2:]) if path[1:2] and path[1][0] == "item" else spelled(path[1:])

    def plain(self, hooks: Hooks | None = None) -> Plain:
        """Run, with watched code if there are hooks."""
        paths: dict[Path, tuple[Any, Array]] = {}
        copies = Copies(self.fill, record=False)

        def make(path: Path, value: Any) -> Any:
            found = copies(path, value)
            paths[path] = (found, np.array(found))
            return found

        watching = self.code.watched(hooks) if hooks else contextlib.nullcontext()
        keeping = contextlib.nullcontext() if self.sources.found else self.form.kept()
        with quiet(), watching, keeping:
            outcome = self.form.run(make, self._upstream)
        if not self.sources.found:
            self.sources = find_sources(
                self.form, {p: old for p, (_, old) in paths.items()}, outcome
            )
        loss = _total(outcome)
        changed = [
            p
            for p, (now, old) in paths.items()
            if p[0] == ARGUMENTS and not np.array_equal(now, old)
        ]
        before = {p: old for p, (_, old) in paths.items()}
        gradients = {p: _floats(self._gradient(p, outcome, before)) for p in self.sources.found}
        found = Plain(loss, gradients, changed, before)
        holders = self.sources.holders() & before.keys()
        return self._from_nothing(found, holders, hooks) if holders - self.holders else found

    def _from_nothing(self, found: Plain, holders: frozenset[Path], hooks: Hooks | None) -> Plain:
        """The run again with zeros where gradients are kept."""
        self.holders = holders
        again = self.plain(hooks)
        self.added_to = [
            path
            for path, source in self.sources.found.items()
            if source.path in holders
            and _is_sum(found.gradients[path], again.gradients[path], found.given[source.path])
        ]
        return again

    def _gradient(self, path: Path, outcome: Outcome, before: Mapping[Path, Any]) -> Any:
        try:
            return self.sources.value(path, outcome, before)
        except LookupError:
            return None

    def recorded(
        self,
        minted: frozenset[int] = frozenset(),
        chains: bool = False,
        patches: Mapping[int, Patch] | None = None,
        codes: Mapping[CodeType, CodeType] | None = None,
    ) -> Record:
        """Run, and record."""
        given: dict[Path, Provenance] = {}
        before: dict[Path, Recorded] = {}
        copies = Copies(self.fill, record=True)
        hooks = Recorder(
            self.code.program,
            self.code.files,
            {**self.base, **(patches or {})},
            codes or {},
            minted=minted,
            chains=chains,
        )
        with quiet(), session.recording(self.code.files) as current, self.code.watched(hooks):

            def make(path: Path, value: Any) -> Any:
                found = copies(path, value)
                if isinstance(found, Recorded) and found.provenance is not None:
                    given[path] = found.provenance.copy()
                    before[path] = wrap(plain(found).copy(), given[path])
                return found

            def upstream(number: int, output: Any) -> Any:
                return recorded(self._upstream(number, output))

            outcome = self.form.run(make, upstream)
            seeds = _seeds(outcome, current.graph)
            gradients = {}
            for path in self.sources.found:
                value = self._gradient(path, outcome, before)
                if isinstance(value, np.ndarray | float | np.floating | int):
                    gradients[path] = recorded(value).provenance.copy()
            raised = [recorded(u).provenance for u in outcome.upstream]
        return Record(current.graph, seeds, given, gradients, raised, hooks.seen, current.writes)


def _is_sum(whole: Array | None, part: Array | None, other: Array) -> bool:
    """Whether an array is the sum of two, of which the second is not zero."""
    if whole is None or part is None or not part.shape == whole.shape == other.shape:
        return False
    return bool(other.any()) and np.allclose(whole, part + other)


def _numbers(path: Path) -> list[int]:
    """A path as numbers that seed a generator."""
    return [int.from_bytes(str(key).encode()[:8], "little") + 1 for _, key in path]


def _seeds(outcome: Outcome, graph: Graph) -> list[tuple[Provenance, Array]]:
    if outcome.loss is None:
        return [
            (recorded(out).provenance.copy(), np.asarray(plain(recorded(up)), dtype=np.float64))
            for out, up in zip(outcome.outputs, outcome.upstream, strict=True)
        ]
    loss = outcome.loss
    if isinstance(loss, Recorded):
        return [(loss.provenance.copy().reshape(()), np.ones(()))]
    # The trace of a plain number is lost: look for its value, the last one made.
    places = np.flatnonzero(graph.pool == float(loss))
    if not len(places):
        raise session.RecordError("the loss cannot be followed to what it was computed from")
    return [(np.array(places[-1]), np.ones(()))]


def _total(outcome: Outcome) -> float:
    if outcome.loss is not None:
        return float(np.asarray(plain(outcome.loss)).reshape(()))
    pairs = zip(outcome.outputs, outcome.upstream, strict=True)
    return float(sum(np.sum(np.asarray(out) * np.asarray(up)) for out, up in pairs))


def _floats(value: Any) -> Array | None:
    try:
        found = np.asarray(plain(value), dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what a subject prints, and NumPy's warnings, out of the report."""
    import warnings

    with (
        contextlib.redirect_stdout(io.StringIO()),
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
