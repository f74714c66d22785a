"""Processes of this machine that work together and find each other by loopback. No JAX here."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from lstm_spec import InputError


def run(
    module: str, number: int, job: Mapping[str, Any], name: str, seconds: float,
    environment: Mapping[str, str],
) -> Any:  # fmt: skip
    """What the first of so many `python -m module JOB` printed last, both as JSON.

    Args:
        module: does the job.
        number: of processes.
        job: each gets it with its `index` and a free `port` to meet at.
        name: what an error begins with.
        seconds: until they are given up.
        environment: beside the caller's own.

    Raises:
        InputError: a process failed; what it said last is in the message.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    jobs = [{**job, "index": index, "port": port} for index in range(number)]
    started = [_started(module, one, environment) for one in jobs]
    try:
        said = [process.communicate(timeout=seconds) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (_, errors) in zip(started, said, strict=True):
        if process.returncode:
            last = (errors.strip().splitlines() or ["no output"])[-1]
            raise InputError(f"{name}: a process failed: {last}")
    return json.loads(said[0][0].strip().splitlines()[-1])


def _started(module: str, job: dict, environment: Mapping[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(job)], text=True,
        env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
