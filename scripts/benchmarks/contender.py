"""What every contender offers, and the list of them."""

import importlib
import importlib.util
from typing import NamedTuple, Protocol

from benchmarks.cases import Case
from lstm_spec import InputError


class Contender(Protocol):
    """One implementation of the same model, made for one case."""

    def __init__(self, case: Case, dtype: str, keep_every: int) -> None:
        """Bring parameters and batch into its own form."""

    def compile(self) -> None:
        """Compile the training step, without running it, if there is anything to compile."""

    def step(self) -> float:
        """Loss and all gradients, computed to the end; returns the loss."""

    def sample(self, length: int) -> int:
        """Read and predict so many tokens of one sequence, always the likeliest; the last one."""


class Entry(NamedTuple):
    """Where a contender lives, what it needs, and what it is."""

    module: str
    name: str
    needs: str
    peer: bool
    text: str


CONTENDERS = {
    "numpy": Entry("ours", "NumPy", "numpy", False, "by hand"),
    "numpy-literal": Entry("ours", "NumPyLiteral", "numpy", False, "by hand, line by line"),
    "jax": Entry("ours", "JAXReference", "jax", False, "autodiff of the literal equations"),
    "jax-manual": Entry("ours", "JAXManual", "jax", False, "by hand, in JAX"),
    "torch": Entry("torch_peer", "Torch", "torch", True, "nn.LSTM, nn.Linear, cross_entropy"),
    "flax": Entry("flax_peer", "Flax", "flax", True, "nn.RNN over OptimizedLSTMCell"),
    "jax-grad": Entry("jax_peers", "Literal", "jax", True, "jax.grad, a product a gate"),
    "jax-grad-fused": Entry("jax_peers", "Fused", "jax", True, "jax.grad, one product a step"),
}
USUAL = tuple(name for name in CONTENDERS if name != "numpy-literal")


def present(names: tuple[str, ...], device: str = "cpu") -> list[str]:
    """Those that are installed and run there, in order; asked for by name, they must.

    Raises:
        InputError: a name is none, or what it needs is not installed, or it cannot run there.
    """
    for name in names:
        if name not in CONTENDERS:
            raise InputError(
                f"--contenders: got {name!r}, expected some of {', '.join(CONTENDERS)}"
            )
        if not _installed(name):
            raise InputError(f"--contenders {name}: needs {CONTENDERS[name].needs}, not installed")
        if not _runs_on(name, device):
            raise InputError(f"--contenders {name}: runs on CPUs only")
    return list(names) or [name for name in USUAL if _installed(name) and _runs_on(name, device)]


def _runs_on(name: str, device: str) -> bool:
    return device == "cpu" or CONTENDERS[name].needs != "numpy"


def _installed(name: str) -> bool:
    return importlib.util.find_spec(CONTENDERS[name].needs) is not None


def make(name: str, case: Case, dtype: str, keep_every: int = 0) -> Contender:
    """Import and make a contender."""
    entry = CONTENDERS[name]
    module = importlib.import_module(f"benchmarks.{entry.module}")
    return getattr(module, entry.name)(case, dtype, keep_every)
