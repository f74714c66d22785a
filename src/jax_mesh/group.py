"""Processes that train one model together: how they find each other, agree, and part.

Each has devices of its own; JAX's collectives join them. One leads: it alone reads the run's folder
and writes to it, and shows what is seen.
"""

import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from jax_mesh.grid import make_mesh
from jax_mesh.place import Place
from jax_mesh.sizes import Grid
from jax_mesh.watch import Peers, end
from lstm_spec import InputError

Made = TypeVar("Made")

AUTO = "auto"
LATER = 60  # seconds by which JAX gives up after us
COLLECTIVES = ("Gloo", "gloo", "coordination", "Socket closed", "UNAVAILABLE", "NCCL")  # in errors
HEARTBEAT = 30  # seconds without a sign of life after which JAX ends a process


class Group:
    """All processes of a run, as one of them sees them."""

    def __init__(self) -> None:
        own = pickle.dumps((socket.gethostname(), os.getpid()))
        members = [pickle.loads(found) for found in _all_gathered(own)]
        self._peers = Peers(members, jax.process_index(), "")
        self._peers.tell()

    @property
    def how_to_go_on(self) -> str:
        """Said where one is gone."""
        return self._peers.how

    @how_to_go_on.setter
    def how_to_go_on(self, how: str) -> None:
        self._peers = self._peers._replace(how=how)
        self._peers.tell()

    @property
    def several(self) -> bool:
        """Always."""
        return True

    @property
    def leads(self) -> bool:
        """Whether this process is the one that reads and writes."""
        return jax.process_index() == 0

    def agreed(self, number: int) -> int:
        """The largest of the numbers that all processes bring; each has to ask."""
        return int(np.max(multihost_utils.process_allgather(np.int32(number))))

    def shared(self, make: Callable[[], Made]) -> Made:
        """What the leading process makes, in every one; each has to ask.

        Raises:
            InputError: in every one, where the leading process raised it.
        """
        content = pickle.dumps(_outcome(make)) if self.leads else b""
        outcome = pickle.loads(_broadcast(content))
        if isinstance(outcome, InputError):
            raise outcome
        return outcome

    def columns(self, mesh: str, size: int) -> range:
        """Which of so many sequences of a batch lie on this process's devices."""
        return Place(make_mesh(Grid.of(mesh))).own_columns(size)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """End this process, with a message, where another one is gone."""
        try:
            yield
        except (jax.errors.JaxRuntimeError, ValueError) as error:
            if not any(name in str(error) for name in COLLECTIVES):
                raise
            end(self._peers.sentence())


def join(coordinator: str, count: int | None, index: int | None, patience: int) -> Group:
    """Become one of several processes.

    Args:
        coordinator: host and port of process 0; "auto" where a cluster's manager tells JAX
            (SLURM, Open MPI, Kubernetes).
        count, index: how many there are, and which this is; None with "auto".
        patience: seconds to wait for the others.

    Raises:
        InputError: what was given does not say, or the others were not to be found.
    """
    known = coordinator != AUTO
    if known and (count is None or index is None):
        raise InputError("--coordinator: expected --process-count and --process-id as well")
    if known and not 0 <= (index or 0) < (count or 0):
        raise InputError(f"--process-id: got {index}, expected 0 to {(count or 1) - 1}")
    # JAX's own answer to who does not come is an abort with a stack trace.
    whole = "all processes" if count is None else f"all {count} processes"
    missing = f"not {whole} came to {coordinator} within {patience} s; start them anew"
    watch = threading.Timer(patience, end, [missing])
    watch.daemon = True
    watch.start()
    try:
        jax.distributed.initialize(
            coordinator if known else None, count, index, initialization_timeout=LATER + patience,
            heartbeat_timeout_seconds=HEARTBEAT,
        )  # fmt: skip
        return Group()
    except (RuntimeError, ValueError) as error:
        where = coordinator if known else "no cluster that JAX knows"
        raise InputError(f"--coordinator {where}: {str(error).splitlines()[0]}") from error
    finally:
        watch.cancel()


def _outcome(make: Callable[[], Made]) -> Made | InputError:
    try:
        return make()
    except InputError as error:
        return error


def _broadcast(content: bytes) -> bytes:
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(content))))
    given = np.frombuffer(content or bytes(size), np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(given)).tobytes()


def _all_gathered(content: bytes) -> list[bytes]:
    size = int(np.max(multihost_utils.process_allgather(np.int32(len(content)))))
    own = np.frombuffer(content.ljust(size, b"\0"), np.uint8)
    return [bytes(row) for row in np.asarray(multihost_utils.process_allgather(own))]
