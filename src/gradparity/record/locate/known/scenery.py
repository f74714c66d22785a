"""What is known of one version of a subject: its record, and which of its values are true."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradparity.record.frontend.hooks import Seen
from gradparity.record.frontend.source import Slot
from gradparity.record.graph.nodes import Array
from gradparity.record.graph.truth import Truth
from gradparity.record.locate.known.flow import depths, nearest, parents_of, recurrent
from gradparity.record.locate.known.recognise import (
    EXACT,
    FORWARD,
    PARTIAL,
    SCALED,
    UNKNOWN,
    ZERO,
    Table,
    fingerprints,
)
from gradparity.record.locate.known.response import Response
from gradparity.record.run.runs import Record
from gradparity.record.subject.trees import Path

SHORT = 3  # statements of a function that helps


@dataclass
class Scenery:
    """A record with the states of its values.

    Attributes:
        record, truth, response: of this version.
        seen: by (slot, turn).
        counts: executions of each slot.
        states: of each value seen.
        first: by slot, the first execution whose value is not known.
        parents: of each value, those it was computed from.
        depth: how far each is from the first unknown ones.
        recurrent: slots that depend on their own values, one execution before.
        reached: by slot, parameters whose gradients depend on its values.
        there: numbers of the true quantities that some value is.
        position: of each value seen, by (slot, turn).
        helping: `(values,)` bool: whose being unknown says nothing.
        still: slots whose values are zero, or one number, at every execution.
        returned: by slot, the parameter whose gradient its value is.
        misshapen: by slot, the executions whose value is a gradient of a wrong shape.
    """

    record: Record
    truth: Truth
    response: Response
    seen: dict[tuple[int, int], Seen]
    counts: dict[int, int]
    states: Array
    first: dict[int, int]
    parents: list[set[int]]
    depth: Array
    recurrent: set[int]
    reached: dict[int, frozenset[Path]]
    there: Array
    position: dict[tuple[int, int], int]
    returned: dict[int, Path]
    misshapen: dict[int, frozenset[int]]
    helping: Array
    still: set[int]

    @classmethod
    def of(
        cls,
        record: Record,
        truth: Truth,
        response: Response,
        table: Table,
        backward: frozenset[int],
        slots: Sequence[Slot],
        both: set[int],
        moves: set[int],
        right: Mapping[Path, Array],
    ) -> "Scenery":
        """Look at a record."""
        values = [record.graph.values(s.provenance) for s in record.seen]
        states, _, which = table.states(fingerprints(values))
        seen = {(s.slot, s.turn): s for s in record.seen}
        counts: dict[int, int] = defaultdict(int)
        first: dict[int, int] = {}
        for s, state in zip(record.seen, states, strict=True):
            counts[s.slot] = max(counts[s.slot], s.turn + 1)
            if state not in (EXACT, PARTIAL):
                first.setdefault(s.slot, s.turn)
        parents = parents_of(record.graph, truth, record.seen)
        mine = np.array([s.slot in backward for s in record.seen], dtype=bool)
        bad = mine & np.isin(states, (UNKNOWN, SCALED, FORWARD))
        helping = _helping(record.seen, states, slots, both, moves)
        handed = truth.handed_on()
        helping |= [bool(handed[s.provenance.reshape(-1)].all()) for s in record.seen]
        depth = depths(parents, bad, helping | (states == FORWARD))
        again = recurrent(record.seen, parents)
        return cls(
            record, truth, response, seen, dict(counts), states, first, parents, depth, again,
            response.reached(), np.unique(which[np.isin(states, (EXACT, PARTIAL))]),
            {(s.slot, s.turn): k for k, s in enumerate(record.seen)}, _returned(record),
            _misshapen(record, right), helping,
            {s.slot for s in record.seen}
            - {s.slot for s, state in zip(record.seen, states, strict=True) if state != ZERO},
        )  # fmt: skip

    def near(self, most: int) -> dict[int, set[int]]:
        """By slot, executions near the first unknown values."""
        doubtful = self.states == PARTIAL
        return nearest(self.depth, doubtful, self.record.seen, self.parents, most)

    def acts(self, place: int) -> bool:
        """Whether any gradient depends on the values at a slot."""
        return bool(self.reached.get(place))

    def misfit(self, place: int, wrong: frozenset[Path]) -> int:
        """How many gradients are wrong that a slot has no part in, or right although it has."""
        return len(self.reached.get(place, frozenset()) ^ wrong)

    def only_enters(self, place: int, turns: Collection[int]) -> bool:
        """Whether its values are the forward pass's."""
        numbers = [self.position[place, t] for t in turns if (place, t) in self.position]
        return bool(numbers) and bool((self.states[numbers] == FORWARD).all())

    def known(self, place: int, turn: int) -> bool:
        """Whether a value is a true quantity."""
        first = self.first.get(place)
        return first is None or turn < first


def _returned(record: Record) -> dict[int, Path]:
    """Slots whose value is a gradient, as it is returned."""
    places = {p.tobytes(): path for path, p in record.gradients.items() if p.size}
    found = {}
    for s in record.seen:
        path = places.get(s.provenance.tobytes())
        if path is not None:
            found[s.slot] = path
    return found


def _misshapen(record: Record, right: Mapping[Path, Array]) -> dict[int, frozenset[int]]:
    graph = record.graph
    wrong = [
        graph.values(p)
        for path, p in record.gradients.items()
        if p.shape != right[path].shape and p.size
    ]
    found: dict[int, frozenset[int]] = {}
    for s in record.seen if wrong else ():
        if any(np.array_equal(graph.values(s.provenance), value) for value in wrong):
            found[s.slot] = found.get(s.slot, frozenset()) | {s.turn}
    return found


def _helping(
    seen: Sequence[Seen], states: Array, slots: Sequence[Slot], both: set[int], moves: set[int]
) -> Array:
    """Which values stand in a function that holds no gradient, `dtanh(y)`, or enter one."""
    scopes: dict[int, set[int]] = defaultdict(set)
    carrying = set()
    for s, state in zip(seen, states, strict=True):
        statement = slots[s.slot].statement
        scopes[id(statement.scope)].add(statement.number)
        if state in (EXACT, PARTIAL, SCALED):
            carrying.add(id(statement.scope))
    short = {n for n, inside in scopes.items() if len(inside) <= SHORT}
    short = (short | {id(slots[n].statement.scope) for n in both}) - carrying
    entering = [
        s.slot in moves or (state == FORWARD and slots[s.slot].kind == "argument")
        for s, state in zip(seen, states, strict=True)
    ]
    inside = [id(slots[s.slot].statement.scope) in short for s in seen]
    return np.array(entering, dtype=bool) | np.array(inside, dtype=bool)
