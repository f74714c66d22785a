"""From a subject to a verdict, and from a wrong one to the lines that make it so."""

from dataclasses import dataclass, field

import numpy as np

from gradparity.record.frontend.code import Code
from gradparity.record.frontend.session import Unrecordable
from gradparity.record.graph import Array
from gradparity.record.locate.recognise import Table
from gradparity.record.locate.search import Explanation, Search
from gradparity.record.rules import Rules
from gradparity.record.runs import Record, Runner
from gradparity.record.subject.forms import Form
from gradparity.record.subject.trees import Path
from gradparity.record.truth import Truth

RTOL = 1e-6


@dataclass
class Examination:
    """What was found about a subject.

    Attributes:
        right, wrong: parameters by whether their gradients are right.
        explanation: changes that put the wrong ones right, as many as were found.
    """

    right: list[Path] = field(default_factory=list)
    wrong: list[Path] = field(default_factory=list)
    explanation: Explanation | None = None

    @property
    def ok(self) -> bool:
        """Whether all gradients are right."""
        return not self.wrong


def examine(form: Form, seed: int = 0, rules: Rules | None = None) -> Examination:
    """Record, differentiate, compare, and find what is wrong."""
    rules = rules or Rules()
    code = Code(*form.roots())
    runner = Runner(form, seed, code=code)
    runner.plain()
    plain = runner.plain(runner.hooks())
    record = runner.recorded()
    truth = Truth.of(record.graph, record.seeds, rules)
    right = {p: truth.adjoints[record.parameters[p]] for p in runner.sources.found}
    _guard(record, plain.gradients)
    scale = max((float(np.abs(v).max(initial=0.0)) for v in right.values()), default=1.0)
    found = Examination()
    for path, truly in right.items():
        (found.right if close(plain.gradients[path], truly, scale) else found.wrong).append(path)
    if found.wrong:
        found.explanation = _located(runner, record, truth, right, rules)
    return found


def _guard(record: Record, plain: dict[Path, Array | None]) -> None:
    """The recorded run's gradients are those of a plain one."""
    for path, places in record.gradients.items():
        got, expected = record.graph.values(places), plain[path]
        if expected is None or got.shape != expected.shape:
            raise Unrecordable("the recorded run returned other gradients than a plain one")
        if not np.allclose(got, expected, rtol=1e-6, atol=1e-9 * float(np.abs(expected).max(initial=0.0)) + 1e-300, equal_nan=True):
            raise Unrecordable("the recorded run returned other gradients than a plain one")


def close(got: Array | None, right: Array, scale: float) -> bool:
    """Whether a gradient is right."""
    if got is None or got.shape != right.shape or not np.isfinite(got).all():
        return False
    size = float(np.abs(right).max(initial=0.0))
    return bool(np.abs(got - right).max(initial=0.0) <= RTOL * max(size, 1e-6 * scale))


def _located(
    runner: Runner, record: Record, truth: Truth, right: dict[Path, Array], rules: Rules
) -> Explanation:
    backward = backward_slots(runner, record, truth)
    minted = frozenset(backward - _shared(record))
    again = runner.recorded(minted, chains=True)
    if not _same(record, again):
        minted = frozenset()
        again = runner.recorded(minted, chains=True)
    truth = Truth.of(again.graph, again.seeds, rules)
    named = [s.provenance for s in again.seen if truth.of_forward(s.provenance)]
    table = Table(truth, named)
    search = Search(runner, truth, again, right, rules, table, frozenset(backward), minted)
    return search.run()


def backward_slots(runner: Runner, record: Record, truth: Truth) -> set[int]:
    """Slots whose values the loss does not depend on, with the others of their statements."""
    slots = runner.code.program.slots
    end = max(int(places.max()) for places, _ in record.seeds)
    found = {s.slot for s in record.seen if s.size > end}
    statements = set()
    for s in record.seen:
        if not truth.of_forward(s.provenance):
            found.add(s.slot)
            statements.add(slots[s.slot].statement.number)
    found |= {s.slot for s in record.seen if slots[s.slot].statement.number in statements}
    return found | {s.number for s in slots if s.after in found}


def _shared(record: Record) -> set[int]:
    """Slots whose values are written into later, under this name or another."""
    writes = np.array(record.writes, dtype=np.int64).reshape(-1, 3)
    found = set()
    for s in record.seen:
        if s.slot not in found:
            later = writes[:, 2] >= s.size
            if ((writes[:, 0] < s.span[1]) & (writes[:, 1] > s.span[0]) & later).any():
                found.add(s.slot)
    return found


def _same(left: Record, right: Record) -> bool:
    for path, places in left.gradients.items():
        a, b = left.graph.values(places), right.graph.values(right.gradients[path])
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=1e-300, equal_nan=True):
            return False
    return True
