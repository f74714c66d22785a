"""Regular files of a bearable size, and nothing else: judged before they are read."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lstm_spec import InputError

KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}


@contextmanager
def regular(path: Path, expected: str) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file, open for reading, and its size in bytes; a link to one is followed.

    Args:
        path: the file.
        expected: what it should be, for people.

    Raises:
        InputError: it is missing, no regular file, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        gone = " (a link to nothing)" if Path(path).is_symlink() else ""
        raise InputError(f"{path}: no such file{gone}, expected {expected}") from error
    except (OSError, ValueError) as error:  # a path may hold NUL
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}, expected {expected}") from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        kind = next((text for test, text in KINDS.items() if test(found.st_mode)), "no file")
        raise InputError(f"{path}: is {kind}, expected {expected}")
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file, found.st_size
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def read(path: Path, expected: str, most: int) -> bytes:
    """A small file whole.

    Raises:
        InputError: as `regular`, or it is larger than it may be.
    """
    with regular(path, expected) as (file, size):
        if size > most:
            raise InputError(f"{path}: {size:,} bytes, expected {expected} of at most {most:,}")
        return file.read(most)
