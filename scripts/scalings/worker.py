"""One timed process of several: `python -m scalings.worker JSON`; it prints seconds as JSON."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

WARM_UP = 2
FEWEST = 3  # calls that a median is taken over, at least


def seconds_each(function: Callable[[], Any], budget: float, agree: Callable[[int], int]) -> float:
    """Median seconds of a call; all processes make equally many (`agree` hands out the most)."""
    for _ in range(WARM_UP):
        function()
    start = time.perf_counter()
    function()
    number = agree(max(FEWEST, int(budget / (time.perf_counter() - start))))
    times = []
    for _ in range(number):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def numpy_step(job: dict) -> dict:
    """A training step of the NumPy backend in so many processes."""
    import manual
    from lstm_spec import config_of

    params, batch = _case(job).draw("float32")
    count = job["count"]
    shape = config_of(params), *batch.tokens.shape
    workspace = manual.Workspace(*shape, processes=count if count > 1 else False)

    def step() -> None:
        manual.loss_and_grads(params, batch, workspace)

    return {"step": seconds_each(step, job["budget"], lambda number: number)}


def jax_step(job: dict) -> dict:
    """A step of jax-manual on a mesh of all processes; and what it takes to hand a batch over."""
    import jax

    from jax_mesh import passes
    from jax_mesh.grid import make_mesh
    from jax_mesh.place import Place
    from jax_mesh.sizes import Grid
    from lstm_spec import load_backend

    agree = _joined(job)
    place = Place(make_mesh(Grid(job["count"])))
    params, batch = _case(job).draw("float32")
    weights, placed = place.weights(params), place.batch(batch)
    backend = load_backend("jax-manual")
    function = jax.jit(lambda p, b: passes.loss_and_grads(backend, place, p, b)[:2])

    def timed(call: Callable[..., Any], *given: Any) -> float:
        return seconds_each(partial(_done, call, *given), job["budget"], agree)

    return {
        "step": timed(function, weights, placed),
        "input": timed(place.batch, batch),
        "bytes": sum(leaf.nbytes for leaf in jax.tree.leaves(params)),
    }


def jax_sum(job: dict) -> dict:
    """The sum over all processes of arrays of so many float32 numbers."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import PartitionSpec

    from jax_mesh.grid import DATA, make_mesh
    from jax_mesh.place import Place
    from jax_mesh.sizes import Grid

    agree, found = _joined(job), {}
    place = Place(make_mesh(Grid(job["count"])))
    total = jax.jit(
        jax.shard_map(
            lambda a: jax.lax.psum(a, DATA), mesh=place.mesh,
            in_specs=PartitionSpec(), out_specs=PartitionSpec(), check_vma=False,
        )
    )  # fmt: skip
    for numbers in job["numbers"]:
        call = partial(_done, total, place.weights(jnp.ones(numbers, jnp.float32)))
        again = [seconds_each(call, job["budget"] / 3, agree) for _ in range(3)]
        found[str(4 * numbers)] = min(again)  # the least disturbed: these are the network's own
    return {"sum": found}


def _done(call: Callable[..., Any], *given: Any) -> None:
    import jax

    jax.block_until_ready(call(*given))


def _joined(job: dict) -> Callable[[int], int]:
    """Meets the other processes; hands out what finds the largest of all their numbers."""
    if job["count"] == 1:
        return lambda number: number
    from jax_mesh.group import join

    return join(f"localhost:{job['port']}", job["count"], job["index"], patience=120).agreed


def _case(job: dict) -> Any:
    from benchmarks.cases import Case

    return Case(**job["case"])


def main() -> None:
    """Do the job."""
    job = json.loads(sys.argv[1])
    found = {"numpy_step": numpy_step, "jax_step": jax_step, "jax_sum": jax_sum}[job["kind"]](job)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
