"""`scripts/sample.py`: text from a saved model."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from lstm_lm import checkpoint
from lstm_lm.checkpoint import Checkpoint
from lstm_lm.run_folder import RunFolder
from lstm_lm.sampling import Choice, sample
from lstm_lm.tasks import split
from lstm_lm.train_cli import OK, guarded, prepare_jax
from lstm_spec import InputError, load_backend
from lstm_spec.corpus import UNKNOWN


@dataclass(frozen=True)
class Sample:
    """Continue a text with a trained model."""

    run: tyro.conf.Positional[Path]
    """Folder of a run, or a checkpoint."""
    prime: str = ""
    """Text to begin with; without it, the model's most frequent token."""
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
    backend: str | None = None
    """numpy or jax; without it, what the model was trained with."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of scripts/sample.py."""
    command = tyro.cli(Sample, prog="sample.py", args=arguments)
    sys.exit(guarded("sample.py", lambda: _sample(command)))


def _sample(command: Sample) -> int:
    if command.length < 0 or command.seed < 0:
        raise InputError("--length and --seed: expected 0 or more")
    choice = Choice(command.temperature, command.top_k, command.top_p, command.greedy)
    path = RunFolder(command.run).best if command.run.is_dir() else command.run
    found = checkpoint.load(path)
    prepare_jax(found.options)
    backend = load_backend(command.backend or found.options.backend)
    prime = _prime(command.prime, found)
    words = found.options.task == "text" and found.options.tokens == "words"
    separator = " " if words or found.options.task == "anbn" else ""
    _write(command.prime, "")
    params = found.training.params
    for token in sample(backend, params, prime, command.length, choice, command.seed):
        symbol = found.vocabulary.symbols[token]
        _write(symbol, separator if symbol != "\n" else "")
        if symbol == "EOS":
            break
    _write("\n", "")
    return OK


def _prime(text: str, found: Checkpoint) -> np.ndarray:
    """Ids of the prime; symbols that the model does not know are named."""
    if not text:
        return np.array([min(1, len(found.vocabulary) - 1)] if found.options.data else [0])
    symbols = list(split(text, found.options.tokens)) if found.options.data else text.split()
    ids = found.vocabulary.encode(symbols)
    unknown = sorted({s for s, i in zip(symbols, ids, strict=True) if i == 0 and s != "a"})
    if unknown and found.options.data:
        print(f"sample.py: unknown to the model: {' '.join(map(repr, unknown))}", file=sys.stderr)
    return ids


def _write(symbol: str, separator: str) -> None:
    """To the terminal at once, not when a buffer is full."""
    text = "UNK" if symbol == UNKNOWN else symbol
    sys.stdout.write(f"{separator}{text}")
    sys.stdout.flush()
