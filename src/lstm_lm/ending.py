"""What a run leaves when it has come to its end: test loss, findings, plot, speed, a sample."""

import json

from lstm_lm.keep import checkpoint
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.loop import Trainer
from lstm_lm.plots import draw_loss
from lstm_lm.progress import describe
from lstm_lm.sampling import Choice, continuation
from lstm_lm.tasks.table import notation_of
from lstm_spec import load_backend
from lstm_spec.files import write_whole

SAMPLE_LENGTH, SAMPLE_TEMPERATURE = 80, 0.7


def finish(trainer: Trainer) -> None:
    """Judge the best model, and write what belongs into the run's folder."""
    folder, console = trainer.folder, trainer.progress.console
    best = trainer.peers.shared(lambda: checkpoint.load(folder.best))
    _test(trainer, best)
    if not trainer.peers.leads:
        return
    for sentence in trainer.task.findings(load_backend(best.options.backend), best.training.params):
        console.print(sentence, soft_wrap=True)
    title = f"{trainer.options.task}, {trainer.options.backend}"
    draw_loss(folder.records(), folder.plot, title, trainer.task.floor)
    speed = trainer.tokens / trainer.seconds if trainer.seconds else 0.0
    timing = {"tokens_per_second": speed, "seconds": trainer.seconds, "tokens": trainer.tokens}
    write_whole(folder.timing, (json.dumps(timing) + "\n").encode())
    console.print(f"sample: {_sample(best)}", markup=False, soft_wrap=True)
    console.print(f"saved in {folder.path}", soft_wrap=True)


def _test(trainer: Trainer, best: Checkpoint) -> None:
    """The loss on the test part, if there is one."""
    windows = trainer.task.held_out("test")
    if not windows:
        return
    loss = trainer.held_out_loss(trainer.engine.start(best.training).params, windows)
    trainer.folder.append({"step": trainer.step, "test": loss})
    described = describe(loss, notation_of(trainer.options).unit)
    trainer.progress.console.print(
        f"test {described} (best model, update {best.step:,})", soft_wrap=True
    )


def _sample(best: Checkpoint) -> str:
    """A few tokens by the best model."""
    backend = load_backend(best.options.backend)
    choice = Choice(SAMPLE_TEMPERATURE)
    return "".join(continuation(best, backend, None, SAMPLE_LENGTH, choice, best.options.seed))
