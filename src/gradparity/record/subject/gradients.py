"""Where a run's gradients are: returned, kept in objects, or only in what an update has changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.record.frontend.array import plain
from gradparity.record.graph.nodes import Array
from gradparity.record.subject.forms import (
    Form,
    ForwardBackward,
    Layers,
    LossAndGrads,
    Outcome,
    returned_names,
)
from gradparity.record.subject.pairing import Pairs, matches, pair_held, pair_returned
from gradparity.record.subject.surroundings import GLOBALS
from gradparity.record.subject.trees import Path, Step, at, leaves, spelled

OBJECT: Step = ("item", 0)
ARGUMENTS: Step = ("item", 1)
FIRST: Path = (ARGUMENTS, ("item", 0))


@dataclass(frozen=True)
class Source:
    """Where one gradient stands: in what was returned, or in the trees that were given.

    Attributes:
        returned: whether it was returned.
        path: there.
        how: the rule that told whose gradient it is.
        name: as a report writes it.
        rate: of an update, whose gradient is (old − new) / rate; 0: it is the gradient itself.
    """

    returned: bool
    path: Path
    how: str
    name: str
    rate: float = 0.0


@dataclass
class Sources:
    """Where the gradient of each parameter stands, by the parameter's path.

    Attributes:
        found: where the gradients are.
        missing: parameters of which none was found.
        unnamed: arrays, parameters or not, after which none is named.
        unclaimed: arrays that a run has left and that are nobody's gradient by their names.
    """

    found: dict[Path, Source] = field(default_factory=dict)
    missing: list[Path] = field(default_factory=list)
    unnamed: list[Path] = field(default_factory=list)
    unclaimed: list[Source] = field(default_factory=list)

    def holders(self) -> frozenset[Path]:
        """Where gradients are left in the trees that are given."""
        kept = (s for s in self.found.values() if not s.returned and not s.rate)
        return frozenset(s.path for s in kept)

    def value(self, path: Path, outcome: Outcome, before: Mapping[Path, Any]) -> Any:
        """The gradient of a parameter in a run.

        Args:
            path: the parameter's.
            outcome: of the run.
            before: what was given, as it was.
        """
        source = self.found[path]
        value = at(outcome.returned if source.returned else outcome.given, source.path)
        return (before[path] - value) / source.rate if source.rate else value


def find_sources(form: Form, before: Mapping[Path, Array], outcome: Outcome) -> Sources:
    """Find the gradients of a form's parameters.

    Args:
        form: the subject.
        before: all arrays and numbers that were given, by path, as they were.
        outcome: a run.
    """
    if names_of_module(form, outcome):
        return Sources()  # until what the functions read from their module is given as well
    of_module = _of_module(form, before, outcome) if outcome.given[3] else {}
    alone = any(s.returned for s in of_module.values()) and isinstance(form, LossAndGrads)
    found = Sources() if alone else _by_form(form, before, outcome)
    found.found |= of_module
    function = isinstance(form, LossAndGrads)
    wanted = [p for p in before if p[0] != ARGUMENTS or (function and not found.found)]
    found.unnamed = [p for p in wanted if before[p].ndim and p not in found.found]
    found.missing += [p for p in found.unnamed if p[0] != ARGUMENTS]
    claimed = {(s.returned, s.path) for s in found.found.values()}
    found.unclaimed = [s for s in _left(before, outcome) if (s.returned, s.path) not in claimed]
    return found


def _by_form(form: Form, before: Mapping[Path, Array], outcome: Outcome) -> Sources:
    if isinstance(form, LossAndGrads):
        if not hasattr(form.function, "__self__"):
            return _of_function(form, before, outcome)
        return _held(before, outcome, returned_too=True)
    if isinstance(form, ForwardBackward):
        return _of_cache(form, before, outcome)
    assert isinstance(form, Layers)
    found = _held(before, outcome, returned_too=False)
    inputs = [p for p in before if p[:1] == (ARGUMENTS,) and _array(outcome.given, p)]
    tree = outcome.given[1]
    pairs = pair_returned(tree, outcome.returned) if inputs else Pairs()
    for path, where in pairs.found.items():
        found.found[(ARGUMENTS, *path)] = Source(
            True, where, pairs.how[path], spelled(where, "the gradient that backward returned")
        )
    return found


def names_of_module(form: Form, outcome: Outcome) -> bool:
    """Whether what was returned is named after arrays of the module that are not given yet."""
    if outcome.given[3] or not isinstance(outcome.returned, tuple):
        return False
    names = _returned_names(form, outcome)
    around = form.around().names
    own = form.names()
    return any(
        matches((("item", a),), (("item", n),)) for n in names if n for a in around if a not in own
    )


def _returned_names(form: Form, outcome: Outcome) -> list[str]:
    """What the returned gradients are called in the source, "" for no name; [] where unknown."""
    found = returned_names(getattr(form, "backward", None) or form.called())
    if isinstance(form, LossAndGrads):
        found = [n for n in found if "loss" not in n and "cost" not in n]
        if isinstance(outcome.returned, tuple) and len(found) == len(outcome.returned) + 1:
            found = found[1:]
    return found


def _of_module(form: Form, before: Mapping[Path, Array], outcome: Outcome) -> dict[Path, Source]:
    """Gradients of a module's arrays: returned under their names, or left in the module."""
    found = {}
    params = [p for p in before if p[0] == GLOBALS]
    names = _returned_names(form, outcome)
    offered: list[Path] = [(("item", n),) for n in names]
    if isinstance(outcome.returned, tuple) and len(offered) == len(outcome.returned):
        pairs = pair_held([p[1:] for p in params], offered)
        for path, where in pairs.found.items():
            place = (("item", offered.index(where)),)
            found[(GLOBALS, *path)] = Source(True, place, "name", spelled(where))
    rest = [p[1:] for p in params if p not in found]
    left = [q for q, _ in leaves(outcome.given[3]) if (GLOBALS, *q) not in before]
    for path, where in pair_held(rest, left).found.items():
        found[(GLOBALS, *path)] = Source(False, (GLOBALS, *where), "name", spelled(where))
    return found


