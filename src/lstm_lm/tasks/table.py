"""What there is to learn. `TASKS` lists the tasks; the loop knows `Task` alone.

A task hands out batches by step, so that a run can be resumed anywhere; all that
is random in one depends on the seed and the step alone.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from lstm_lm.config.options import Options
from lstm_lm.peers import ALONE, Peers
from lstm_lm.tasks import anbn, text
from lstm_lm.tasks.anbn import AnBn
from lstm_lm.tasks.notation import Notation
from lstm_lm.tasks.text import Text
from lstm_spec import Backend, Batch, Params
from lstm_spec.corpus import Vocabulary


class Task(Protocol):
    """What the training loop asks of a task."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Symbols by id."""

    @property
    def total_steps(self) -> int:
        """Updates of the run."""

    @property
    def fingerprint(self) -> str:
        """Changes when the data change."""

    @property
    def title(self) -> str:
        """What is learnt, for people."""

    @property
    def floor(self) -> float | None:
        """The lowest loss there can be, in nats per token, where it is known."""

    def batch(self, step: int) -> Batch:
        """Tokens, targets and mask of an update.

        What is in the columns that other processes need is never looked at.
        """

    def carries_state(self, step: int) -> bool:
        """Whether the update goes on from the state that the one before ended in."""

    def held_out(self, part: str) -> list[Batch]:
        """Consecutive windows of "validation" or "test", states carried along; may be empty."""

    def findings(self, backend: Backend, params: Params) -> list[str]:
        """What else is to be said of a trained model, one sentence a line."""


class Kind(NamedTuple):
    """How a task is made, and how its symbols are written; sampling needs no data.

    Attributes:
        make: the task.
        notation: of its symbols.
        split: the task in one of several processes, where each has to read some of the data alone.
    """

    make: Callable[[Options], Task]
    notation: Callable[[Options], Notation]
    split: Callable[[Options, Peers], Task] | None = None


# By the name that `Options.task` gives.
TASKS = {"anbn": Kind(AnBn, anbn.notation), "text": Kind(Text.read, text.notation, Text.split)}


def make_task(options: Options, peers: Peers = ALONE) -> Task:
    """The task that the options name, for one process or for one of several.

    Raises:
        InputError: its data cannot be used.
    """
    kind = TASKS[options.task]
    if peers.several and kind.split is not None:
        return kind.split(options, peers)
    return kind.make(options)


def notation_of(options: Options) -> Notation:
    """How the symbols of the options' task are written."""
    return TASKS[options.task].notation(options)
