"""The check on a mesh in several processes of this machine, which find each other by loopback."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from gradparity.check.cases import Text
from gradparity.check.mesh import Verdict, chosen, on_meshes
from jax_mesh.local import run
from lstm_spec.corpus import interpreter_text

SECONDS = 300
ENVIRONMENT = {"JAX_ENABLE_X64": "1", "JAX_NUM_CPU_DEVICES": "1"}


def in_processes(count: int, seed: int, only: str | None) -> list[Verdict]:
    """Verdicts of a mesh of so many devices, each in a process of its own.

    Raises:
        InputError: a process failed; what it said last is in the message.
    """
    job = {"count": count, "seed": seed, "only": only}
    found = run(__name__, count, job, f"--mesh-processes {count}", SECONDS, ENVIRONMENT)
    return [Verdict(**verdict | {"failures": tuple(verdict["failures"])}) for verdict in found]


def _work(job: dict) -> Sequence[Verdict]:
    from jax_mesh.group import join

    join(f"localhost:{job['port']}", job["count"], job["index"], SECONDS)
    corpus, cases = Text.of(interpreter_text()), chosen(job["only"])
    note = f", {job['count']} processes"
    return list(on_meshes([str(job["count"])], corpus, job["seed"], cases, note))


if __name__ == "__main__":
    verdicts = _work(json.loads(sys.argv[1]))
    print(json.dumps([asdict(verdict) for verdict in verdicts]), flush=True)
