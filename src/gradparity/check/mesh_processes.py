"""The check on a mesh in several processes of this machine, which find each other by loopback."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from gradparity.check.cases import Text
from gradparity.check.mesh import Verdict, chosen, on_mesh, on_one, trials, verdict
from jax_mesh.local import run
from lstm_spec.corpus import interpreter_text, read_text

SECONDS = 300
ENVIRONMENT = {"JAX_ENABLE_X64": "1", "JAX_NUM_CPU_DEVICES": "1"}


def in_processes(count: int, seed: int, only: str | None, data: Path | None) -> list[Verdict]:
    """Verdicts of a mesh of so many devices, each in a process of its own.

    Raises:
        InputError: a process failed; what it said last is in the message.
    """
    job = {"count": count, "seed": seed, "only": only, "data": data and str(data)}
    found = run(__name__, count, job, f"--mesh-processes {count}", SECONDS, ENVIRONMENT)
    return [Verdict(**one | {"failures": tuple(one["failures"])}) for one in found]


def _work(job: dict) -> list[Verdict]:
    """All compute together; the first one holds what they found to what it finds alone."""
    from jax_mesh.group import join

    count = job["count"]
    leads = join(f"localhost:{job['port']}", count, job["index"], SECONDS).leads
    verdicts = []
    corpus = Text.of(read_text(Path(job["data"])) if job["data"] else interpreter_text())
    for trial in trials(corpus, job["seed"], chosen(job["only"])):
        found = on_mesh(trial, str(count))
        if leads:
            verdicts.append(verdict(trial, f"{count}, {count} processes", found, on_one(trial)))
    return verdicts


if __name__ == "__main__":
    print(json.dumps([asdict(found) for found in _work(json.loads(sys.argv[1]))]), flush=True)
