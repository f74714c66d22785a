"""What a wrong line's value should have been, and at which executions it was something else."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradparity.record.frontend.hooks import Seen
from gradparity.record.frontend.source import Slot
from gradparity.record.graph.nodes import Array, Graph
from gradparity.record.graph.truth import Truth
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.known.recognise import EXACT, PARTIAL, Quantity, Table, fingerprints
from gradparity.record.locate.trials.repairs import Repair
from gradparity.record.run.runs import Record, Runner


@dataclass(frozen=True)
class Meaning:
    """Of a repaired line.

    Attributes:
        should_be: what its value is with the repair, in words; "" where that has no name.
        where: at which of its executions it was wrong, in words; "" for all of them.
        quantities: the same as true quantities; equal values are the same.
    """

    should_be: str = ""
    where: str = ""
    quantities: tuple[Quantity, ...] = ()


def meanings(
    repairs: Sequence[Repair], before: Record, after: Record, truth: Truth, table: Table,
    runner: Runner, both: set[int],
) -> dict[int, Meaning]:  # fmt: skip
    """By the statement of each repair.

    Args:
        repairs: what is to be told.
        before, after: recorded without them and with them.
        truth, table: of the forward pass, as recorded in `before`.
        runner: of the subject.
        both: slots of functions that both passes call, whose names say little.
    """
    names = dict(_names(before, truth, runner, both))
    found = {}
    for repair in repairs:
        if isinstance(repair, StatementEdit):
            places = [s.place for s in runner.code.program.slots if s.statement is repair.statement]
            values = [v for place in places for v in _values(after, place).values()]
            alike = _quantities(dict(enumerate(values)), table)
            found[repair.statement.number] = Meaning(quantities=tuple(alike))
            continue
        trial = repair
        old, new = _values(before, trial.slot.place), _values(after, trial.slot.place)
        alike = _quantities(new, table)
        words = next(filter(None, (_in_words(q, names, before.graph) for q in alike)), "")
        seen = [s for s in before.seen if s.slot == trial.slot.place]
        found[trial.statement.number] = Meaning(words, _where(old, new, seen), tuple(alike))
    return found


def _names(
    record: Record, truth: Truth, runner: Runner, both: set[int]
) -> Iterator[tuple[bytes, str]]:
    """What forward values are called, by their provenance: by the name bound when they were made.

    A function's own name for what it returns gives way to the caller's.
    """
    made: dict[bytes, tuple[int, str]] = {}
    for s in record.seen:
        slot = runner.code.program.slots[s.slot]
        name = _target(slot, s.part)
        if name and s.slot not in both and truth.of_forward(s.provenance):
            key = _key(s.provenance)
            if key not in made or made[key][0] == s.size:
                made[key] = (s.size, f"`{name}`, set in line {slot.statement.line}")
    yield from ((key, text) for key, (_, text) in made.items())
    for path, places in record.parameters.items():
        yield _key(places), f"`{runner.name(path)}`"


def _target(slot: Slot, part: int) -> str:
    node = slot.statement.node
    if slot.kind != "value" or not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return ""
    target = node.targets[0]
    if isinstance(target, ast.Tuple | ast.List):
        inside = target.elts[part] if part < len(target.elts) else target
        return ast.unparse(inside) if isinstance(inside, ast.Name) else ""
    return ast.unparse(target)


def _key(places: Array) -> bytes:
    return np.sort(places, axis=None).tobytes()


def _values(record: Record, place: int) -> dict[int, Array]:
    return {s.turn: record.graph.values(s.provenance) for s in record.seen if s.slot == place}


def _quantities(values: dict[int, Array], table: Table) -> list[Quantity]:
    """The true quantities that the first known of some values is, adjoints first."""
    if not values:
        return []
    states, _, which = table.states(fingerprints(list(values.values())))
    for state, number in zip(states, which, strict=True):
        if state in (EXACT, PARTIAL):
            return sorted(table.alike(int(number)), key=lambda q: q.kind != "adjoint")
    return []


def _in_words(quantity: Quantity, names: dict[bytes, str], graph: Graph) -> str:
    name = names.get(_key(quantity.provenance))
    if name is None:
        return ""
    if quantity.kind == "adjoint":
        return f"the gradient by {name}"
    if quantity.kind == "contribution":
        place = graph.nodes[quantity.node].place
        through = "" if place is None else f" through line {place.line}"
        return f"what comes{through} to the gradient by {name}"
    return f"a part of the gradient by {name}"


def _where(old: dict[int, Array], new: dict[int, Array], seen: Sequence[Seen]) -> str:
    """At which executions two values differ."""
    turns = sorted(old)
    wrong = [t for t in turns if not _same(old[t], new.get(t))]
    if len(turns) < 2 or not wrong or len(wrong) == len(turns):
        return ""
    callers = {s.turn: s.chain[1].line if len(s.chain) > 1 else 0 for s in seen}
    lines = {callers.get(t, 0) for t in wrong}
    if len(lines) == 1 and 0 not in lines:
        (line,) = lines
        if wrong == [t for t in turns if callers.get(t) == line]:
            return f"the call in line {line}"
    if len(wrong) == 1:
        number = turns.index(wrong[0])
        named = {0: "first", len(turns) - 1: "last"}.get(number, f"{number + 1}.")
        return f"the {named} of its {len(turns)} executions"
    return f"{len(wrong)} of its {len(turns)} executions"


def _same(old: Array, new: Array | None) -> bool:
    if new is None or old.shape != new.shape:
        return False
    return bool(np.allclose(old, new, rtol=1e-9, atol=1e-12 * float(np.abs(new).max(initial=0.0))))
