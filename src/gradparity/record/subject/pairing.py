"""Which gradient belongs to which parameter: by place, by name, in order, or by value."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.record.subject.trees import Path, at, leaves

CONTAINERS = frozenset(
    "p params param parameters weights theta self model net d g grad grads gradients gradient "
    "dparams dp gparams gradparams deltas dweights paramgrads parametergrads data value values val "
    "derivatives dtheta gradtheta attr state vars variables trainable".split()
)
MARKED_CONTAINERS = frozenset(
    "d g grad grads gradients gradient dparams dp gparams gradparams deltas dweights paramgrads "
    "parametergrads derivatives dtheta gradtheta".split()
)
PREFIXES = (
    "gradients",
    "gradient",
    "grads",
    "grad",
    "delta",
    "dldb",
    "dl",
    "dj",
    "d",
    "g",
    "nabla",
)
SUFFIXES = ("gradients", "gradient", "grads", "grad", "delta", "bar", "d", "g", "b")


@dataclass
class Pairs:
    """Gradients found.

    Attributes:
        found: for each parameter's path the path of its gradient.
        how: the same, with the rule that told.
        missing: parameters without.
    """

    found: dict[Path, Path] = field(default_factory=dict)
    how: dict[Path, str] = field(default_factory=dict)
    missing: list[Path] = field(default_factory=list)


def pair_returned(params: Any, returned: Any, names: Sequence[str] = ()) -> Pairs:
    """Gradients in what a function returned, for a tree of parameters.

    Args:
        params: the tree.
        returned: what came back besides the loss.
        names: what a returned tuple's elements are called in the source, where they have names.
    """
    wanted = [path for path, _ in leaves(params)]
    offered = [path for path, value in leaves(returned) if _is_gradient(value)]
    for how, rule in (("place", _same_place), ("name", _by_name)):
        found = rule(wanted, offered, returned)
        if len(found) == len(wanted):
            return _pairs(wanted, found, how)
    if names and len(names) == len(offered):
        called = dict(zip(offered, names, strict=True))
        by_name = {p: q for p in wanted for q in offered if matches(p, (("item", called[q]),))}
        if len(set(by_name.values())) == len(wanted) and len(offered) > 1:
            return _pairs(wanted, by_name, "name")
    if len(offered) == len(wanted):
        return _pairs(wanted, dict(zip(wanted, offered, strict=True)), "order")
    partly = _by_name(wanted, offered, returned) or _same_place(wanted, offered, returned)
    rest = [p for p in wanted if p not in partly]
    left = [q for q in offered if q not in partly.values()]
    for path in rest:
        shape = np.shape(at(params, path))
        fitting = [q for q in left if np.shape(at(returned, q)) == shape]
        if len(fitting) == 1:
            partly[path] = fitting[0]
            left.remove(fitting[0])
    return _pairs(wanted, partly, "name or shape")


def pair_held(params: Sequence[Path], offered: Sequence[Path]) -> Pairs:
    """Gradients that an object keeps, by the names of attributes and keys."""
    found = {}
    for path in params:
        matching = [q for q in offered if q != path and matches(path, q)]
        if matching:
            # The nearest: most steps in common, then the shortest.
            found[path] = max(matching, key=lambda q: (_common(path, q), -len(q)))
    return _pairs(list(params), found, "name")


def _pairs(wanted: Sequence[Path], found: dict[Path, Path], how: str) -> Pairs:
    missing = [path for path in wanted if path not in found]
    return Pairs(found, dict.fromkeys(found, how), missing)


def _is_gradient(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.floating | float)


def _same_place(wanted: Sequence[Path], offered: Sequence[Path], _: Any) -> dict[Path, Path]:
    keys = {_plain(q): q for q in offered}
    return {p: keys[_plain(p)] for p in wanted if _plain(p) in keys}


def _plain(path: Path) -> tuple:
    return tuple(key for _, key in path)


def _by_name(wanted: Sequence[Path], offered: Sequence[Path], _: Any) -> dict[Path, Path]:
    found = {}
    for path in wanted:
        matching = [q for q in offered if matches(path, q)]
        if matching:
            found[path] = max(matching, key=lambda q: _common(path, q))
    return found


def matches(param: Path, gradient: Path) -> bool:
    """Whether a path, its marks of a gradient taken off, names the parameter."""
    wanted, _ = _canonical(param)
    named, marked = _canonical(gradient)
    if not wanted and not named:
        return marked or param != gradient
    if len(wanted) != len(named):
        return False
    for a, b in zip(wanted, named, strict=True):
        if a != b:
            if a not in _unmarked(b):
                return False
            marked = True
    return marked


def _canonical(path: Path) -> tuple[list[str], bool]:
    """A path's words without those of containers, and whether one of these was gradients'."""
    words: list[str] = []
    marked = False
    for position, (_, key) in enumerate(path):
        word = re.sub(r"[^0-9a-z/.]", "", str(key).lower())
        last = position == len(path) - 1
        if word in MARKED_CONTAINERS and not (last and word in ("g", "d") and len(path) == 1):
            marked = True
        elif word not in CONTAINERS or (last and not words):
            words.append(word)
    return words, marked


def _unmarked(word: str) -> set[str]:
    """What a gradient's name may be the gradient of."""
    found = {word[len(p) :] for p in PREFIXES if word.startswith(p)}
    found |= {word[: -len(s)] for s in SUFFIXES if word.endswith(s)}
    for separator in "/.":
        if separator in word:
            head, _, tail = word.rpartition(separator)
            found |= {f"{head}{separator}{t}" for t in _unmarked(tail)}
            found |= {head} if tail in MARKED_CONTAINERS else set()
    return found - {""}


def _common(left: Path, right: Path) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count
