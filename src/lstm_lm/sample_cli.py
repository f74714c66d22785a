"""`scripts/sample.py`: text from a saved model."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from lstm_lm.config.options import instead_of_none
from lstm_lm.engines.cells import cell_of
from lstm_lm.engines.table import prepare_jax
from lstm_lm.keep import checkpoint
from lstm_lm.keep.folder import RunFolder
from lstm_lm.sampling import Choice, continuation
from lstm_lm.tasks.table import notation_of
from lstm_spec import InputError, load_backend
from lstm_spec.exits import OK, guarded


@dataclass(frozen=True)
class Sample:
    """Continue a text with a trained model."""

    run: tyro.conf.Positional[Path]
    """Folder of a run, or a checkpoint."""
    prime: Annotated[str | None, instead_of_none("the model's most frequent token")] = None
    """Text to begin with."""
    length: int = 500
    """Tokens to add."""
    temperature: float = 1.0
    """Divides the logits: below 1 bolder, above 1 wilder."""
    top_k: int = 0
    """Choose among the k likeliest tokens; 0: all."""
    top_p: float = 1.0
    """Choose among the likeliest tokens that together have this probability."""
    greedy: bool = False
    """Always the likeliest token."""
    seed: int = 0
    """The same seed gives the same text."""
    backend: Annotated[str | None, instead_of_none("what the model was trained with")] = None
    """numpy, jax or jax-manual."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of scripts/sample.py."""
    sys.exit(
        guarded("sample.py", lambda: _sample(tyro.cli(Sample, prog="sample.py", args=arguments)))
    )


def _sample(command: Sample) -> int:
    for name in ("length", "seed"):
        if getattr(command, name) < 0:
            raise InputError(f"--{name}: got {getattr(command, name)}, expected 0 or more")
    choice = Choice(command.temperature, command.top_k, command.top_p, command.greedy)
    found = checkpoint.load(_file(command.run))
    prepare_jax(found.options)
    name = command.backend or found.options.backend
    backend = load_backend(name)
    if cell_of(replace(found.options, backend=name)) is not cell_of(found.options):
        raise InputError(
            f"--backend: got {name}, but the model was trained with {found.options.backend}"
        )
    if command.prime is not None:
        _warn(*notation_of(found.options).encode(command.prime, found.vocabulary)[1])
    for text in continuation(found, backend, command.prime, command.length, choice, command.seed):
        # To the terminal at once, not when a buffer is full.
        print(text, end="", flush=True)
    print()
    return OK


def _file(run: Path) -> Path:
    """The best checkpoint of a run's folder, or the file that was named."""
    if not run.exists():
        raise InputError(f"{run}: not found, expected the folder of a run, or a checkpoint")
    return RunFolder(run).best if run.is_dir() else run


def _warn(*unknown: str) -> None:
    if unknown:
        print(f"sample.py: unknown to the model: {' '.join(map(repr, unknown))}", file=sys.stderr)
