"""Parts of a batch in processes of their own, where the interpreter's lock would cost more.

Threads that call a dozen small operations at each time step wait for each other's interpreter lock.
A process for each part has a lock of its own. What both sides know the shape of lies in shared
memory; a pipe carries the rest, and says when.
"""

import multiprocessing
import os
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lstm_spec import Batch, Config, InputError, Params
from manual.fast import cut, shared, threads
from manual.fast.desk import Answer, Desk, Job, Request, sketch
from manual.fast.parts import Result
from manual.fast.pieces import BY_RULE, Pieces
from manual.fast.pipe import Pipe

# Not `multiprocessing.Process`: that runs the caller's script again, or forks a process that may
# have threads.
PROGRAM = "import sys; sys.path[:] = {path!r}; from manual.fast.member import main; main()"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# Memory that a pass gives back to the C library comes back to the next one: fetched anew from the
# system, it costs a tenth of the time.
KEEP_MEMORY = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(2**25))


class Member(NamedTuple):
    """Another process, seen from this one."""

    columns: slice
    process: subprocess.Popen
    pipe: Pipe
    desk: Desk


class Team:
    """Processes for all parts of a batch but the first, as long as the object lives.

    Raises:
        OSError: the system has no memory or no process to give.

    Attributes:
        columns: the sequences of each part; the first is the caller's to compute.
        threads: how many BLAS may use in each process.
    """

    def __init__(
        self,
        config: Config,
        time: int,
        columns: list[slice],
        keep_every: int | None,
        blas_threads: int,
        measured: Pieces = BY_RULE,
    ) -> None:
        self.columns, self.threads = columns, max(1, blas_threads // len(columns))
        parts = [part.stop - part.start for part in columns[1:]]
        self._jobs = [Job(config, time, parts, k, keep_every, measured) for k in range(len(parts))]
        self._start()

    @contextmanager
    def asked(
        self, function: Callable[..., Result], params: Params, batch: Batch, counted: int
    ) -> Iterator[Callable[[], list[Result]]]:
        """While the members compute their parts.

        Hands out what waits for their results. Where the caller's part is refused, theirs are
        thrown away. Whatever else goes wrong here or there, an interrupt too, ends the members:
        none may answer later what was asked earlier.

        Raises:
            ChildProcessError: a member ended.
        """
        try:
            if not self._members or self._pid != os.getpid():
                self._start()
            with threads.share.among(len(self.columns)):
                shared.copy(params, self._params)
                for member in self._members:
                    _ask(member, function, batch, counted)
                waiting = list(self._members)
                try:
                    yield lambda: [_answer(waiting.pop(0)) for _ in self._members]
                except InputError:
                    while waiting:
                        _heard(waiting.pop(0))
                    raise
        except InputError:
            raise
        except BaseException:
            self._end()
            raise

    def _start(self) -> None:
        self._members: list[Member] = []
        self._pid = os.getpid()  # a fork's members are its parent's
        self._end = weakref.finalize(self, _stop, self._members)
        job = self._jobs[0]
        tree = sketch(job.config, job.time, job.parts)
        try:
            with shared.new_file(tree) as file:
                self._params, desks = shared.views(file.fileno(), tree)
                for columns, desk, job in zip(self.columns[1:], desks, self._jobs, strict=True):
                    started = _started(job, file.fileno(), self.threads)
                    self._members.append(Member(columns, *started, desk))
        except OSError:
            self._end()
            raise


def _started(job: Job, file: int, blas_threads: int) -> tuple[subprocess.Popen, Pipe]:
    mine, its = multiprocessing.Pipe()
    with its:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(path=sys.path), str(its.fileno()), str(file)],
            env=os.environ | dict.fromkeys(THREADS, str(blas_threads)) | KEEP_MEMORY,
            pass_fds=(its.fileno(), file),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            process_group=0,  # a terminal's signals are for the one who decides
        )
    pipe = Pipe(mine)
    pipe.send(job)
    return process, pipe


def _ask(member: Member, function: Callable[..., Result], batch: Batch, counted: int) -> None:
    part, desk = cut.columns(batch, member.columns), member.desk
    shared.copy((part.tokens, part.targets), (desk.tokens, desk.targets))
    more = {n: v for n, v in zip(part._fields[2:], part[2:], strict=True) if v is not None}
    request = Request(function.__name__, counted, more, np.geterr())
    try:
        member.pipe.send(tuple(request))
    except ConnectionError:
        raise _ended(member) from None


def _heard(member: Member) -> Answer:
    try:
        return Answer(*member.pipe.receive(lambda seconds: _complain(member, seconds)))
    except (EOFError, ConnectionError):
        raise _ended(member) from None


def _answer(member: Member) -> Result:
    answer = _heard(member)
    for message in answer.warned:
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    if answer.error is not None:
        raise answer.error
    return Result(member.desk.passed, member.desk.grads)


def _complain(member: Member, seconds: float) -> None:
    """Name a process that does not answer, as one that was stopped."""
    pid = member.process.pid
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        state = ""
    why = ": it is stopped" if state in ("T", "t") else ""
    print(
        f"process {pid}, which computes a part of every batch, has not answered for "
        f"{seconds:.0f} s{why}",
        file=sys.stderr,
        flush=True,
    )


def _ended(member: Member) -> ChildProcessError:
    pid, code = member.process.pid, member.process.wait()
    return ChildProcessError(
        f"process {pid}, which computed a part of every batch, ended with exit code {code}"
    )


def _stop(members: list[Member]) -> None:
    while members:
        member = members.pop()
        member.process.kill()
        member.process.wait()
        member.pipe.close()
