"""A subject with wrong gradients: what every way of looking for the fault knows of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gradparity.record.frontend.source import Statement
from gradparity.record.graph.nodes import Array
from gradparity.record.graph.rules import Rules
from gradparity.record.graph.truth import Truth
from gradparity.record.locate import clock
from gradparity.record.locate.edits.purity import Purity
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.known.recognise import Table
from gradparity.record.locate.known.response import respond
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.trials.court import Court
from gradparity.record.locate.trials.grants import Families
from gradparity.record.locate.trials.repairs import Explanation, Repair
from gradparity.record.run.runs import Record, Runner
from gradparity.record.subject.trees import Path

SECONDS = 20.0  # for the whole search


@dataclass
class Case:
    """A subject, what its gradients should be, and what is known of its backward pass.

    Attributes:
        runner: of the subject.
        truth, record: of it as it stands.
        right: the right gradients.
        rules: derivatives.
        table: true quantities.
        backward: slots of the backward pass.
        minted: those whose values have numbers of their own.
        both: slots of functions that both passes call.
        moves: slots that only name a forward value.
        loss: of the forward pass.
    """

    runner: Runner
    truth: Truth
    record: Record
    right: dict[Path, Array]
    rules: Rules
    table: Table
    backward: frozenset[int]
    minted: frozenset[int]
    both: set[int]
    moves: set[int]
    loss: float

    def __post_init__(self) -> None:
        self.pure = Purity(self.runner.code.program)
        self.court = Court(
            self.runner, self.right, self.table, self.backward, self.loss, self.moves
        )
        self.failures: list[str] = []  # our own, that must not cost the verdict
        self.deadline = clock.now() + SECONDS

    def failed(self, error: Exception) -> None:
        """Keep a fault of ours."""
        self.failures.append(f"{type(error).__name__}: {error}")

    def recorded_with(self, trials: Sequence[Repair]) -> tuple[Record, Truth]:
        """The subject with some repairs."""
        version = self.court.version(trials)
        record = self.runner.recorded(self.minted, patches=version.patches, codes=version.codes)
        return record, Truth.of(record.graph, record.seeds, self.rules)

    def scenery(self, record: Record, truth: Truth) -> Scenery:
        """What is known of a version."""
        response = respond(record, truth, self.right, self.rules, set(self.backward))
        slots = self.runner.code.program.slots
        return Scenery.of(
            record, truth, response, self.table, self.backward, slots, self.both, self.moves,
            self.right,
        )  # fmt: skip

    @cached_property
    def families(self) -> Families:
        """What statements may have to yield."""
        return Families(self.table, self.record.graph)

    def late(self) -> list[Statement]:
        """In each function those behind the first one of the backward pass."""
        program = self.runner.code.program
        first: dict[int, int] = {}
        for n in self.backward:
            statement = program.slots[n].statement
            line = first.get(id(statement.scope), statement.line)
            first[id(statement.scope)] = min(line, statement.line)
        return [s for s in program.statements if s.line >= first.get(id(s.scope), s.line + 1)]

    def if_more_right(self, now: Explanation, edit: StatementEdit) -> Iterator[Explanation]:
        """An explanation with one repair more, if it puts more gradients right."""
        if self.court.right_with([*now.trials, edit]) > now.right:
            yield self.court.evaluated([*now.trials, edit])
