"""The training loop: the same for every task and every backend."""

import math
import time

import numpy as np

from lstm_lm.config.options import Options
from lstm_lm.engines.cells import cell_of
from lstm_lm.engines.dropout import dropout_factors
from lstm_lm.engines.engine import Engine, Training
from lstm_lm.engines.optimizers import Optimizer
from lstm_lm.engines.schedule import Course, learning_rate
from lstm_lm.keep import signals
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.keep.folder import RunFolder
from lstm_lm.keep.signals import StoppedError
from lstm_lm.peers import Peers
from lstm_lm.progress import Progress
from lstm_lm.tasks.table import Task
from lstm_spec import Batch, InputError, Params
from lstm_spec.tree import tree_map


class SickRunError(InputError):
    """The loss, or a gradient, is no longer a number."""


def beginning(options: Options, task: Task) -> Checkpoint:
    """A run before its first update."""
    cell, config = cell_of(options), options.config(len(task.vocabulary))
    params = cell.init(config, options)
    carry = cell.zero_state(config, options.batch or 1)
    training = Training(params, Optimizer(options).init(params), carry)
    return Checkpoint(options, task.vocabulary, task.fingerprint, 0, training, Course())


class Trainer:
    """One run, from a checkpoint to its end."""

    def __init__(
        self, start: Checkpoint, task: Task, engine: Engine, folder: RunFolder, progress: Progress,
        peers: Peers,
    ) -> None:  # fmt: skip
        self.options, self.task, self.engine, self.folder = start.options, task, engine, folder
        self.progress, self.peers = progress, peers
        self.step, self.course = start.step, start.course
        self.saved = start.step > 0
        self.unvalidated = start.commit is not None and start.commit.unvalidated
        self.training = engine.start(start.training)
        self.validation = task.held_out("validation")
        self.finite_loss = math.nan
        self.seconds, self.tokens = 0.0, 0

    def run(self) -> None:
        """Update until the end, an early stop, or a signal.

        Raises:
            SickRunError: the loss or a gradient is no longer finite.
            StoppedError: a signal came; everything is committed.
            InputError: a file cannot be written.
        """
        with signals.deferred() as stop:
            if self.unvalidated:
                self._validate(stop)
            while self.step < self.task.total_steps and not self._out_of_patience():
                self._update()
                due = self.step % (self.options.evaluate_every or 1) == 0
                validated = due or self.step == self.task.total_steps
                if validated:
                    self._validate(stop)
                asked = self._asked(stop)
                if asked and not validated:
                    self._save(best=False)
                if asked:
                    raise StoppedError(asked)
        self.progress.finish()

    def _update(self) -> None:
        batch = self._batch()
        rate = learning_rate(self.options, self.step, self.task.total_steps, self.course)
        start = time.perf_counter()
        self._require_health()
        training, loss, norm = self.engine.update(self.training, batch, rate)
        self.seconds += time.perf_counter() - start
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._sick(batch, loss)
        self.training, self.step, self.finite_loss = training, self.step + 1, loss
        self.tokens += batch.tokens.size if batch.mask is None else int(batch.mask.sum())
        self.folder.append({"step": self.step, "loss": loss, "norm": norm, "rate": rate})
        self.progress.update(self.step, loss, self.tokens / self.seconds)

    def _batch(self) -> Batch:
        """The task's batch, with the carried state and dropout."""
        batch = self.task.batch(self.step)
        state = self.training.carry
        if not self.task.carries_state(self.step):
            state = tree_map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), state)
        factors = dropout_factors(self.options, self.step, len(batch.tokens))
        return batch._replace(initial_state=state, dropout=factors)

    def _validate(self, stop: signals.Stop) -> None:
        """Measure the held-out loss, record it, and save; without held-out data, only save.

        A signal ends the measurement; it is made when the run goes on.
        """
        best = True
        self._require_health()
        if self.validation:
            loss = self.held_out_loss(self.training.params, self.validation, stop)
            asked = self._asked(stop)
            if asked:
                self.folder.commit(self.checkpoint(), best=False, unvalidated=True)
                raise StoppedError(asked)
            self.course = self.course.after(loss, self.step, self.options)
            best = self.course.best_step == self.step
            self.folder.append({"step": self.step, "validation": loss})
            self.progress.validated(self.step, loss, best)
        self._save(best=best)

    def held_out_loss(
        self, params: Params, windows: list[Batch], stop: signals.Stop | None = None
    ) -> float:
        """Mean nats per token over consecutive windows, states carried from one to the next.

        Args:
            params: the model.
            windows: at least one.
            stop: where it asks for an end, what has been read until then.
        """
        total, count = 0.0, 0
        config = self.options.config(len(self.task.vocabulary))
        state = cell_of(self.options).zero_state(config, windows[0].tokens.shape[1])
        for window in windows:
            if count and stop is not None and self._asked(stop):
                break
            loss, state = self.engine.loss(params, window._replace(initial_state=state))
            tokens = int(window.mask.sum()) if window.mask is not None else window.tokens.size
            total, count = total + loss * tokens, count + tokens
        return total / count

    def checkpoint(self) -> Checkpoint:
        """The run as it stands, in NumPy arrays."""
        task, training = self.task, self.engine.to_host(self.training)
        return Checkpoint(
            self.options, task.vocabulary, task.fingerprint, self.step, training, self.course
        )

    def _asked(self, stop: signals.Stop) -> int:
        """The signal that any of the processes has got; all look at the same time."""
        return self.peers.agreed(stop.asked)

    def _require_health(self) -> None:
        """A weight that is no number must not be used, nor saved over good ones."""
        if self.engine.first_sick(self.training.params) is not None:
            raise self._sick(None, math.nan)

    def _save(self, *, best: bool) -> None:
        self._require_health()
        self.folder.commit(self.checkpoint(), best=best)
        self.saved = True

    def _out_of_patience(self) -> bool:
        return 0 < self.options.patience <= self.course.stale

    def _sick(self, batch: Batch | None, loss: float) -> SickRunError:
        """Say what is no longer a number, and where the last good state is."""
        kept = self.folder.last if self.saved else "none was saved yet"
        return SickRunError(
            f"update {self.step + 1}: the loss is {loss:.6g}, the last finite one was "
            f"{self.finite_loss:.6g}; first to go: {self._first_to_go(batch)}; "
            f"last good checkpoint: {kept}. Try a lower --learning-rate or --clip."
        )

    def _first_to_go(self, batch: Batch | None) -> str:
        weight = self.engine.first_sick(self.training.params)
        if weight is not None or batch is None:
            return f"weight {weight}"
        gradient = self.engine.first_sick(self.engine.gradients(self.training.params, batch))
        return f"gradient {gradient}" if gradient else "the loss, with finite weights and gradients"
