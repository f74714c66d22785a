"""Going on with a run: what may change, and which checkpoint belongs to it."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lstm_lm.config.options import Options
from lstm_lm.config.rules import flag, require_effect
from lstm_lm.engines.cells import cell_of
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.keep.folder import RunFolder
from lstm_lm.tasks.table import Task
from lstm_spec import InputError

# What may change when a run goes on: these touch neither the model nor what it has seen.
CHANGEABLE = {
    "backend",
    "keep_every",
    "mesh",
    "steps",
    "epochs",
    "evaluate_every",
    "patience",
    "pieces",
    "processes",
    "data",
}


def given(options: Options, arguments: list[str]) -> dict[str, Any]:
    """The options that were written on the command line."""
    written = {a.split("=")[0].replace("_", "-") for a in arguments if a.startswith("--")}
    return {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if flag(field.name) in written or f"--no{flag(field.name)[1:]}" in written
    }


def resumed_options(stored: Options, folder: RunFolder, changes: dict[str, Any]) -> Options:
    """A run's options, changed as far as they may be.

    Raises:
        InputError: names the option that cannot change, or would have no effect.
    """
    for name in ("out", "overwrite"):
        if name in changes:
            raise InputError(f"{flag(name)}: does not go with --resume {folder.path}")
    changed = {k: v for k, v in changes.items() if v != getattr(stored, k)}
    for name in sorted(set(changed) - CHANGEABLE):
        raise InputError(
            f"{flag(name)}: got {changed[name]}, but the run in {folder.path} has "
            f"{getattr(stored, name)}; it cannot change when a run goes on"
        )
    options = replace(stored, **changed, out=folder.path).resolved()
    require_effect(changes, vars(options))
    if cell_of(options) is not cell_of(stored) or options.backend == "both":
        raise InputError(
            f"--backend: got {options.backend}, but the run in {folder.path} has {stored.backend}"
        )
    return options


def require_fit(start: Checkpoint, options: Options, task: Task, path: Path) -> None:
    """Refuse a checkpoint that belongs to another configuration or to other data.

    Raises:
        InputError: vocabulary, data or options differ.
    """
    for field in fields(options):
        ours, theirs = getattr(options, field.name), getattr(start.options, field.name)
        if field.name not in CHANGEABLE | {"out", "overwrite"} and ours != theirs:
            found = f"has {field.name} {theirs}, config.json beside it {ours}"
            raise InputError(f"{path}: {found}: not the same run")
    if start.vocabulary.symbols != task.vocabulary.symbols:
        raise InputError(
            f"{path}: has a vocabulary of {len(start.vocabulary)}, the data gives "
            f"{len(task.vocabulary)} other symbols: not the data it was trained on"
        )
    if start.fingerprint != task.fingerprint:
        raise InputError(f"{path}: was trained on other data; the text has changed since")
    if start.step > task.total_steps:
        made = f"the run has made {start.step} already"
        raise InputError(f"--steps: {task.total_steps} updates in all, but {made}")
