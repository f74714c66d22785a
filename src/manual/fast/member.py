"""The other side of `team.py`: a process that computes one part of every batch it is sent."""

import signal
import sys
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np

from lstm_spec import Batch, Params
from manual.fast import parts, shared, threads
from manual.fast.parts import Parts
from manual.fast.pipe import Pipe
from manual.fast.shared import Desk
from manual.fast.team import Answer, Job, Request


def main() -> None:
    """Serve until the other end of the pipe is closed, or gone before it has read an answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all; one decides
    pipe, file = Pipe(Connection(int(sys.argv[1]))), int(sys.argv[2])
    with suppress(EOFError, ConnectionError):
        job: Job = pipe.receive()
        params, desks = shared.views(file, shared.sketch(job.config, job.time, job.parts))
        width, blas_threads = job.parts[job.number], threads.blas_threads()
        work = Parts(job.config, job.time, width, job.keep_every, blas_threads)
        while True:
            pipe.send(_answer(pipe.receive(), params, desks[job.number], work))


def _answer(request: Request, params: Params, desk: Desk, work: Parts) -> Answer:
    """Leave what a pass found on the desk."""
    name, counted, more, settings = request
    batch, error = Batch(desk.tokens, desk.targets, **more), None
    with np.errstate(**settings), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            passed, grads = getattr(parts, name)(params, batch, counted, work)
            shared.copy(passed[:2], desk.passed[:2])
            if grads is not None:
                shared.copy((grads, passed.dstate), (desk.grads, desk.passed.dstate))
        except Exception as raised:
            error = raised
    return [str(warning.message) for warning in caught], error
