"""The check on a mesh in several processes of this machine, which find each other by loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict

from gradparity.check.cases import Text
from gradparity.check.mesh import Verdict, chosen, on_meshes
from lstm_spec import InputError
from lstm_spec.corpus import interpreter_text

SECONDS = 300


def in_processes(count: int, seed: int, only: str | None) -> list[Verdict]:
    """Verdicts of a mesh of so many devices, each in a process of its own.

    Raises:
        InputError: a process failed; what it said last is in the message.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    started = [_started({"count": count, "index": k, "port": port, "seed": seed, "only": only})
               for k in range(count)]  # fmt: skip
    try:
        said = [process.communicate(timeout=SECONDS) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, said, strict=True):
        if process.returncode:
            last = (errors.strip().splitlines() or ["no output"])[-1]
            raise InputError(f"--mesh-processes {count}: a process failed: {last}")
    found = json.loads(said[0][0].strip().splitlines()[-1])
    return [Verdict(**verdict | {"failures": tuple(verdict["failures"])}) for verdict in found]


def _started(job: dict) -> subprocess.Popen:
    environment = os.environ | {"JAX_ENABLE_X64": "1", "JAX_NUM_CPU_DEVICES": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(job)], text=True, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _work(job: dict) -> Sequence[Verdict]:
    from jax_mesh.group import join

    join(f"localhost:{job['port']}", job["count"], job["index"], SECONDS)
    corpus, cases = Text.of(interpreter_text()), chosen(job["only"])
    note = f", {job['count']} processes"
    return list(on_meshes([str(job["count"])], corpus, job["seed"], cases, note))


if __name__ == "__main__":
    verdicts = _work(json.loads(sys.argv[1]))
    print(json.dumps([asdict(verdict) for verdict in verdicts]), flush=True)
