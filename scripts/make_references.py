"""Store what autodiff gives for the cases of tests/manual, so that those tests need no JAX."""

import os
import sys
from pathlib import Path

os.environ["JAX_ENABLE_X64"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "manual"))

import numpy as np
from test_manual import REFERENCES, SIZES, drawn, drawn_vjp

from lstm_spec import load_backend
from lstm_spec.exits import guarded
from lstm_spec.tree import leaves


def main() -> None:
    """Write tests/manual/references.npz."""
    jax = load_backend("jax")
    stored = {
        f"{name}/{path}": np.asarray(leaf)
        for name in SIZES
        for path, leaf in leaves(jax.adjoints(*drawn(name))).items()
    }
    for path, leaf in leaves(jax.vjp(*drawn_vjp())).items():
        stored[f"vjp/{path}"] = np.asarray(leaf)
    np.savez_compressed(REFERENCES, **stored)
    print(f"{REFERENCES}: {len(stored)} arrays, {REFERENCES.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(guarded("make_references.py", main))
