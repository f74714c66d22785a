"""What is measured, one function for each kind; each returns plain data for the report."""

import platform
import sys
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Any

from benchmarks import rounds
from benchmarks.cases import Case
from benchmarks.machine import gpu, machine
from benchmarks.options import Benchmark
from benchmarks.rounds import Tell, in_turn, jobs, median
from lstm_spec import InputError

NOTEBOOK = Case.of("notebook")
LONG = ("numpy", "jax-manual")  # the backends that can keep fewer states
SCALED = ("numpy", "jax", "jax-manual", "torch")
AXES = {
    "time": (16, 32, 64, 128, 256),
    "batch": (8, 16, 32, 64, 128),
    "hidden": (64, 128, 256, 512),
}
LOSS_TOLERANCE = {"float32": 1e-4, "float64": 1e-9}


def steps(options: Benchmark, case: Case, tell: Tell) -> dict[str, Any]:
    """A training step of every contender, and the machine's limit in the same rounds."""
    work = jobs("step", options.names(), case, options)
    gemm = rounds.gemm_job(options)
    found = in_turn(work | {"GEMM": gemm}, options.rounds, tell, options.tries)
    rate = median(found.pop("GEMM"), "rate")
    _require_one_model({name: results[0]["loss"] for name, results in found.items()}, options.dtype)
    return {
        "case": asdict(case),
        "gemm_rate": rate,
        "limit_seconds": case.operations / rate,
        "seconds": {name: median(results, "seconds") for name, results in found.items()},
        "rounds": {name: [r["seconds"] for r in results] for name, results in found.items()},
    }


def _require_one_model(losses: dict[str, float], dtype: str) -> None:
    """Contenders that disagree on the loss do not compute the same thing.

    Raises:
        InputError: they do.
    """
    low, high = min(losses.values()), max(losses.values())
    if not high - low <= LOSS_TOLERANCE[dtype] * abs(high):
        raise InputError(f"the contenders' losses differ, so their times say nothing: {losses}")


def samples(options: Benchmark, case: Case, tell: Tell) -> dict[str, Any]:
    """Tokens per second when one sequence is sampled."""
    work = jobs("sample", options.names(), case, options)
    found = in_turn(work, options.rounds, tell, options.tries)
    each = {name: median(results, "tokens_per_second") for name, results in found.items()}
    return {"case": asdict(case), "tokens_per_second": each}


def peaks(options: Benchmark, case: Case, tell: Tell) -> dict[str, Any]:
    """Memory that the first training step adds."""
    found = in_turn(jobs("peak", options.names(), case, options, 0), 1, tell, options.tries)
    return {"case": asdict(case), "bytes": {name: r[0]["bytes"] for name, r in found.items()}}


def cold(options: Benchmark, tell: Tell) -> dict[str, Any]:
    """Seconds from the start of a process to its first gradient, on the notebook's model."""
    work = jobs("cold", options.names(), NOTEBOOK, options, 0)
    found = in_turn(work, options.rounds, tell, options.tries)
    seconds = {name: median(results, "wall") for name, results in found.items()}
    return {"case": asdict(NOTEBOOK), "seconds": seconds}


def long(options: Benchmark, tell: Tell) -> dict[str, Any]:
    """Peak memory and time with every state kept, and with few of them."""
    case, work = Case.of(options.long_case), {}
    for name in (n for n in LONG if n in options.names()):
        job = jobs("long", [name], case, options)[name]
        work[f"{name}, every step"] = job
        work[f"{name}, every {options.keep_every}"] = job | {"keep_every": options.keep_every}
    found = in_turn(work, options.rounds, tell, options.tries)
    return {
        "case": asdict(case),
        "keep_every": options.keep_every,
        "seconds": {name: median(results, "seconds") for name, results in found.items()},
        "bytes": {name: median(results, "bytes") for name, results in found.items()},
    }


def scaling(options: Benchmark, tell: Tell) -> dict[str, Any]:
    """A training step as time, batch and hidden size grow from the case `medium`."""
    names, middle = [n for n in SCALED if n in options.names()], Case.of("medium")
    curves: dict[str, Any] = {}
    for axis, sizes in AXES.items():
        curves[axis] = {"sizes": sizes, "seconds": {name: [] for name in names}}
        for size in sizes:
            case = replace(middle, name=f"{axis} {size}", **{axis: size})
            work = jobs("step", names, case, options)
            found = in_turn(work, options.rounds, tell, options.tries)
            for name, results in found.items():
                curves[axis]["seconds"][name].append(median(results, "seconds"))
    return {"middle": asdict(middle), "curves": curves}


def verdicts(options: Benchmark, tell: Tell) -> dict[str, Any]:
    """Cold, through the command line: ours on the notebook's model, and PyTorch's."""
    ours = [sys.executable, "-m", "gradparity", "check", "--case", "aⁿbⁿ, notebook"]
    job = {"kind": "gradcheck", "case": asdict(NOTEBOOK)}
    work: dict[str, dict] = {"gradparity check": {"command": ours}}
    if "torch" in options.names():
        work["gradcheck, slow"] = job | {"fast": False}
        work["gradcheck, fast"] = job | {"fast": True}
    found = in_turn(work, options.rounds, tell, options.tries)
    if any(result.get("code") for result in chain(*found.values())):
        raise InputError(f"{' '.join(ours)}: failed")
    return {
        "case": asdict(NOTEBOOK),
        "seconds": {name: median(results, "wall") for name, results in found.items()},
    }


def environment(device: str) -> dict[str, Any]:
    """Where the figures come from."""
    packages = ("numpy", "jax", "jaxlib", "torch", "flax")
    found: dict[str, Any] = {"platform": platform.platform(), "python": platform.python_version()}
    found["machine"] = machine() | ({"gpu": gpu()} if device == "gpu" else {})
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
