"""Every change of a file in a run's folder, in the order that a power cut needs.

A file is written beside its place, flushed, and renamed; names are flushed with the folder. Between
two flushes of the folder a power cut may keep any of the names' changes and lose the others, so
what depends on a name waits for that flush.
"""

import errno
import os
import secrets
import shutil
import socket
from pathlib import Path

from lstm_spec import InputError
from lstm_spec.files import UNFINISHED


class Disk:
    """A folder as it is written to.

    Args:
        path: the folder; it exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending = False  # names that a power cut may still undo

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all; its name lasts after the next `flush`."""
        unfinished = _unfinished()
        try:
            self._create(unfinished, content)
            self._rename(unfinished, name)
        except BaseException:
            (self.path / unfinished).unlink(missing_ok=True)
            raise
        self._pending = True

    def copy(self, old: str, new: str) -> None:
        """Write a file's contents under another name as well, a piece at a time."""
        unfinished = self.path / _unfinished()
        try:
            shutil.copyfile(self.path / old, unfinished)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            self.rename(unfinished.name, new)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; whatever had that name is gone."""
        self._rename(old, new)
        self._pending = True

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        if (self.path / name).exists() or (self.path / name).is_symlink():
            self._unlink(name)
            self._pending = True

    def flush(self, whatever: bool = False) -> None:
        """Have all names last that were changed so far.

        Args:
            whatever: those too that another process has changed.
        """
        if self._pending or whatever:
            self._sync_folder()
            self._pending = False

    def cut(self, name: str, size: int) -> None:
        """Shorten a file."""
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def tidy(self) -> None:
        """Remove unfinished files of this process, and of others here that are dead."""
        for left in self.path.glob(f"{UNFINISHED}*"):
            if not _alive(left.name):
                left.unlink(missing_ok=True)

    def _create(self, name: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self.path / name, flags, 0o666)
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _rename(self, old: str, new: str) -> None:
        os.replace(self.path / old, self.path / new)

    def _unlink(self, name: str) -> None:
        (self.path / name).unlink()

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _CANNOT_SYNC:
                raise
        finally:
            os.close(descriptor)


class Log:
    """A file that lines are added to.

    Args:
        path: it is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o666)

    def append(self, content: bytes) -> None:
        """Add bytes; a killed process loses none of them, a power cut may."""
        _write_all(self._descriptor, content)

    def flush(self) -> None:
        """Have all of it last."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)


def told(path: Path, error: OSError) -> InputError:
    """A system's refusal as a message that names the file."""
    place = error.filename if isinstance(error.filename, str) else path
    return InputError(f"{place}: cannot be written: {error.strerror or error}")


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _unfinished() -> str:
    """A name that tells whose the file is."""
    return f"{UNFINISHED}{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def _host() -> str:
    return "".join(c if c.isalnum() else "_" for c in socket.gethostname())[:60]


def _alive(name: str) -> bool:
    """Whether another process of this machine, or one of another machine, may be writing it."""
    host, _, pid = name.removeprefix(UNFINISHED).rpartition("-")[0].rpartition("-")
    if not pid.isdecimal():
        return False
    if host != _host():
        return True
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


# File systems that flush names by themselves.
_CANNOT_SYNC = {errno.EINVAL, errno.EOPNOTSUPP}
