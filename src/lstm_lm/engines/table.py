"""The engine of each backend; the training loop knows no other difference between them."""

import os
from collections.abc import Callable

from jax_mesh.sizes import Grid
from lstm_lm.config.options import ONE, Options
from lstm_lm.engines.engine import Engine
from lstm_lm.engines.numpy_engine import NumpyEngine
from lstm_spec import InputError


def prepare_jax(options: Options, processes: int = 1) -> None:
    """Ask JAX for the run's precision and devices, before anything imports it."""
    if options.dtype == "float64":
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    # Else GPUs and TPUs multiply in fewer bits, and give other numbers than NumPy; CPUs never do.
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "float32")
    if options.mesh != ONE:  # of a CPU; other kinds of devices are there or not
        each = max(1, Grid.of(options.mesh).devices // processes)
        os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(each))


def _jax_engine(options: Options) -> Engine:
    if options.mesh != ONE:
        from lstm_lm.engines.mesh_engine import MeshEngine

        return MeshEngine(options)
    from lstm_lm.engines.jax_engine import JaxEngine

    return JaxEngine(options)


ENGINES: dict[str, Callable[[Options], Engine]] = {
    "numpy": NumpyEngine,
    "jax": _jax_engine,
    "jax-manual": _jax_engine,
}


def make_engine(options: Options) -> Engine:
    """The engine of the options' backend.

    Raises:
        InputError: there is none of this name.
    """
    if options.backend not in ENGINES:
        known = ", ".join([*ENGINES, "both"])
        raise InputError(f"--backend: got {options.backend!r}, expected one of {known}")
    return ENGINES[options.backend](options)
