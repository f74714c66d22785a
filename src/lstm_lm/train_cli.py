"""`scripts/train.py`: options in, a run folder out."""

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import tyro

from lstm_lm import anbn_report, checkpoint
from lstm_lm.checkpoint import Checkpoint
from lstm_lm.engines import make_engine
from lstm_lm.loop import InterruptedRunError, Trainer, beginning
from lstm_lm.options import Options
from lstm_lm.plots import draw_both, draw_loss, relative_difference
from lstm_lm.progress import Progress, describe
from lstm_lm.run_folder import RunFolder, next_free
from lstm_lm.sampling import Choice, sample
from lstm_lm.tasks import Task, make_task
from lstm_spec import InputError, load_backend
from lstm_spec.corpus import ANBN_LONGEST
from lstm_spec.files import write_whole

OK, BAD_USE, INTERRUPTED = 0, 2, 130
# What may change when a run goes on: these touch neither the model nor what it has seen.
CHANGEABLE = {
    "backend", "keep_every", "steps", "epochs", "evaluate_every", "patience", "overwrite", "data",
    "out",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """What the command line holds besides the options."""

    options: Annotated[Options, tyro.conf.arg(name="")]
    resume: Path | None = None
    """Go on with the run in this folder, as if it had never stopped."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of scripts/train.py."""
    sys.exit(guarded("train.py", lambda: _run(arguments)))


def guarded(name: str, work: Callable[[], int]) -> int:
    """Run something; a user's mistake is one message on standard error and exit code 2."""
    try:
        return work()
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return BAD_USE
    except (KeyboardInterrupt, InterruptedRunError):
        return INTERRUPTED


def _run(arguments: list[str] | None) -> int:
    command = tyro.cli(Command, prog="train.py", description=Options.__doc__, args=arguments)
    if command.resume:
        return _resume(command.resume, _given(arguments, command))
    options = command.options.resolved()
    out = options.out or next_free(options.task)
    options = replace(options, out=out)
    if options.backend == "both":
        return _both(options)
    return _train(options, None)


def _given(arguments: list[str] | None, command: Command) -> dict:
    """The options that were written on the command line."""
    written = {a.split("=")[0] for a in (sys.argv[1:] if arguments is None else arguments)}
    flags = {f.name: f"--{f.name.replace('_', '-')}" for f in fields(Options)}
    return {
        name: getattr(command.options, name)
        for name, flag in flags.items()
        if flag in written or flag.replace("--", "--no-", 1) in written
    }


def _resume(path: Path, given: dict) -> int:
    folder = RunFolder(path)
    stored = folder.options()
    changed = {k: v for k, v in given.items() if v != getattr(stored, k)}
    fixed = sorted(set(changed) - CHANGEABLE)
    if fixed:
        name = fixed[0]
        raise InputError(
            f"--{name.replace('_', '-')}: got {changed[name]}, but the run in {path} has "
            f"{getattr(stored, name)}; it cannot change when a run goes on"
        )
    options = replace(stored, **changed, out=path).resolved()
    start = checkpoint.load(folder.last) if folder.last.exists() else None
    if start is None:
        print(f"{path}: no checkpoint yet, beginning anew")
    return _train(options, start, fresh=False)


def _train(options: Options, start: Checkpoint | None, fresh: bool = True, name: str = "") -> int:
    """One run from its beginning, or from a checkpoint, to its report."""
    prepare_jax(options)
    task = make_task(options)
    engine = make_engine(options)
    assert options.out is not None
    folder = RunFolder(options.out)
    folder.create(options) if fresh else folder.store(options)
    if start is None:
        start = beginning(options, task)
    else:
        require_fit(start, task, folder.last)
        start = start._replace(options=options)
    progress = Progress(task.total_steps, options.tokens if options.task == "text" else "", name)
    _announce(progress, options, task, start.step)
    trainer = Trainer(start, task, engine, folder, progress)
    try:
        trainer.run()
    except InterruptedRunError:
        progress.finish()
        print(f"\nstopped after update {trainer.step}; go on with --resume {folder.path}")
        raise
    finally:
        progress.finish()
    _finish(trainer, task, folder)
    return OK


def prepare_jax(options: Options) -> None:
    """Ask JAX for the run's precision, before anything imports it."""
    if options.dtype == "float64":
        os.environ.setdefault("JAX_ENABLE_X64", "1")


def require_fit(start: Checkpoint, task: Task, path: Path) -> None:
    """Refuse a checkpoint that belongs to other data.

    Raises:
        InputError: vocabulary or data differ.
    """
    if start.vocabulary.symbols != task.vocabulary.symbols:
        raise InputError(
            f"{path}: has a vocabulary of {len(start.vocabulary)}, the data gives "
            f"{len(task.vocabulary)} other symbols: not the data it was trained on"
        )
    if start.fingerprint != task.fingerprint:
        raise InputError(f"{path}: was trained on other data; the text has changed since")


def _announce(progress: Progress, options: Options, task: Task, step: int) -> None:
    what = f"{options.data}" if options.data else f"aⁿbⁿ, n = 1 … {ANBN_LONGEST}"
    resumed = f", from update {step:,}" if step else ""
    progress.console.print(
        f"{what}: vocabulary {len(task.vocabulary)}, {options.layers} × {options.hidden} units, "
        f"{options.backend} {options.dtype}, {task.total_steps:,} updates{resumed}"
    )


def _finish(trainer: Trainer, task: Task, folder: RunFolder) -> None:
    """Test loss, plot, sample and summary of the best model."""
    options, console = trainer.options, trainer.progress.console
    unit = options.tokens if options.task == "text" else ""
    best = checkpoint.load(folder.best)
    params = trainer.engine.start(best.training).params
    test = task.held_out("test")
    if test:
        loss = trainer.held_out_loss(params, test)
        folder.append({"step": trainer.step, "test": loss})
        console.print(f"test {describe(loss, unit)} (best model, update {best.step:,})")
    backend = load_backend(options.backend)
    floor = None
    if options.task == "anbn":
        floor = math.log(ANBN_LONGEST) / (ANBN_LONGEST + 1)
        for sentence in anbn_report.report(backend, best.training.params).sentences():
            console.print(sentence, soft_wrap=True)
    draw_loss(folder.records(), folder.plot, f"{options.task}, {options.backend}", floor)
    speed = trainer.tokens / trainer.seconds if trainer.seconds else 0.0
    timing = {"tokens_per_second": speed, "seconds": trainer.seconds, "tokens": trainer.tokens}
    write_whole(folder.timing, (json.dumps(timing) + "\n").encode())
    console.print(f"sample: {_short_sample(best, task)}", markup=False)
    console.print(f"saved in {folder.path}")


def _short_sample(best: Checkpoint, task: Task) -> str:
    """A few tokens by the best model."""
    options = best.options
    prime = task.encode("a a a b") if options.task == "anbn" else np_first_token(task)
    ids = sample(load_backend("numpy"), best.training.params, prime, 80, Choice(0.7), options.seed)
    symbols = [best.vocabulary.symbols[i] for i in prime]
    for token in ids:
        symbols.append(best.vocabulary.symbols[token])
        if symbols[-1] == "EOS":
            break
    return task.separator.join(symbols)


def np_first_token(task: Task):  # type: ignore[no-untyped-def]
    """The first token of the data."""
    return task.batch(0).tokens[:1, 0]


def _both(options: Options) -> int:
    """The same run on both backends, and their curves over each other."""
    assert options.out is not None
    if (options.out / "both.png").exists() and not options.overwrite:
        raise InputError(f"{options.out}: holds a run already; begin afresh with --overwrite")
    names = ("numpy", "jax")
    for name in names:
        _train(replace(options, backend=name, out=options.out / name), None, name=name)
    curves = {name: RunFolder(options.out / name).records() for name in names}
    path = options.out / "both.png"
    draw_both(curves, path, f"{options.task}, {options.dtype}: numpy and jax")
    steps, difference = relative_difference(*curves.values())
    for last in sorted({min(200, len(steps)), len(steps)}):
        print(
            f"largest relative difference of the losses in {last:,} updates: "
            f"{difference[:last].max():.1e}"
        )
    print(f"{path}: both curves and their difference")
    return OK
