"""What figures come from: the processor, the kernels that BLAS runs, and what holds them back."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from threadpoolctl import threadpool_info

from manual.fast.processor import described

# Instructions that decide how fast a product can be, by what Linux calls them.
FEATURES = {"avx2": "AVX2", "avx512f": "AVX-512", "amx_tile": "AMX", "asimd": "NEON", "sve": "SVE"}
# What in the environment makes a library slower than people have it.
HOLDING = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
    "MKL_NUM_THREADS", "NPY_DISABLE_CPU_FEATURES", "ONEDNN_MAX_CPU_ISA", "XLA_FLAGS",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, cores, instructions, BLAS libraries, and variables that hold them back."""
    import_module("numpy")  # loads BLAS, which is asked below
    about = described()
    flags = about.get("flags", about.get("Features", "")).split()
    return {
        "processor": about.get("model name") or platform.processor() or platform.machine(),
        "cores": _cores(),
        "instructions": [name for flag, name in FEATURES.items() if flag in flags],
        "blas": [
            {key: library.get(key) for key in ("internal_api", "version", "architecture")}
            | {"threads": library["num_threads"]}
            for library in threadpool_info()
            if library["user_api"] == "blas"
        ],
        "holding_back": {name: os.environ[name] for name in HOLDING if os.environ.get(name)},
    }


def gpu() -> str | None:
    """The first one that JAX finds; asked in a process of its own, for JAX keeps what it takes."""
    ask = "import jax; print(jax.devices('gpu')[0].device_kind)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def sentences(found: Mapping[str, Any]) -> list[str]:
    """The same for people, one line each; warnings last."""
    instructions = ", ".join(found["instructions"])
    count = found["cores"]
    cores = f"{count} core" if count == 1 else f"{count} cores"
    lines = [f"{found['processor']}, {cores}{f', {instructions}' if instructions else ''}"]
    lines += [f"measured on: {found['gpu']}"] if found.get("gpu") else []
    for library in found["blas"]:
        threads = library["threads"]
        name = " ".join(filter(None, (library["internal_api"], library["version"])))
        kernels = f", kernels for {library['architecture']}" if library["architecture"] else ""
        lines.append(f"{name}{kernels}, {threads} thread{'' if threads == 1 else 's'}")
    lines += [
        f"warning: {name}={value} in the environment: libraries may be slower than people have them"
        for name, value in found["holding_back"].items()
    ]
    return lines


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
