"""The learning rate of each update, computed on the host in float64."""

import math
from typing import NamedTuple

from lstm_lm.config.options import Options


class Course(NamedTuple):
    """What the schedule and early stopping remember of the validations so far.

    Attributes:
        best: the lowest validation loss; infinity before the first.
        best_step: the update after which it was measured.
        stale: validations since then.
        cuts: how often `plateau` has halved the learning rate.
    """

    best: float = math.inf
    best_step: int = 0
    stale: int = 0
    cuts: int = 0

    def after(self, loss: float, step: int, options: Options) -> "Course":
        """The course after another validation."""
        if loss < self.best:
            return Course(loss, step, 0, self.cuts)
        stale = self.stale + 1
        cut = options.schedule == "plateau" and stale % options.plateau_patience == 0
        return Course(self.best, self.best_step, stale, self.cuts + cut)


def learning_rate(options: Options, step: int, total: int, course: Course) -> float:
    """The rate of an update.

    Args:
        options: `learning_rate`, `warmup`, `schedule`.
        step: from 0.
        total: updates of the whole run.
        course: for `plateau`.
    """
    assert options.learning_rate is not None
    assert options.warmup is not None
    if step < options.warmup:
        return options.learning_rate * (step + 1) / options.warmup
    if options.schedule == "plateau":
        return options.learning_rate * 0.5**course.cuts
    if options.schedule == "cosine":
        done = (step - options.warmup) / max(1, total - options.warmup)
        return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    return options.learning_rate
