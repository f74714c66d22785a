"""The metrics of a run: lines that are added, their digest, and what was cut off or is damaged."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lstm_lm.config.options import Options
from lstm_lm.engines.schedule import Course
from lstm_lm.keep.contents import Extent, Tested, Updated, Validated, line_of
from lstm_lm.keep.disk import Log, told
from lstm_lm.keep.regular_files import regular
from lstm_spec import InputError

MOST_MARKS = 32
EXPECTED = "the metrics of a run"
MOST_LINE = 2**12  # bytes; what is longer is no line of metrics
MOST_TAIL = 2**24  # bytes behind the last commit whose lines are counted
Line = Updated | Validated | Tested


class Measure:
    """The extent of lines, one after the other."""

    def __init__(self) -> None:
        self._size, self._lines, self._spacing = 0, 0, Extent().spacing
        self._marks: list[tuple[int, str]] = []
        self._digest = hashlib.sha256()

    def take(self, line: bytes) -> None:
        """One line more."""
        self._digest.update(line)
        self._size += len(line)
        self._lines += 1
        if self._lines % self._spacing == 0:
            self._marks.append((self._lines, self._digest.hexdigest()))
            if len(self._marks) > MOST_MARKS:
                self._spacing *= 2
                self._marks = [mark for mark in self._marks if mark[0] % self._spacing == 0]

    def extent(self) -> Extent:
        """Of all lines so far."""
        sha256, marks = self._digest.hexdigest(), tuple(self._marks)
        return Extent(self._size, self._lines, sha256, marks, self._spacing)

    @classmethod
    def of(cls, content: bytes) -> "Measure":
        """Of some lines."""
        found = cls()
        for line in content.splitlines(keepends=True):
            found.take(line)
        return found


class Writer:
    """Adds lines, and keeps their extent.

    Args:
        path: the file.
        content: what it holds.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._measure = path, Measure.of(content)
        self._log = Log(path)

    def append(self, record: dict[str, Any]) -> None:
        """Add a line.

        Raises:
            InputError: the disk is full, or the folder gone.
        """
        line = (json.dumps(record) + "\n").encode()
        try:
            self._log.append(line)
        except OSError as error:
            raise told(self._path, error) from error
        self._measure.take(line)

    def flushed(self) -> Extent:
        """Have all lines last; their extent."""
        self._log.flush()
        return self._measure.extent()

    def close(self) -> None:
        """Give the file back."""
        self._log.close()


def committed(path: Path, extent: Extent) -> tuple[bytes, bytes, int]:
    """What belongs to a checkpoint, what stands behind it (a part, if it is much), and its size.

    Raises:
        InputError: the file is not what it was when the checkpoint was written.
    """
    if not extent.size and not (path.exists() or path.is_symlink()):
        return b"", b"", 0
    with regular(path, EXPECTED) as (file, size):
        if size < extent.size:
            raise InputError(
                f"{path}: {size:,} bytes, its checkpoint counts {extent.size:,}: cut off"
            )
        content, tail = file.read(extent.size), file.read(MOST_TAIL)
    if hashlib.sha256(content).hexdigest() != extent.sha256:
        raise InputError(f"{path}: {_place(content, extent)}: not what the run has written")
    if Measure.of(content).extent() != extent:
        raise InputError(f"{path}: its checkpoint counts other lines than there are")
    return content, tail, size - extent.size


def require_course(lines: list[Line], step: int, path: Path) -> None:
    """Refuse metrics that are not those of a run's updates, from the first to the last.

    Raises:
        InputError: names the line.
    """
    last = 0
    for number, line in enumerate(lines, 1):
        expected = last + 1 if isinstance(line, Updated) else last
        if line.step != expected or isinstance(line, Tested):
            raise InputError(f"{path}: line {number}: step {line.step}, expected {expected}")
        last = line.step
    if last != step:
        raise InputError(f"{path}: {last} updates, its checkpoint has made {step}")


def course_of(lines: list[Line], options: Options, forgotten: int) -> Course:
    """What schedule and early stopping remember of validations, after those that were forgotten."""
    course = Course()
    for line in lines:
        if isinstance(line, Validated):
            course = course.after(line.validation, line.step, options)
            if line.step <= forgotten:
                course = Course(cuts=course.cuts)
    return course


def parsed(content: bytes, path: Path) -> list[Line]:
    """The lines of verified metrics.

    Raises:
        InputError: one is none.
    """
    found = []
    for number, text in enumerate(content.splitlines(), 1):
        line = line_of(text)
        if line is None:
            raise InputError(f"{path}: line {number}: {text[:60]!r}, expected an update's metrics")
        found.append(line)
    return found


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file as dictionaries, up to one that is none; for plots."""
    if not path.exists():
        return
    with regular(path, EXPECTED) as (file, _):
        for text in iter(lambda: file.readline(MOST_LINE), b""):
            if line_of(text) is None:
                return
            yield json.loads(text)


def _place(content: bytes, extent: Extent) -> str:
    """Where metrics are damaged, as far as marks and the lines themselves tell."""
    digest, good, bad = hashlib.sha256(), 0, extent.lines
    marks = dict(extent.marks)
    for number, text in enumerate(content.splitlines(keepends=True), 1):
        if line_of(text) is None:
            return f"line {number}"
        digest.update(text)
        if number in marks:
            if digest.hexdigest() != marks[number]:
                bad = number
                break
            good = number
    return f"one of lines {good + 1:,} to {bad:,}" if bad > good else f"after line {good:,}"
