"""What an examination has found out about a subject."""

from dataclasses import dataclass, field

from gradparity.record.examine.meaning import Meaning
from gradparity.record.frontend.source import Statement
from gradparity.record.graph.nodes import Array
from gradparity.record.locate.trials.repairs import Explanation
from gradparity.record.subject.trees import Path


@dataclass
class Examination:
    """What was found about a subject.

    Attributes:
        right, wrong: parameters by whether their gradients are right.
        got, true: the gradients, as returned and as they should be.
        explanation: changes that put the wrong ones right, as many as were found.
        suspects: statements one of which is wrong, where no change explains it.
        meanings: of the changes, by their statements.
        equations: an LSTM's that they compute, likewise.
        notes, hidden: what else is worth knowing; what these arguments cannot show.
        held: lines whose values were held to the truth.
        unheld: lines that nothing could be held to.
    """

    right: list[Path] = field(default_factory=list)
    wrong: list[Path] = field(default_factory=list)
    got: dict[Path, Array | None] = field(default_factory=dict)
    true: dict[Path, Array] = field(default_factory=dict)
    explanation: Explanation | None = None
    suspects: list[Statement] = field(default_factory=list)
    meanings: dict[int, Meaning] = field(default_factory=dict)
    equations: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    held: int = 0
    unheld: list[int] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all gradients are right."""
        return not self.wrong
