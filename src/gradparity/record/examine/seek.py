"""A wrong subject, recorded so that its lines can be told apart."""

import numpy as np

from gradparity.record.examine.examination import Examination
from gradparity.record.examine.passes import (
    backward_slots,
    in_both_passes,
    moves_beside,
    naming,
    shared,
)
from gradparity.record.graph.rules import Rules
from gradparity.record.graph.truth import Truth
from gradparity.record.locate.case import Case
from gradparity.record.locate.known.recognise import Table, fingerprints
from gradparity.record.run.runs import Record, Runner


class Seeker:
    """A subject recorded once more, so that every value at a slot has numbers of its own."""

    def __init__(
        self, found: Examination, runner: Runner, record: Record, truth: Truth, rules: Rules,
        loss: float,
    ) -> None:  # fmt: skip
        self.found, self.runner, self.rules, self.loss = found, runner, rules, loss
        self.both = in_both_passes(record, truth)
        backward = backward_slots(runner, record, truth) - self.both
        self.moves = moves_beside(backward, runner.code.program, record, truth) - self.both
        self.moves |= naming(backward, runner.code.program, record, truth) - self.both
        self.backward = frozenset(backward | self.moves)
        self.minted = frozenset(self.backward - shared(record))
        again = runner.recorded(self.minted, chains=True)
        if not _same(record, again):
            self.minted = frozenset()
            again = runner.recorded(self.minted, chains=True)
        self.record = again
        self.truth = Truth.of(again.graph, again.seeds, rules)
        self.named = [s.provenance for s in again.seen if self.truth.of_forward(s.provenance)]
        self.table = Table(self.truth, self.named)
        values = [again.graph.values(s.provenance) for s in again.seen if s.slot in self.backward]
        begins = bool(again.upstream)  # from a gradient that is given, so it has no factor
        self.factor = 1.0 if begins else self.table.common_factor(fingerprints(values))

    def case(self, factor: float | None = None) -> Case:
        """What the fault is sought in; right gradients may have a factor in common."""
        factor = self.factor if factor is None else factor
        table = self.table if factor == 1.0 else Table(self.truth, self.named, factor)
        right = {p: factor * v for p, v in self.found.true.items()}
        return Case(
            self.runner, self.truth, self.record, right, self.rules, table, self.backward,
            self.minted, self.both, self.moves, self.loss,
        )  # fmt: skip


def _same(left: Record, right: Record) -> bool:
    for path, places in left.gradients.items():
        a, b = left.graph.values(places), right.graph.values(right.gradients[path])
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=1e-300, equal_nan=True):
            return False
    return True
