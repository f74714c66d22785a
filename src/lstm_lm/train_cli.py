"""`scripts/train.py`: options in, a run folder out."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from lstm_lm import checkpoint
from lstm_lm.checkpoint import Checkpoint
from lstm_lm.ending import finish
from lstm_lm.engines import make_engine
from lstm_lm.exits import OK, InterruptedRunError, guarded
from lstm_lm.loop import Trainer, beginning
from lstm_lm.options import Options
from lstm_lm.plots import draw_both, relative_difference
from lstm_lm.progress import Progress
from lstm_lm.resume import given, require_fit, resumed_options
from lstm_lm.run_folder import RunFolder, next_free
from lstm_lm.tasks import Task, make_task, notation_of
from lstm_spec import InputError


@dataclass(frozen=True)
class Command:
    """What the command line holds besides the options."""

    options: Annotated[Options, tyro.conf.arg(name="")]
    resume: Path | None = None
    """Go on with the run in this folder, as if it had never stopped."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of scripts/train.py."""
    written = sys.argv[1:] if arguments is None else arguments
    sys.exit(guarded("train.py", lambda: _run(written)))


def _run(arguments: list[str]) -> int:
    command = tyro.cli(Command, prog="train.py", description=Options.__doc__, args=arguments)
    if command.resume:
        return _resume(RunFolder(command.resume), given(command.options, arguments))
    options = command.options.resolved()
    options = replace(options, out=options.out or next_free(options.task))
    return _both(options) if options.backend == "both" else _train(options)


def _resume(folder: RunFolder, changes: dict) -> int:
    options = resumed_options(folder, changes)
    start = checkpoint.load(folder.last) if folder.last.exists() else None
    if start is None:
        print(f"{folder.path}: no checkpoint yet, beginning anew")
    return _train(options, start, fresh=False)


def _train(
    options: Options, start: Checkpoint | None = None, fresh: bool = True, name: str = ""
) -> int:
    """One run from its beginning, or from a checkpoint, to its report."""
    prepare_jax(options)
    assert options.out is not None
    task, engine, folder = make_task(options), make_engine(options), RunFolder(options.out)
    if start is None:
        start = beginning(options, task)
    else:
        require_fit(start, options, task, folder.last)
    folder.create(options) if fresh else folder.store(options)
    progress = Progress(task.total_steps, notation_of(options).unit, name)
    _announce(progress, options, task, start.step)
    _run_to_end(Trainer(start._replace(options=options), task, engine, folder, progress))
    return OK


def _run_to_end(trainer: Trainer) -> None:
    try:
        trainer.run()
    except InterruptedRunError:
        trainer.progress.finish()
        path = trainer.folder.path
        print(f"\nstopped after update {trainer.step}; go on with --resume {path}", flush=True)
        raise
    finally:
        trainer.progress.finish()
    finish(trainer)


def prepare_jax(options: Options) -> None:
    """Ask JAX for the run's precision, before anything imports it."""
    if options.dtype == "float64":
        os.environ.setdefault("JAX_ENABLE_X64", "1")


def _announce(progress: Progress, options: Options, task: Task, step: int) -> None:
    resumed = f", from update {step:,}" if step else ""
    progress.console.print(
        f"{task.title}: vocabulary {len(task.vocabulary)}, {options.layers} × {options.hidden} "
        f"units, {options.backend} {options.dtype}, {task.total_steps:,} updates{resumed}",
        soft_wrap=True,
        markup=False,
    )


def _both(options: Options) -> int:
    """The same run on both backends, and their curves over each other."""
    assert options.out is not None
    path, names = options.out / "both.png", ("numpy", "jax")
    if path.exists() and not options.overwrite:
        raise InputError(f"{options.out}: holds a run already; begin afresh with --overwrite")
    for name in names:
        _train(replace(options, backend=name, out=options.out / name), name=name)
    curves = {name: RunFolder(options.out / name).records() for name in names}
    draw_both(curves, path, f"{options.task}, {options.dtype}: numpy and jax")
    steps, difference = relative_difference(*curves.values())
    for last in sorted({min(200, len(steps)), len(steps)}):
        print(
            f"largest relative difference of the losses in {last:,} updates: "
            f"{difference[:last].max():.1e}"
        )
    print(f"{path}: both curves and their difference")
    return OK
