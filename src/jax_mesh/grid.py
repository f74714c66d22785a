"""How many devices share a batch, and how many share the weights."""

import re
from typing import NamedTuple

import jax
from jax.sharding import AxisType, Mesh

from lstm_spec import InputError

DATA, MODEL = "data", "model"


class Grid(NamedTuple):
    """The sizes of a mesh.

    Attributes:
        data: devices, or rows of devices, each of which has some of the sequences.
        model: devices in a row, each of which keeps some of the weights' rows.
    """

    data: int = 1
    model: int = 1

    @classmethod
    def of(cls, text: str) -> "Grid":
        """From "4" or "4x2".

        Raises:
            InputError: it is neither.
        """
        sizes = re.fullmatch(r"([1-9]\d*)(?:[x×]([1-9]\d*))?", text)
        if sizes is None:
            raise InputError(f"--mesh: got {text!r}, expected a number of devices, or DATAxMODEL")
        return cls(int(sizes[1]), int(sizes[2] or 1))

    @property
    def devices(self) -> int:
        """How many it needs."""
        return self.data * self.model


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
