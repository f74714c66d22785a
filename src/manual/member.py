"""The other side of `team.py`: a process that computes one part of every batch it is sent."""

import signal
import sys
from multiprocessing.connection import Connection

import numpy as np

from lstm_spec import Params
from manual import fused_batch, shared
from manual.pipe import Pipe
from manual.shared import Desk
from manual.team import Job, Request
from manual.workspace import Workspace


def main() -> None:
    """Serve until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all; one decides
    pipe, file = Pipe(Connection(int(sys.argv[1]))), int(sys.argv[2])
    job: Job = pipe.receive()
    params, desks = shared.views(file, shared.sketch(job.config, job.time, job.parts))
    work = Workspace(job.config, job.time, job.parts[job.number], job.keep_every)
    while True:
        try:
            request = pipe.receive()
        except EOFError:
            return
        pipe.send(_answer(request, params, desks[job.number], work))


def _answer(request: Request, params: Params, desk: Desk, work: Workspace) -> Exception | None:
    """Leave what a pass found on the desk; hands back the error it raised, if any."""
    function = getattr(fused_batch, request.function)
    batch = request.batch._replace(tokens=desk.tokens, targets=desk.targets)
    try:
        with np.errstate(**request.settings):
            passed, grads = function(params, batch, request.counted, work)
    except Exception as error:
        return error
    shared.copy((passed.nats, passed.final_state), (desk.passed.nats, desk.passed.final_state))
    if grads is not None:
        shared.copy((grads, passed.dstate), (desk.grads, desk.passed.dstate))
    return None
