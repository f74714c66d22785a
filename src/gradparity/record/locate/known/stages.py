"""Where to look first: slots and executions, by how likely the fault is there."""

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from gradparity.record.frontend.source import Slot
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.subject.trees import Path

ALL_TURNS = 3  # executions up to which a slot's changes are tried at each
QUITE, LIKELY, ANY = 3.6, 4.2, 8.0  # prices of a change that ends the search, early to late
MOST_STILL = 3
FEW = 8  # slots of which exactly the wrong gradients depend, up to which all are looked at closely

Turns = dict[int, frozenset[int]]


@dataclass
class Stages:
    """Slots and executions to look at.

    Attributes:
        fitting: slots of which exactly the wrong gradients depend.
        acting: what is executed a few times and some wrong gradient depends on.
        zero: the first unknown values.
        unknown: those of them that are computed where they stand.
        nearest, fits: of the fitting ones, the closest, and all that are near.
        seldom: what is executed a few times.
        first, second: what is near the first unknown values, and a little further.
        every: two or three executions of everything.
        misshapen: gradients of a wrong shape, where they have a name and where they are returned.
        still: the first that are computed and are zero although gradients depend on them.
        silent: slots whose values are no real numbers: a counter stands where an array belongs.
    """

    fitting: set[int]
    acting: Turns
    zero: Turns
    unknown: Turns
    nearest: Turns
    fits: Turns
    seldom: Turns
    first: Turns
    second: Turns
    every: Turns
    misshapen: Turns
    still: Turns
    silent: Turns

    @classmethod
    def of(
        cls, scenery: Scenery, slots: Sequence[Slot], free: Collection[int],
        moves: Collection[int], wrong: frozenset[Path],
    ) -> "Stages":  # fmt: skip
        """Those of a version.

        Args:
            scenery: what is known of it.
            slots: of the program.
            free: numbers of the backward pass's that no repair has changed.
            moves: those that only name a forward value.
            wrong: parameters whose gradients are wrong.
        """
        open_ = [n for n in free if slots[n].kind != "after"]
        acting = [n for n in open_ if scenery.acts(slots[n].place)]
        counts = {n: scenery.counts[slots[n].place] for n in acting}

        def close(most: int) -> Turns:
            near = scenery.near(most)
            found = {
                n: frozenset(near.get(slots[n].place, set()) | near.get(n, set())) for n in acting
            }
            return {n: turns for n, turns in found.items() if turns}

        first = {n: scenery.first.get(slots[n].place, 0) for n in acting}
        every = {n: frozenset({0, k, min(k + 1, counts[n] - 1)}) for n, k in first.items()}
        seldom = {n: frozenset(range(counts[n])) for n in acting if counts[n] <= ALL_TURNS}
        fitting = {n for n in acting if not scenery.misfit(slots[n].place, wrong)}
        near, few = _together(seldom, close(1)), len(fitting) <= FEW
        fits = _only(_together(near, every if few else {}), fitting)
        silent = [n for n in sorted(open_) if slots[n].place not in scenery.counts]
        zero = close(0)
        unknown = {n: t for n, t in zero.items() if not scenery.only_enters(slots[n].place, t)}
        named = [n for n in acting if slots[n].kind == "value" and _only_names(slots[n].expression)]
        unknown = _together(unknown, {n: frozenset({0}) for n in named if n not in moves})
        parts = {n: t for n, t in seldom.items() if scenery.reached[slots[n].place] & wrong}
        return cls(
            fitting, parts, zero, unknown, fits if few else _only(close(0), fitting), fits,
            seldom, near, _without(close(4), near), every,
            {n: t for n, t in scenery.misshapen.items() if n in open_},
            _still(scenery, slots, acting),
            {n: frozenset({0}) for n in silent},
        )  # fmt: skip

    def all(self) -> Iterator[tuple[float, Turns, str]]:
        """Which changes to try where, and what price ends the search then."""
        yield QUITE, self.nearest, "small"
        yield QUITE, self.nearest, "deep"
        yield QUITE, _without(self.fits, self.nearest), "slips"
        yield ANY, _without(self.fits, self.nearest), "missing"
        yield LIKELY, _without(self.first, self.fits), "slips"
        yield ANY, _without(_together(self.zero, self.seldom), self.nearest), "deep"
        yield ANY, _without(self.first, self.fits), "missing"
        yield ANY, self.silent, "slips"
        yield ANY, self.second, "small"
        yield ANY, _without(self.every, _together(self.first, self.second)), "small"


def _still(scenery: Scenery, slots: Sequence[Slot], acting: Sequence[int]) -> Turns:
    found = [
        n
        for n in acting
        if slots[n].place in scenery.still
        and any(isinstance(part, ast.BinOp) for part in ast.walk(slots[n].expression))
    ]
    found.sort(key=lambda n: scenery.position[slots[n].place, 0])
    return {n: frozenset({0}) for n in found[:MOST_STILL]}


def _only_names(expression: ast.expr) -> bool:
    return isinstance(expression, ast.Name | ast.Attribute)


def _together(left: Turns, right: Turns) -> Turns:
    return {n: left.get(n, frozenset()) | right.get(n, frozenset()) for n in {**left, **right}}


def _only(wanted: Turns, slots: Collection[int]) -> Turns:
    return {n: turns for n, turns in wanted.items() if n in slots}


def _without(wanted: Turns, done: Turns) -> Turns:
    found = {n: turns - done.get(n, frozenset()) for n, turns in wanted.items()}
    return {n: turns for n, turns in found.items() if turns}
