"""One measurement in a process of its own: `python -m benchmarks.worker JSON` prints JSON."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import memory
from benchmarks.cases import Case
from benchmarks.contender import make

WARM_UP = 0.3  # seconds, and one call at least
SAMPLED = 64  # tokens between two looks at the clock


def seconds_each(function: Callable[[], Any], budget: float, warm_up: float = WARM_UP) -> float:
    """Median seconds of a call, over a budget of seconds and three calls at least."""
    begin = time.perf_counter()
    function()
    while time.perf_counter() - begin < warm_up:
        function()
    times: list[float] = []
    while len(times) < 3 or sum(times) < budget:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def step(job: dict) -> dict:
    """A training step: its seconds and its loss."""
    contender = _contender(job)
    return {"loss": contender.step(), "seconds": seconds_each(contender.step, job["budget"])}


def sample(job: dict) -> dict:
    """Greedy sampling of one sequence: tokens per second."""
    contender = _contender(job)
    each = seconds_each(lambda: contender.sample(SAMPLED), job["budget"])
    return {"tokens_per_second": SAMPLED / each}


def peak(job: dict) -> dict:
    """What the first training step adds to the memory of a process that is ready for it."""
    return _peak(_contender(job))


def _peak(contender: Any) -> dict:
    contender.compile()
    before = memory.reset_peak()
    contender.step()
    return {"bytes": memory.peak() - before, "whole_bytes": memory.peak()}


def long(job: dict) -> dict:
    """`peak`, then the seconds of a step."""
    contender = _contender(job)
    found = _peak(contender)
    return found | {"seconds": seconds_each(contender.step, job["budget"], warm_up=0)}


def cold(job: dict) -> dict:
    """The first gradient; whoever started this process holds the watch."""
    return {"loss": _contender(job).step()}


def gemm(job: dict) -> dict:
    """Operations per second of a square matrix product, in NumPy or, on a GPU, in JAX."""
    import numpy as np

    size, dtype = job["size"], job["dtype"]
    a, b = np.random.default_rng(0).standard_normal((2, size, size)).astype(dtype)
    out = np.empty_like(a)
    multiply = _gpu_product(a, b) if job["device"] == "gpu" else partial(np.matmul, a, b, out=out)
    return {"rate": 2 * size**3 / seconds_each(multiply, job["budget"])}


def _gpu_product(a: Any, b: Any) -> Callable[[], Any]:
    import jax

    left, right = jax.device_put((a, b))
    product = jax.jit(jax.numpy.matmul)
    return lambda: product(left, right).block_until_ready()


def gradcheck(job: dict) -> dict:
    """PyTorch's verdict."""
    from benchmarks.torch_peer import verdict

    return {"ok": verdict(Case(**job["case"]), job["fast"])}


def _contender(job: dict) -> Any:
    return make(job["contender"], Case(**job["case"]), job["dtype"], job.get("keep_every", 0))


def _on_gpu(job: dict) -> None:
    """JAX takes it by itself. float32 is float32: neither may multiply in fewer bits."""
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "float32"
    if job.get("contender") == "torch":
        import torch

        torch.set_default_device("cuda")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


KINDS = {f.__name__: f for f in (step, sample, peak, long, cold, gemm, gradcheck)}


def main() -> None:
    """Do the job and print what came out, on the last line."""
    job = json.loads(sys.argv[1])
    if job.get("dtype") == "float64":
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    if job.get("device") == "gpu":
        _on_gpu(job)
    else:
        os.environ["JAX_PLATFORMS"] = "cpu"
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    print(json.dumps(KINDS[job["kind"]](job)), flush=True)


if __name__ == "__main__":
    main()
