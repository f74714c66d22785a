"""Files written whole or not at all, and output that can no longer be written."""

import os
import tempfile
from pathlib import Path
from typing import TextIO

from lstm_spec.errors import InputError

NAME_MAX = 255
UNFINISHED = ".writing-"  # how the temporary files' names begin


def require_writable(path: Path) -> None:
    """Say at once that a file cannot be written, before the work that would fill it.

    Raises:
        InputError: there is no such folder, it or the file is not writable, or the
            path is a folder.
    """
    path = Path(path)
    folder = path.absolute().parent
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a file to write")
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}")
    if len(os.fsencode(path.name)) > NAME_MAX:
        raise InputError(f"{path}: the name is longer than {NAME_MAX} bytes")
    place = path if path.exists() else folder
    if not os.access(place, os.W_OK):
        raise InputError(f"{path}: {place} is not writable")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file by way of a temporary one beside it, so that no reader sees half of it.

    A link is followed and a file's mode kept. What is no regular file (a pipe,
    /dev/null) is written to as it is.

    Raises:
        InputError: it cannot be written; what was there before is untouched.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _replace(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def silence_output(*streams: TextIO) -> None:
    """Print no more on these, which Python flushes once more at its end.

    Args:
        streams: standard output, standard error.
    """
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
