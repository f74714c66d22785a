"""`scripts/train.py`: options in, a run folder out."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from jax_mesh.watch import is_watched, run_again
from lstm_lm.config.options import Options, instead_of_none
from lstm_lm.config.rules import require_effect
from lstm_lm.ending import finish
from lstm_lm.engines.numpy_engine import settled
from lstm_lm.engines.table import make_engine, prepare_jax
from lstm_lm.keep import signals
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.keep.folder import RunFolder, numbered
from lstm_lm.keep.onlooker import Onlooker
from lstm_lm.keep.signals import StoppedError
from lstm_lm.keep.taking_up import take_up, take_up_best
from lstm_lm.loop import Trainer, beginning
from lstm_lm.peers import Alone, Peers
from lstm_lm.plots import draw_over_each_other, relative_difference
from lstm_lm.progress import Progress
from lstm_lm.resume import given, require_fit, resumed_options
from lstm_lm.tasks.table import Task, make_task, notation_of
from lstm_spec import InputError
from lstm_spec.exits import OK, guarded


@dataclass(frozen=True)
class Command:
    """What the command line holds besides the options."""

    options: Annotated[Options, tyro.conf.arg(name="")]
    resume: Annotated[Path | None, instead_of_none("a run begins")] = None
    """Go on with the run in this folder, as if it had never stopped."""
    from_best: bool = False
    """With --resume: go on from the best checkpoint, where the last one is lost."""
    forget_best: bool = False
    """With --resume: go on without the best checkpoint, where that is lost."""
    coordinator: Annotated[str | None, instead_of_none("this process is the only one")] = None
    """Host and port of process 0 of several, or "auto" in SLURM, Open MPI or Kubernetes."""
    process_count: Annotated[int | None, instead_of_none("as the cluster says")] = None
    """With --coordinator: how many processes there are."""
    process_id: Annotated[int | None, instead_of_none("as the cluster says")] = None
    """With --coordinator: which of them this is, from 0."""
    join_within: int = 25
    """With --coordinator: seconds to wait for the others."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of scripts/train.py."""
    written = sys.argv[1:] if arguments is None else arguments
    sys.exit(guarded("train.py", lambda: _run(written)))


def _run(arguments: list[str]) -> int:
    """One command, to its end or to a signal."""
    try:
        return _begun_or_resumed(arguments)
    except StoppedError as stopped:
        return stopped.code


def _begun_or_resumed(arguments: list[str]) -> int:
    command = tyro.cli(Command, prog="train.py", description=Options.__doc__, args=arguments)
    if command.coordinator is not None and not is_watched():
        return run_again(command.join_within)
    asked = given(command.options, arguments)
    if command.resume:
        return _resume(command, asked)
    for name in ("from_best", "forget_best"):
        if getattr(command, name):
            raise InputError(f"--{name.replace('_', '-')}: goes with --resume only")
    options = command.options.resolved()
    require_effect(asked, vars(options))
    peers = _joined(command, options)
    return _both(options, peers) if options.backend == "both" else _train(options, peers)


def _train(options: Options, peers: Peers, name: str = "") -> int:
    """One run from its beginning to its report."""
    task = make_task(options, peers)
    options = settled(options, len(task.vocabulary), task.batch(0))
    engine = make_engine(options)
    out = peers.shared(lambda: options.out or numbered(options.task))
    options = replace(options, out=out)
    start, folder = beginning(options, task), _folder(out, peers)
    with _held(folder, peers):
        folder.begin(start)
        progress = _progress(options, task, start.step, peers, name)
        _run_to_end(Trainer(start, task, engine, folder, progress, peers))
    return OK


