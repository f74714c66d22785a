"""The folder of a run: configuration, metrics, checkpoints, plot."""

import json
from pathlib import Path
from typing import Any

from lstm_lm import checkpoint
from lstm_lm.checkpoint import Checkpoint
from lstm_lm.options import Options
from lstm_spec import InputError
from lstm_spec.files import UNFINISHED, write_whole


class RunFolder:
    """Names and writes the files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.jsonl"
        self.timing = self.path / "timing.json"
        self.plot = self.path / "loss.png"
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"

    def create(self, options: Options) -> None:
        """Make the folder and store the configuration.

        Raises:
            InputError: it holds a run already and may not be overwritten, or cannot be made.
        """
        files = (self.config, self.metrics, self.last, self.best, self.plot, self.timing)
        if not options.overwrite and any(file.exists() for file in files):
            raise InputError(
                f"{self.path}: holds a run already; go on with --resume {self.path}, "
                "or begin afresh with --overwrite"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for old in files:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be made: {error.strerror}") from error
        self.store(options)

    def store(self, options: Options) -> None:
        """Write the configuration."""
        write_whole(self.config, (json.dumps(options.to_json(), indent=1) + "\n").encode())

    def options(self) -> Options:
        """The stored configuration.

        Raises:
            InputError: there is none, or it is not readable.
        """
        try:
            return Options.from_json(json.loads(self.config.read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(
                f"{self.path}: no config.json can be read, expected the folder of a run"
            ) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{self.config}: not a configuration: {error}") from error

    def save(self, found: Checkpoint, *, best: bool) -> None:
        """Write the last checkpoint, and the best if this is it."""
        if best:
            checkpoint.save(self.best, found)
        checkpoint.save(self.last, found)

    def append(self, record: dict[str, Any]) -> None:
        """Add a line to the metrics; deterministic fields only.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        line = json.dumps(record) + "\n"
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise InputError(f"{self.metrics}: cannot be written: {error.strerror}") from error

    def cut_back(self, step: int) -> None:
        """Drop what an uninterrupted run would not have by now.

        That is the metrics of updates after `step`, the test's loss, which comes at the
        very end, a line that was cut off, and files that a killed run was still writing.
        """
        for unfinished in self.path.glob(f"{UNFINISHED}*"):
            unfinished.unlink(missing_ok=True)
        kept = [
            json.dumps(record)
            for record in self.records()
            if record["step"] <= step and "test" not in record
        ]
        write_whole(self.metrics, "".join(f"{line}\n" for line in kept).encode())

    def records(self) -> list[dict[str, Any]]:
        """The metrics up to a line that is none, as one that was cut off."""
        if not self.metrics.exists():
            return []
        found = []
        for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                break
            if not isinstance(record, dict) or "step" not in record:
                break
            found.append(record)
        return found


def next_free(task: str, root: Path = Path("runs")) -> Path:
    """`runs/anbn-1`, or the first number that is not taken."""
    number = 1
    while (root / f"{task}-{number}").exists():
        number += 1
    return root / f"{task}-{number}"
