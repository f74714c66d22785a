"""A process that watches the one that trains, and says what JAX's own abort does not.

Where process 0 dies, or somebody is stuck, JAX ends the other processes from a thread of its own,
with a stack trace and by an abort. Who trains with others is therefore a child of who can put it in
words. This module knows no JAX.
"""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import NamedTuple

CHILD = "GRADPARITY_WATCHED_BY"  # in the child's environment: where it tells of its peers
GONE = 75  # exit code: nothing is wrong here, go on later
LATER = 10.0  # seconds by which a child that cannot join is given up, after it should have given up
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OF_JAX = re.compile(r"[IWEF]\d{4} |\s+@ +0x|\*\*\* |RPC: |:UNKNOWN:|Additional GRPC|\s*$")


class Peers(NamedTuple):
    """What a process knows of its run.

    Attributes:
        members: host and process number of every process; none as long as they are not together.
        number: which it is.
        how: to go on.
    """

    members: list[tuple[str, int]]
    number: int
    how: str

    def tell(self) -> None:
        """Tell the process that watches this one, if there is any."""
        if CHILD in os.environ:
            os.write(int(os.environ[CHILD]), (json.dumps(self) + "\n").encode())

    def sentence(self) -> str:
        """Who is gone, as far as this machine can tell, and how to go on."""
        others = [k for k in range(len(self.members)) if k != self.number]
        gone = [k for k in others if not _is_there(*self.members[k])]
        named = gone or others
        plural = "process" if len(named) == 1 else "processes"
        certain = "" if len(named) == 1 or gone else "one of "
        who = ", ".join(map(str, named))
        return f"{certain}{plural} {who} of {len(self.members)} is gone; {self.how}"


def _is_there(host: str, pid: int) -> bool:
    """Whether a process runs; of other machines nobody knows."""
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(message: str) -> None:
    """At once: the ordinary way waits for who is gone, and ends in JAX's own abort."""
    print(f"\ntrain.py: {message}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(GONE)


def is_watched() -> bool:
    """Whether this process is the child."""
    return CHILD in os.environ


def run_again(patience: float) -> int:
    """Run this command once more as a child, and give its exit code.

    Args:
        patience: seconds that the child waits for its peers.
    """
    read, write = os.pipe()
    child = subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]], env=os.environ | {CHILD: str(write)},
        pass_fds=(write,), stderr=subprocess.PIPE, text=True, process_group=0,
        preexec_fn=_end_with_parent,
    )  # fmt: skip
    os.close(write)
    for number in FORWARDED:
        signal.signal(number, lambda number, _: child.send_signal(number))
    told: list[Peers] = []
    listener = threading.Thread(target=_listen, args=(read, told), daemon=True)
    listener.start()
    watch = threading.Timer(patience + LATER, lambda: None if told else child.kill())
    watch.daemon = True
    watch.start()
    kept = _passed_on(child)
    code = child.wait()
    listener.join(1.0)
    watch.cancel()
    return _code(code, told, kept)


def _end_with_parent() -> None:
    """Linux: a child that is watched by nobody ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _listen(read: int, told: list[Peers]) -> None:
    with os.fdopen(read) as lines:
        for line in lines:
            members, number, how = json.loads(line)
            told.append(Peers([(host, pid) for host, pid in members], number, how))


def _passed_on(child: subprocess.Popen) -> list[str]:
    """Hand on what the child says; what looks like JAX's last words is kept back."""
    kept: list[str] = []
    assert child.stderr is not None
    for line in child.stderr:
        if OF_JAX.match(line):
            kept.append(line)
        else:
            print(line, end="", file=sys.stderr, flush=True)
    return kept


def _code(code: int, told: list[Peers], kept: list[str]) -> int:
    if code >= 0:
        if code not in (0, GONE):
            print("".join(kept), end="", file=sys.stderr)
        return code
    if code in (-signal.SIGABRT, -signal.SIGKILL):
        message = told[-1].sentence() if told else "another process did not come; start them anew"
        print(f"\ntrain.py: {message}", file=sys.stderr, flush=True)
        return GONE
    print("".join(kept), end="", file=sys.stderr)
    return 128 - code
