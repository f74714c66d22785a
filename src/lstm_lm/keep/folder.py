"""The folder of a run: configuration, metrics, checkpoints, plot; and the commit that binds them.

`last.safetensors` is the commit point. It names the configuration's digest, the metrics' extent and
the best checkpoint. What it names is written before it, under another name (`.next`) where the old
one is still needed, and takes its place after it; a folder found in between is put forward.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from lstm_lm.keep import checkpoint, metrics
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.keep.contents import Best, Commit, Extent, Validated
from lstm_lm.keep.disk import Disk, told
from lstm_lm.keep.owner import Owner
from lstm_lm.keep.reading import read, regular
from lstm_lm.options import Options
from lstm_spec import InputError

NEXT = ".next"
MOST_CONFIG = 2**20  # bytes
CONFIG = "a run's configuration"


class Found(NamedTuple):
    """What a folder held when it was taken up.

    Attributes:
        start: the checkpoint to go on from.
        said: what was put right, one sentence each.
    """

    start: Checkpoint
    said: list[str]


class RunFolder:
    """Names, reads and writes the files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.metrics = self.path / "metrics.jsonl"
        self.timing = self.path / "timing.json"
        self.plot = self.path / "loss.png"
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"
        self._disk = Disk(self.path)
        self._owner = Owner(self.path)
        self._writer: metrics.Writer | None = None
        self._commit = Commit(Extent(), "0" * 64)

    def take(self) -> None:
        """Become the only one who writes here, until `release`.

        Raises:
            InputError: another process is, or there is no such folder.
        """
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such folder, expected that of a run")
        self._owner.take()
        self._disk.tidy()

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
        self._reconfigured(start, Commit(Extent(), "0" * 64))
        for old in (self.best, self.metrics, self.plot, self.timing):
            self._disk.remove(old.name)
        self._disk.flush()
        self._write_metrics(b"")

    def reconfigure(self, start: Checkpoint) -> None:
        """Commit a checkpoint with another configuration than the folder has."""
        assert start.commit is not None
        self._reconfigured(start, start.commit)

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
                self._writer.flushed(), self._commit.config, self._commit.best, unvalidated,
                self._commit.forgotten,
            )  # fmt: skip
            staged = self._staged_best(found, now) if best else None
            if staged is not None:
                now = Commit(now.metrics, now.config, staged, unvalidated, now.forgotten)
            self._write_last(found, now)
            if staged is not None:
                self._disk.rename(_next_best(staged), self.best.name)
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

    def open(self, forget_best: bool = False) -> Found:
        """Take up a run where its last commit left it; the folder is taken already.

        Args:
            forget_best: go on without the best checkpoint; the next validation makes one.

        Raises:
            InputError: something of the commit is missing, damaged, or of another run.
        """
        try:
            start = checkpoint.load(self.last)
            commit = _commit_of(start, self.last)
        except InputError as error:
            raise InputError(f"{error}; {self._ways_out()}") from error
        self._put_forward_config(start, commit)
        said = [] if forget_best else self._put_forward_best(commit)
        found = self._taken_up(start, commit, said)
        return self._without_best(found) if forget_best else found

    def open_best(self) -> Found:
        """Take up a run at its best checkpoint; what came after that is put aside.

        Raises:
            InputError: as `open`.
        """
        start, sha256 = checkpoint.loaded(self.best)
        commit = _commit_of(start, self.best)
        self._put_forward_config(start, commit)
        commit = Commit(
            commit.metrics, commit.config, Best(start.step, sha256), forgotten=commit.forgotten
        )
        content, _, _ = metrics.committed(self.metrics, commit.metrics)
        self._require_metrics(start, commit, content)
        kept = self._put_aside(self.metrics) + self._put_aside(self.last)
        found = self._taken_up(start, commit, kept)
        self._write_last(found.start, commit)
        return found

    def _without_best(self, found: Found) -> Found:
        """The same run with no best checkpoint."""
        start = found.start
        assert start.commit is not None
        aside = self._put_aside(self.best)
        course = type(start.course)(cuts=start.course.cuts)
        commit = Commit(start.commit.metrics, start.commit.config, None, forgotten=start.step)
        self._write_last(start._replace(course=course), commit)
        return Found(start._replace(course=course, commit=commit), found.said + aside)

    def _taken_up(self, start: Checkpoint, commit: Commit, said: list[str]) -> Found:
        content, tail, cut = metrics.committed(self.metrics, commit.metrics)
        self._require_metrics(start, commit, content)
        if cut:
            self._disk.cut(self.metrics.name, commit.metrics.size)
            said += _cut(self.metrics, start.step, tail, cut)
        self._commit = commit
        self._write_metrics(content)
        return Found(start._replace(commit=commit), said)

    def _require_metrics(self, start: Checkpoint, commit: Commit, content: bytes) -> None:
        lines = metrics.parsed(content, self.metrics)
        metrics.require_course(lines, start.step, self.metrics)
        expected = metrics.course_of(lines, start.options, commit.forgotten)
        validated = bool(lines) and isinstance(lines[-1], Validated)
        if commit.unvalidated and (validated or not start.step):
            raise InputError(f"{self.last}: waits for a validation that has been made")
        if start.course != expected:
            raise InputError(
                f"{self.last}: course: got {list(start.course)}, its metrics say {list(expected)}"
            )

    def _write_metrics(self, content: bytes) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = metrics.Writer(self.metrics, content)

    def _reconfigured(self, start: Checkpoint, before: Commit) -> None:
        """Commit a checkpoint with its own configuration."""
        content = _config(start.options)
        sha256 = hashlib.sha256(content).hexdigest()
        commit = Commit(before.metrics, sha256, before.best, before.unvalidated, before.forgotten)
        try:
            self._disk.write(self.config.name + NEXT, content)
            self._disk.flush()
            self._write_last(start, commit)
            self._disk.rename(self.config.name + NEXT, self.config.name)
        except OSError as error:
            raise told(self.last, error) from error

    def _staged_best(self, found: Checkpoint, now: Commit) -> Best:
        """Write the best checkpoint beside the one before."""
        own = Commit(now.metrics, now.config, None, forgotten=now.forgotten)
        content, sha256 = checkpoint.encoded(found._replace(commit=own))
        best = Best(found.step, sha256)
        self._disk.write(_next_best(best), content)
        self._disk.flush()
        return best

    def _write_last(self, found: Checkpoint, commit: Commit) -> None:
        content, _ = checkpoint.encoded(found._replace(commit=commit))
        self._disk.write(self.last.name, content)
        self._disk.flush()
        self._commit = commit

    def _put_forward_config(self, start: Checkpoint, commit: Commit) -> None:
        """Have the configuration that a commit names, or say what is different."""
        staged = self.path / (self.config.name + NEXT)
        if _digest(staged) == commit.config:
            self._disk.rename(staged.name, self.config.name)
        elif not self.config.exists() and not self.config.is_symlink():
            content = _config(start.options)
            if hashlib.sha256(content).hexdigest() == commit.config:
                self._disk.write(self.config.name, content)
        self._disk.remove(staged.name)
        content = read(self.config, CONFIG, MOST_CONFIG)
        same = hashlib.sha256(content).hexdigest() == commit.config
        if not same or self.options().resolved() != start.options:
            difference = _difference(self.options(), start.options)
            raise InputError(
                f"{self.config}: is not the configuration of {self.last.name} ({difference}); "
                "options of a run that goes on are changed on the command line"
            )

    def _put_forward_best(self, commit: Commit) -> list[str]:
        """Have the best checkpoint that a commit names, or say what there is instead."""
        staged = sorted(self.path.glob("best-*" + NEXT))
        wanted = None if commit.best is None else self.path / _next_best(commit.best)
        said: list[str] = []
        if wanted in staged:
            self._disk.rename(wanted.name, self.best.name)
        for left in staged:
            self._disk.remove(left.name)
        if commit.best is None:
            return self._put_aside(self.best)
        try:
            found, sha256 = checkpoint.loaded(self.best)
            if sha256 != commit.best.sha256:
                raise InputError(
                    f"{self.best}: is not the best model of this run (its update {found.step:,}, "
                    f"the run's {commit.best.step:,})"
                )
        except InputError as error:
            raise InputError(
                f"{error}; put the run's own there, or go on without it: "
                f"--resume {self.path} --forget-best"
            ) from error
        return said

    def _put_aside(self, file: Path) -> list[str]:
        """Keep a file that is not of this run under another name."""
        if not file.exists() and not file.is_symlink():
            return []
        number = 1
        while (aside := file.with_name(f"{file.stem}-before-{number}{file.suffix}")).exists():
            number += 1
        if file == self.metrics:
            with regular(file, metrics.EXPECTED) as (opened, _):
                self._disk.write(aside.name, opened.read())
        else:
            self._disk.rename(file.name, aside.name)
        self._disk.flush()
        return [f"{file.name} is kept as {aside.name}"]

    def _ways_out(self) -> str:
        """What there is instead of the last checkpoint, and what can be done with it."""
        there, ways = [], []
        try:
            step = checkpoint.load(self.best).step
            there.append(f"{self.best.name} (update {step:,}, whole)")
            ways.append(f"go on from it with --resume {self.path} --from-best")
        except InputError as error:
            if self.best.exists():
                there.append(f"{self.best.name} (unusable: {error})")
        lines = len(self.records()) if self.metrics.is_file() else 0
        there += [f"{self.metrics.name} ({lines:,} lines)"] * bool(lines)
        ways.append("begin anew in another folder with --out")
        held = f"there is {' and '.join(there)}" if there else "there is nothing to go on from"
        return f"nothing was changed; {held}: {', or '.join(ways)}"


