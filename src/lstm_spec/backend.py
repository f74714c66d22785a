"""What a backend offers, and how to get one by name."""

import importlib
from typing import Any, Protocol, cast

from lstm_spec.batch import Batch, Cotangents, State
from lstm_spec.errors import InputError
from lstm_spec.params import LayerParams, Params
from lstm_spec.results import VJP, LossAndGrads, LossOnly

# Modules by name, imported only when asked for: `numpy` must never load JAX.
BACKENDS = {
    "numpy": "manual",
    "numpy-literal": "manual.model",
    "jax": "jax_ref",
    "jax-manual": "jax_manual",
}


class Backend(Protocol):
    """Pure functions with explicit state; a module that has them is a backend.

    Every function raises `InputError` for parameters, batches or states that do
    not fit each other, before anything is computed.
    """

    def loss(self, params: Params, batch: Batch) -> LossOnly:
        """Mean nats per unmasked token."""

    def loss_and_grads(self, params: Params, batch: Batch) -> LossAndGrads:
        """The loss and the gradient by every parameter and by the initial state."""

    def adjoints(self, params: Params, batch: Batch) -> LossAndGrads:
        """`loss_and_grads`, and the adjoint of every intermediate at every time step."""

    def vjp(
        self,
        layers: tuple[LayerParams, ...],
        inputs: Any,
        initial_state: State | None,
        cotangents: Cotangents,
    ) -> VJP:
        """Run the layers on dense `inputs (time, inputs, batch)` and pull cotangents back."""

    def step(self, params: Params, tokens: Any, state: State | None = None) -> tuple[Any, State]:
        """Read one token a sequence, `(batch,)`: logits `(vocab, batch)` and the new state."""


def load_backend(name: str) -> Backend:
    """Import a backend by name.

    Raises:
        InputError: no backend has this name, or what it needs is not installed.
    """
    if name not in BACKENDS:
        raise InputError(f"backend: got {name!r}, expected one of {', '.join(BACKENDS)}")
    try:
        return cast(Backend, importlib.import_module(BACKENDS[name]))
    except ModuleNotFoundError as error:
        raise InputError(f"backend {name!r} needs the package {error.name!r}: {error}") from error
