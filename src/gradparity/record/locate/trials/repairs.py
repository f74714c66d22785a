"""Repairs: changes of a subject, how they are put into a run, and what explains its gradients."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType

from gradparity.record.frontend.code import Code
from gradparity.record.frontend.hooks import Patch
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.trials.grants import Grant
from gradparity.record.locate.trials.probe import Trial
from gradparity.record.subject.trees import Path

Repair = Trial | StatementEdit | Grant
PER_WORTH = 5.0  # nats that one more known statement is worth
LEAF_WORTH = 2.0  # statements that one more right gradient is worth
COMPLETE = 1e6
IMPOSSIBLE = -1e9  # the score of what cannot be run
OWN = 0.5  # what it counts that a repaired value is known: a local derivative never is
MOVES = 0.5  # what a change costs more at a statement that only hands a value on


@dataclass(frozen=True)
class Version:
    """How the subject runs with some repairs.

    Attributes:
        patches, codes: as hooks take them.
    """

    patches: Mapping[int, Patch] = field(default_factory=dict)
    codes: Mapping[CodeType, CodeType] = field(default_factory=dict)


@dataclass
class Explanation:
    """Repairs that put the gradients right, or some of them.

    Attributes:
        trials: the repairs.
        right: parameters whose gradients they make right.
        score: how much of the backward pass is recognised under them.
        own: of how many of the repaired statements the own values are known then.
        complete: whether all gradients are right.
        made: tells what the last repair's slot yields then; empty where it has none.
    """

    trials: list[Repair] = field(default_factory=list)
    right: frozenset[Path] = frozenset()
    score: float = 0.0
    own: float = 0.0
    complete: bool = False
    made: bytes = b""

    @property
    def runs(self) -> bool:
        """Whether the subject can be run with these repairs, and has its loss then."""
        return self.score > IMPOSSIBLE

    @property
    def price(self) -> float:
        """Of all repairs together; what only hands a value on is the less likely culprit."""
        return sum(t.price + (MOVES if only_moves(t) else 0.0) for t in self.trials)

    @property
    def total(self) -> float:
        """The smaller, the better; what puts all right is told apart by its price above all."""
        if self.complete:
            return self.price - self.score - OWN * self.own - COMPLETE
        return self.price - PER_WORTH * (self.score + LEAF_WORTH * len(self.right)) - self.own


def only_moves(repair: Repair) -> bool:
    """Whether it changes what only hands a value on."""
    names = (ast.Name, ast.Attribute, ast.Subscript)
    return isinstance(repair, Trial) and isinstance(repair.root, names)


def mended_statement(repair: Repair) -> ast.stmt:
    """A statement with a repair in it; as it stands where only its value is known."""
    node = repair.statement.node
    if isinstance(repair, StatementEdit):
        first = repair.replaced[node]
        return first[0] if first else node
    if isinstance(repair, Grant):
        return node
    if repair.slot.after is None:
        return write.in_statement(node, repair.root, repair.expression())
    whole = repair.expression()
    if isinstance(node, ast.AugAssign) and isinstance(whole, ast.BinOp):
        return write.in_statement(node, node.value, whole.right)
    return node


def version_of(code: Code, trials: Sequence[Repair], base: Mapping[int, Patch]) -> Version:
    """The subject with some repairs.

    Args:
        code: the subject's.
        trials: the repairs.
        base: patches that every run has.
    """
    changed = [t for t in trials if not isinstance(t, StatementEdit)]
    patches = {**base, **{t.slot.number: t.patch for t in changed}}
    edits: dict[ast.stmt, list[ast.stmt]] = {}
    for t in trials:
        if isinstance(t, StatementEdit):
            edits |= t.replaced
    return Version(patches, code.edited(edits) if edits else {})
