"""The devices of a mesh: some rows share a batch, and those of a row the weights."""

import jax
from jax.sharding import AxisType, Mesh

from jax_mesh.sizes import Grid
from lstm_spec import InputError

DATA, MODEL = "data", "model"


def make_mesh(grid: Grid) -> Mesh:
    """A mesh of the first devices that JAX has, of all processes.

    Raises:
        InputError: JAX has fewer, or some process would have none of them.
    """
    devices = jax.devices()
    if len(devices) < grid.devices:
        have = f"JAX has {len(devices)} on {jax.default_backend()}"
        raise InputError(f"--mesh: {grid.devices} devices, but {have}; {_more(len(devices))}")
    chosen = devices[: grid.devices]
    idle = jax.process_count() - len({d.process_index for d in chosen})
    if idle:
        plural = "process" if idle == 1 else "processes"
        raise InputError(f"--mesh: {grid.devices} devices leave {idle} {plural} without one")
    axes = (AxisType.Auto, AxisType.Auto)
    return jax.make_mesh((grid.data, grid.model), (DATA, MODEL), axis_types=axes, devices=chosen)


def _more(number: int) -> str:
    if jax.default_backend() != "cpu":
        return f"expected {number} or fewer"
    return "on CPUs, JAX_NUM_CPU_DEVICES says how many each process has"
