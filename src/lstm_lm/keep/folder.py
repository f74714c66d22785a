"""The folder of a run: configuration, metrics, checkpoints, plot; and the commit that binds them.

`last.safetensors` is the commit point. It names the configuration's digest, the metrics' extent and
the best checkpoint. What it names is written before it, under another name (`.next`) where the old
one is still needed, and takes its place after it; a folder found in between is put forward.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from lstm_lm.config.options import Options, run_path
from lstm_lm.keep import metrics
from lstm_lm.keep.checkpoint import Checkpoint, Encoding
from lstm_lm.keep.contents import Best, Commit, Extent
from lstm_lm.keep.disk import Disk, told
from lstm_lm.keep.owner import Owner
from lstm_lm.keep.regular_files import read
from lstm_spec import InputError

NEXT = ".next"
MOST_CONFIG = 2**20  # bytes
CONFIG = "a run's configuration"


class RunFolder:
    """Names and writes the files of one run.

    Attributes:
        path, config, metrics, timing, plot, last, best: the folder and its files.
        disk: how it is written to.
        committed: what belongs to the last commit.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.jsonl"
        self.timing = self.path / "timing.json"
        self.plot = self.path / "loss.png"
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"
        self.disk = Disk(self.path)
        self._owner = Owner(self.path)
        self._writer: metrics.Writer | None = None
        self.committed = Commit(Extent(), "0" * 64)

    def take(self) -> None:
        """Become the only one who writes here, until `release`.

        Raises:
            InputError: another process is, or there is no such folder.
        """
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such folder, expected that of a run")
        self._owner.take()
        self.disk.flush(whatever=True)  # what the one before has renamed lasts from here on
        self.disk.tidy()

    def release(self) -> None:
        """Let others write."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._owner.release()

    def begin(self, start: Checkpoint) -> None:
        """Make the folder, take it, and commit a run's beginning; whatever was there goes then.

        Raises:
            InputError: it holds a run already and may not be overwritten, or cannot be made.
        """
        files = (self.config, self.metrics, self.last, self.best, self.plot, self.timing)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be made: {error.strerror}") from error
        self.take()
        there = any(file.exists() or file.is_symlink() for file in files)
        if there and not start.options.overwrite:
            raise InputError(
                f"{self.path}: holds a run already; go on with --resume {self.path}, "
                "or begin afresh with --overwrite"
            )
        self.reconfigure(start, Commit(Extent(), "0" * 64))
        for old in (self.best, self.metrics, self.plot, self.timing):
            self.disk.remove(old.name)
        self.disk.flush()
        self.hold_metrics(b"")

    def options(self) -> Options:
        """The stored configuration.

        Raises:
            InputError: there is none, or it is not readable.
        """
        content = read(self.config, CONFIG, MOST_CONFIG)
        try:
            return Options.from_json(json.loads(content))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{self.config}: not a configuration: {error}") from error

    def commit(self, found: Checkpoint, *, best: bool, unvalidated: bool = False) -> None:
        """Write the last checkpoint, and the best if this is it, with all that belongs to them.

        Raises:
            InputError: it cannot be written; what was committed before is untouched.
        """
        assert self._writer is not None
        try:
            now = Commit(
                self._writer.flushed(), self.committed.config, self.committed.best, unvalidated,
                self.committed.forgotten,
            )  # fmt: skip
            encoding = Encoding(found.training)
            staged = self._staged_best(found, now, encoding) if best else None
            if staged is not None:
                now = Commit(now.metrics, now.config, staged, unvalidated, now.forgotten)
            self.write_last(found, now, encoding)
            if staged is not None:
                self.disk.rename(next_best(staged), self.best.name)
        except OSError as error:
            raise told(self.last, error) from error

    def append(self, record: dict[str, Any]) -> None:
        """Add a line to the metrics; deterministic fields only.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        assert self._writer is not None
        self._writer.append(record)

    def records(self) -> list[dict[str, Any]]:
        """The metrics up to a line that is none."""
        return list(metrics.read(self.metrics))

    def hold_metrics(self, content: bytes) -> None:
        """Go on with metrics that hold this."""
        if self._writer is not None:
            self._writer.close()
        self._writer = metrics.Writer(self.metrics, content)

    def reconfigure(self, start: Checkpoint, before: Commit) -> None:
        """Commit a checkpoint with its own configuration.

        Args:
            start: the checkpoint.
            before: what else belongs to it.

        Raises:
            InputError: it cannot be written.
        """
        content = config_text(start.options)
        sha256 = hashlib.sha256(content).hexdigest()
        commit = Commit(before.metrics, sha256, before.best, before.unvalidated, before.forgotten)
        try:
            self.disk.write(self.config.name + NEXT, content)
            self.disk.flush()
            self.write_last(start, commit)
            self.disk.rename(self.config.name + NEXT, self.config.name)
            self.disk.flush()
        except OSError as error:
            raise told(self.last, error) from error

    def _staged_best(self, found: Checkpoint, now: Commit, encoding: Encoding) -> Best:
        """Write the best checkpoint beside the one before."""
        own = Commit(now.metrics, now.config, None, forgotten=now.forgotten)
        content, sha256 = encoding.of(found._replace(commit=own))
        best = Best(found.step, sha256)
        self.disk.write(next_best(best), content)
        self.disk.flush()
        return best

    def write_last(
        self, found: Checkpoint, commit: Commit, encoding: Encoding | None = None
    ) -> None:
        """Commit a checkpoint, now that what it names is there."""
        encoding = encoding or Encoding(found.training)
        content, _ = encoding.of(found._replace(commit=commit))
        self.disk.write(self.last.name, content)
        self.disk.flush()
        self.committed = commit


def numbered(task: str, root: Path = Path()) -> Path:
    """Make `runs/anbn-1`, or the first number that nobody has taken.

    Raises:
        InputError: it cannot be made.
    """
    number = 1
    while True:
        path = root / run_path(task, number)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise InputError(f"{path}: cannot be made: {error.strerror}") from error
        else:
            return path


def config_text(options: Options) -> bytes:
    """A configuration as the folder holds it."""
    return (json.dumps(options.to_json(), indent=1) + "\n").encode()


def next_best(best: Best) -> str:
    """What a best checkpoint is called until it is committed."""
    return f"best-{best.step}.safetensors{NEXT}"
