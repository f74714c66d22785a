"""The other side of `team.py`: a process that computes one part of every batch it is sent."""

import signal
import sys
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np

from lstm_spec import Batch, Params
from manual.fast import parts, shared, threads
from manual.fast.desk import Answer, Desk, Job, Request, sketch
from manual.fast.parts import Parts
from manual.fast.pipe import Pipe


def main() -> None:
    """Serve until the other end of the pipe is closed, or gone before it has read an answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all; one decides
    pipe, file = Pipe(Connection(int(sys.argv[1]))), int(sys.argv[2])
    with suppress(EOFError, ConnectionError):
        job: Job = pipe.receive()
        params, desks = shared.views(file, sketch(job.config, job.time, job.parts))
        width, blas_threads = job.parts[job.number], threads.blas_threads()
        work = Parts(job.config, job.time, width, job.keep_every, blas_threads, job.measured)
        while True:
            request = Request(*pipe.receive())
            pipe.send(tuple(_answer(request, params, desks[job.number], work)))


def _answer(request: Request, params: Params, desk: Desk, work: Parts) -> Answer:
    """Leave what a pass found on the desk."""
    batch, error = Batch(desk.tokens, desk.targets, **request.more), None
    with np.errstate(**request.settings), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            function = getattr(parts, request.function)
            passed, grads = function(params, batch, request.counted, work)
            shared.copy(passed[:2], desk.passed[:2])
            if grads is not None:
                shared.copy((grads, passed.dstate), (desk.grads, desk.passed.dstate))
        except Exception as raised:
            error = raised
    return Answer([str(warning.message) for warning in caught], error)