def _left(before: Mapping[Path, Array], outcome: Outcome) -> Iterator[Source]:
    """Arrays that came back, or that stand where none or another stood."""
    for path, value in leaves(outcome.returned):
        if isinstance(value, np.ndarray):
            yield Source(True, path, "value", spelled(path, "the returned gradient"))
    for path, value in leaves(outcome.given):
        if isinstance(value, np.ndarray) and plain(value).dtype.kind == "f":
            kept = path in before and not _changed(before[path], value)
            if not kept:
                name = path[2:] if path[0] == OBJECT else path[1:]
                yield Source(False, path, "value", spelled(name))


def _of_function(form: LossAndGrads, before: Mapping[Path, Array], outcome: Outcome) -> Sources:
    names = _returned_names(form, outcome)
    params = outcome.given[1][0] if outcome.given[1] else None
    if outcome.returned is not None:
        # Several arrays before the data: as many parameters as gradients came back.
        parts = outcome.returned
        many = isinstance(params, np.ndarray) and isinstance(parts, tuple) and len(parts) > 1
        tree = outcome.given[1][: len(parts)] if many else (params,)
        pairs = pair_returned(tree, parts if many else (parts,), names)
        if not many and pairs.missing:
            pairs = pair_returned(tree, parts, names)
            return _sources(pairs, (ARGUMENTS,), ())
        return _sources(pairs, (ARGUMENTS,), () if many else (("item", 0),))
    return _held(before, outcome, returned_too=False)


def _sources(pairs: Pairs, root: Path, cut: Path) -> Sources:
    found = Sources(missing=[(*root, *p) for p in pairs.missing])
    for path, where in pairs.found.items():
        name = spelled(where[len(cut) :], "the returned gradient" if not where[len(cut) :] else "")
        found.found[(*root, *path)] = Source(True, where[len(cut) :], pairs.how[path], name)
    return found


def _of_cache(form: ForwardBackward, before: Mapping[Path, Array], outcome: Outcome) -> Sources:
    import inspect

    names = list(inspect.signature(form.forward).parameters) if callable(form.forward) else []
    tree: Any = {
        (names[k] if k < len(names) else k): value for k, value in enumerate(outcome.given[1])
    }
    arrays = {
        k: v for k, v in tree.items() if any(True for _ in leaves(v)) and not isinstance(v, float)
    }
    returned = (
        outcome.returned
        if isinstance(outcome.returned, dict | tuple | list)
        else (outcome.returned,)
    )
    pairs = pair_returned(arrays, returned, returned_names(form.backward))
    place = {(names[k] if k < len(names) else k): k for k in range(len(outcome.given[1]))}
    found = Sources()
    for path, where in pairs.found.items():
        full = (ARGUMENTS, ("item", place[path[0][1]]), *path[1:])
        single = not isinstance(outcome.returned, dict | tuple | list)
        found.found[full] = Source(True, () if single else where, pairs.how[path], spelled(where))
    found.missing = [(ARGUMENTS, ("item", place[p[0][1]]), *p[1:]) for p in pairs.missing]
    return found


def _held(before: Mapping[Path, Array], outcome: Outcome, returned_too: bool) -> Sources:
    """Gradients that objects keep, and those that came back with names."""
    held = [path for path, _ in leaves(outcome.given[:2]) if _array(outcome.given, path)]
    params = [p for p in before if p in set(held)]
    found = Sources()
    if returned_too and outcome.returned is not None:
        offered = [path for path, _ in leaves(outcome.returned)]
        pairs = pair_held(params, offered)
        for path, where in pairs.found.items():
            found.found[path] = Source(True, where, "name", spelled(where))
    rest = [p for p in params if p not in found.found]
    # What was there before and stays as it was is no gradient.
    fresh = [
        p
        for p in held
        if p not in before or not before[p].any() or _changed(before[p], at(outcome.given, p))
    ]
    pairs = pair_held(rest, fresh)
    gradients = set(pairs.found.values())
    for path, where in pairs.found.items():
        if path not in gradients:
            found.found[path] = Source(
                False, where, "name", spelled(where[2:] if where[0] == OBJECT else where)
            )
    return found


def _changed(old: Array, new: Any) -> bool:
    return old.shape != np.shape(new) or not np.array_equal(old, np.asarray(plain(new)))


def _array(tree: Any, path: Path) -> bool:
    try:
        value = at(tree, path)
    except LookupError:
        return False
    return isinstance(value, np.ndarray) and plain(value).dtype.kind in "fb"