def _resume(command: Command, changes: dict) -> int:
    """A run from where it was left to its report."""
    assert command.resume is not None
    folder = RunFolder(command.resume)
    if command.coordinator is None:
        peers = _alone(command)
    else:  # the others find each other before anybody takes the folder
        peers = _joined(command, resumed_options(folder.options(), folder, changes))
    folder = _folder(command.resume, peers)
    with _held(folder, peers):
        folder.take()
        start, said = peers.shared(lambda: _taken_up(command, folder))
        options = resumed_options(start.options, folder, changes)
        prepare_jax(options, command.process_count or 1)
        task = make_task(options, peers)
        require_fit(start, options, task, folder.last)
        options = settled(options, len(task.vocabulary), task.batch(start.step))
        engine = make_engine(options)
        if options != start.options:
            start = start._replace(options=options)
            folder.reconfigure(start, folder.committed)
        progress = _progress(options, task, start.step, peers)
        for sentence in said:
            progress.console.print(sentence, soft_wrap=True, markup=False)
        _run_to_end(Trainer(start, task, engine, folder, progress, peers))
    return OK


def _taken_up(command: Command, folder: RunFolder) -> tuple[Checkpoint, list[str]]:
    if command.from_best:
        return take_up_best(folder)
    return take_up(folder, command.forget_best)


def _joined(command: Command, options: Options) -> Peers:
    """This process alone, or one of several."""
    prepare_jax(options, command.process_count or 1)
    if command.coordinator is None:
        return _alone(command)
    if options.backend not in ("jax", "jax-manual"):
        raise InputError(
            f"--coordinator: got backend {options.backend}, expected jax or jax-manual"
        )
    from jax_mesh.group import join

    several = command.process_count, command.process_id
    return join(command.coordinator, *several, command.join_within)


def _alone(command: Command) -> Peers:
    for name in ("process_count", "process_id"):
        if getattr(command, name) is not None:
            raise InputError(f"--{name.replace('_', '-')}: goes with --coordinator only")
    return Alone()


def _folder(path: Path, peers: Peers) -> RunFolder:
    return RunFolder(path) if peers.leads else Onlooker(path)


@contextmanager
def _held(folder: RunFolder, peers: Peers) -> Iterator[None]:
    """Give the folder back at the end, whatever happens; until then say how to go on."""
    peers.how_to_go_on = f"go on with --resume {folder.path}"
    signals.stop.message = f"stopped; {peers.how_to_go_on}"
    try:
        yield
    finally:
        folder.release()


def _run_to_end(trainer: Trainer) -> None:
    with trainer.peers.watched():
        try:
            trainer.run()
        except StoppedError:
            trainer.progress.finish()
            path = trainer.folder.path
            trainer.progress.console.print(
                f"\nstopped after update {trainer.step}; go on with --resume {path}",
                soft_wrap=True, markup=False,
            )  # fmt: skip
            raise
        finally:
            trainer.progress.finish()
        finish(trainer)


def _progress(options: Options, task: Task, step: int, peers: Peers, name: str = "") -> Progress:
    """What is seen of a run, its first line already."""
    unit = notation_of(options).unit
    progress = Progress(task.total_steps, unit, name, quiet=not peers.leads)
    resumed = f", from update {step:,}" if step else ""
    progress.console.print(
        f"{task.title}: vocabulary {len(task.vocabulary)}, {options.layers} × {options.hidden} "
        f"units, {options.backend} {options.dtype}, {task.total_steps:,} updates{resumed}",
        soft_wrap=True,
        markup=False,
    )
    return progress


def _both(options: Options, peers: Peers) -> int:
    """The same run on both backends, and their curves over each other."""
    options = replace(options, out=options.out or numbered(options.task))
    assert options.out is not None
    path, names = options.out / "both.png", ("numpy", "jax")
    if path.exists() and not options.overwrite:
        raise InputError(f"{options.out}: holds a run already; begin afresh with --overwrite")
    for name in names:
        _train(replace(options, backend=name, out=options.out / name), peers, name)
    curves = {name: RunFolder(options.out / name).records() for name in names}
    draw_over_each_other(curves, path, f"{options.task}, {options.dtype}: numpy and jax")
    steps, difference = relative_difference(curves["jax"], curves["numpy"])
    for last in sorted({min(200, len(steps)), len(steps)}):
        print(
            f"largest relative difference of the losses in {last:,} updates: "
            f"{difference[:last].max():.1e}"
        )
    print(f"{path}: both curves and their difference")
    return OK
