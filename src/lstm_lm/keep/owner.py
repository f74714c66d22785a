"""Who may write into a run's folder: a lock that the system takes back when its holder dies."""

import errno
import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path

from lstm_spec import InputError

NAME = ".owner"
TAKEN = {errno.EAGAIN, errno.EACCES}
MOST = 4096  # bytes that a holder writes about itself
SIGNING = 1.0  # seconds that it may take to do so once it has the lock


class Owner:
    """Holds a run's folder, from `take` to `release`.

    Args:
        folder: it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the folder.

        Raises:
            InputError: another process has it; or nothing can be written there.
        """
        while self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            try:
                descriptor = os.open(self.path, flags, 0o666)
            except OSError as error:
                raise InputError(f"{self.path}: {error.strerror}") from error
            try:
                self._lock(descriptor)
                if _is(descriptor, self.path):  # the one before has not removed it meanwhile
                    self._descriptor, descriptor = descriptor, -1
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        self._sign()

    def release(self) -> None:
        """Give the folder back."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in TAKEN:
                raise InputError(self._refusal(descriptor)) from None
            print(
                f"{self.folder}: this file system has no locks ({error.strerror}): "
                "see to it that no other process writes there",
                file=sys.stderr,
            )

    def _refusal(self, descriptor: int) -> str:
        until = time.monotonic() + SIGNING
        while (said := _holder(descriptor)) is None and time.monotonic() < until:
            time.sleep(0.01)  # it holds the lock, and has not yet said who it is
        said = said or "another process"
        return f"{self.folder}: is being written by {said}; end it, or wait until it is done"

    def _sign(self) -> None:
        assert self._descriptor is not None
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:1000],
        }
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, (json.dumps(holder) + "\n").encode()[:MOST], 0)


def _holder(descriptor: int) -> str | None:
    """What a holder says about itself; None if nothing that can be read."""
    try:
        holder = json.loads(os.pread(descriptor, MOST, 0))
        process = f"process {holder['pid']} on {holder['host']}"
        return f"{process} since {holder['since']}: {holder['command']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