def numbered(task: str, root: Path = Path("runs")) -> Path:
    """Make `runs/anbn-1`, or the first number that nobody has taken.

    Raises:
        InputError: it cannot be made.
    """
    number = 1
    while True:
        path = root / f"{task}-{number}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise InputError(f"{path}: cannot be made: {error.strerror}") from error
        else:
            return path


def _config(options: Options) -> bytes:
    return (json.dumps(options.to_json(), indent=1) + "\n").encode()


def _commit_of(start: Checkpoint, path: Path) -> Commit:
    if start.commit is None:
        raise InputError(f"{path}: written by an earlier version, or outside of a run's folder")
    return start.commit


def _digest(path: Path) -> str:
    """A small file's SHA-256; "" where there is none."""
    if not path.is_file():
        return ""
    return hashlib.sha256(read(path, CONFIG, MOST_CONFIG)).hexdigest()


def _next_best(best: Best) -> str:
    return f"best-{best.step}.safetensors{NEXT}"


def _difference(ours: Options, theirs: Options) -> str:
    """The first option in which a configuration is not what the checkpoint has."""
    stored, kept = ours.to_json(), theirs.to_json()
    for name, value in sorted(stored.items(), key=lambda item: item[0] in ("out", "overwrite")):
        if value != kept[name]:
            return f"{name} is {value}, the checkpoint has {kept[name]}"
    return "its text, not its values"


def _cut(path: Path, step: int, tail: bytes, size: int) -> list[str]:
    """What was cut off behind a commit; the test of a finished run goes without saying."""
    lines = tail.splitlines()
    if len(lines) == 1 and b'"test"' in lines[0]:
        return []
    count = f"{len(lines):,} lines" if size == len(tail) else "more"
    return [
        f"{path.name}: {count} ({size:,} bytes) after the checkpoint at update {step:,} cut off"
    ]
