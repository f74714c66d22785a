"""Parts of a batch on threads of their own, so that element-wise work uses every core too.

Each thread goes through all time steps with its own columns and its share of BLAS's threads;
nothing is exchanged before the end. Parts and their order depend on sizes and on the number of
BLAS threads alone, so the same machine gives the same bits. The same holds for the processes of
`team.py`.
"""

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from lstm_spec import Config

Result = TypeVar("Result")

ENOUGH = 2**20  # multiplications of one step and part from which a thread of its own pays
NARROWEST = 16  # columns of a part, at least

ENOUGH_PASS = 2**21  # multiplications of one part and pass from which a process of its own pays
NARROW, MOST_PROCESSES = 4, 8  # columns of such a part, at least; and parts, at most
LARGE = 2**25  # multiplications of one step and part from which threads are as quick: they share
# the weights, in the cache too, and calls are too long for the interpreter's lock to matter


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries that are loaded; looked for once, since that takes a millisecond."""
    return ThreadpoolController().select(user_api="blas")


def blas_threads() -> int:
    """How many threads a matrix product may use outside a pass; 1 where that cannot be changed."""
    return share.available or min((lib["num_threads"] for lib in _blas().info()), default=1)


def blas_architecture() -> str:
    """The processor that BLAS chose its kernels for, or an empty string."""
    found = (lib["architecture"] for lib in _blas().info() if "architecture" in lib)
    return next(found, "")


def parts(hidden: int, batch: int, most: int) -> list[slice]:
    """The columns of each thread's part; one part where more do not pay."""
    paying = 4 * hidden * hidden * batch // ENOUGH
    return _cut(batch, min(most, batch // NARROWEST, paying))


def parts_of_processes(
    config: Config, time: int, batch: int, most: int, asked: int | None = None
) -> list[slice]:
    """The columns of each process's part: as many as were asked for, or as pay."""
    if asked is not None:
        return _cut(batch, min(asked, batch))
    step = 4 * config.hidden_size**2 * batch
    work = time * config.num_layers * step
    number = min(most, MOST_PROCESSES, batch // NARROW, work // ENOUGH_PASS)
    return _cut(batch, 1 if step >= LARGE * number else number)


def _cut(batch: int, number: int) -> list[slice]:
    """So many parts of a batch, at least one, as even as can be."""
    number = max(1, number)
    bounds = [batch * k // number for k in range(number + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


class _Share:
    """Divides BLAS's threads among parts while any pass is under way, in however many threads."""

    def __init__(self) -> None:
        self._lock, self._passes, self.available = threading.Lock(), 0, 0

    @contextmanager
    def among(self, number: int) -> Iterator[None]:
        """What BLAS was set to comes back when the last pass is done."""
        with self._lock:
            self._passes += 1
            if self._passes == 1:
                self._before = [library.num_threads for library in _blas().lib_controllers]
                self.available = min(self._before, default=1)
                _set_threads([max(1, self.available // number)] * len(self._before))
        try:
            yield
        finally:
            with self._lock:
                self._passes -= 1
                if self._passes == 0:
                    _set_threads(self._before)
                    self.available = 0


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(_blas().lib_controllers, numbers, strict=True):
        library.set_num_threads(number)


share = _Share()


def run(tasks: Sequence[Callable[[], Result]], pool: ThreadPoolExecutor | None) -> list[Result]:
    """Run tasks at the same time, the first in this thread; their results in order."""
    if pool is None or len(tasks) == 1:
        return [task() for task in tasks]
    with share.among(len(tasks)):
        # NumPy's handling of overflow is part of the context: `np.errstate` holds in every part.
        others = [pool.submit(contextvars.copy_context().run, task) for task in tasks[1:]]
        try:
            first = tasks[0]()
        finally:
            wait(others)
        return [first, *(other.result() for other in others)]
