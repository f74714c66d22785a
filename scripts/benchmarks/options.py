"""The command line of scripts/benchmark.py."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmarks.cases import NAMED, Case
from benchmarks.contender import present
from benchmarks.machine import gpu
from lstm_spec import InputError
from lstm_spec.files import require_writable

Kind = Literal["step", "sample", "peak", "cold", "long", "scaling", "verdicts"]
ON_GPU = ("step", "sample", "cold")  # the others look at the host's memory or at its processor
FIGURES = (".png", ".pdf", ".svg")


@dataclass(frozen=True)
class Benchmark:
    """Measure gradparity's backends against the libraries that are installed.

    Every measurement runs in a process of its own, contenders in turn, in rounds; medians are
    shown. Compare ratios: absolute times drift where others use the machine.
    """

    case: tuple[str, ...] = tuple(NAMED)
    """notebook, minibatch, charrnn, medium, large, xl, or TIMExBATCHxHIDDENxVOCAB."""
    measure: tuple[Kind, ...] = ("step", "sample", "peak", "cold")
    """step: a training step; sample: one sequence, token by token; peak: memory of a training
    step; cold: from the start of the process to the first gradient; long: a long sequence with
    states kept now and then only; scaling: a training step over time, batch and hidden size;
    verdicts: gradparity check against torch.autograd.gradcheck."""
    contenders: tuple[str, ...] = ()
    """numpy, numpy-literal, jax, jax-manual, torch, flax, jax-grad, jax-grad-fused (all that are
    installed, but for numpy-literal)."""
    rounds: int = 3
    """How often each is measured."""
    seconds: float = 1.0
    """Of each measurement, after a warm-up."""
    tries: int = 1
    """Measure up to so many times where other programs used the processor meanwhile (Linux)."""
    seed: int = 0
    """Of parameters and tokens."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision."""
    device: Literal["cpu", "gpu"] = "cpu"
    """gpu: what runs there, on the first one, with JAX and PyTorch that know it."""
    gemm: int = 2048
    """Size of the square matrix product that stands for the machine's limit."""
    long_case: str = "4096x16x256x96"
    """The sequence of `long`."""
    keep_every: int = 64
    """Steps between states that are kept, in `long`."""
    json: Path | None = None
    """Write every figure to this file."""
    figure: Path | None = None
    """Draw ratios, and scaling if measured, to this file (.png, .pdf or .svg)."""

    def cases(self) -> list[Case]:
        """The cases, once each."""
        return [replace(Case.of(text), seed=self.seed) for text in dict.fromkeys(self.case)]

    def names(self) -> list[str]:
        """The contenders that are there."""
        return present(tuple(dict.fromkeys(self.contenders)), self.device)

    def validate(self) -> None:
        """Say at once what cannot be.

        Raises:
            InputError: names the option.
        """
        self.cases(), self.names(), Case.of(self.long_case)
        if self.device == "gpu":
            self._validate_gpu()
        if self.seed < 0:
            raise InputError(f"--seed: got {self.seed}, expected 0 or more")
        for name in ("rounds", "tries", "gemm", "keep_every"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise InputError(f"--{flag}: got {getattr(self, name)}, expected 1 or more")
        if not self.seconds >= 0:
            raise InputError(f"--seconds: got {self.seconds}, expected 0 or more")
        for path in filter(None, (self.json, self.figure)):
            require_writable(path)
        if self.figure and self.figure.suffix.lower() not in FIGURES:
            raise InputError(f"--figure {self.figure}: expected a name in {', '.join(FIGURES)}")

    def _validate_gpu(self) -> None:
        for kind in self.measure:
            if kind not in ON_GPU:
                expected = f"expected {' or '.join(ON_GPU)} with --device gpu"
                raise InputError(f"--measure: got {kind}, {expected}")
        if gpu() is None:
            raise InputError("--device: got gpu, but JAX finds none")
