"""The floors, in fresh interpreters, and that these tests can fail."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
LOADED = "import sys\nprint('\\n'.join(sys.modules))"


def loaded_by(code: str) -> set[str]:
    """Top-level packages in a fresh interpreter after running some code."""
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LOADED}"], capture_output=True, text=True, check=True
    )
    return {line.partition(".")[0] for line in result.stdout.splitlines()}


BACKEND_PACKAGES = {"manual", "jax_ref", "jax_manual", "jax_mesh", "jax", "jaxlib"}
FORBIDDEN = {
    "import lstm_spec": {*BACKEND_PACKAGES, "gradparity", "lstm_lm", "matplotlib", "scipy"},
    "import manual": {
        *BACKEND_PACKAGES - {"manual"},
        "gradparity",
        "lstm_lm",
        "matplotlib",
        "scipy",
    },
    "import jax_ref": {"manual", "jax_manual", "gradparity", "lstm_lm", "matplotlib"},
    "import jax_manual": {"manual", "gradparity", "lstm_lm", "matplotlib"},
    "import jax_mesh.passes": {"manual", "jax_ref", "jax_manual", "gradparity", "lstm_lm"},
    "import gradparity": {*BACKEND_PACKAGES, "lstm_lm", "matplotlib"},
    "import gradparity.cli": {*BACKEND_PACKAGES, "lstm_lm", "matplotlib"},
    "import lstm_spec; lstm_spec.load_backend('numpy')": BACKEND_PACKAGES - {"manual"},
    "import lstm_spec; lstm_spec.load_backend('jax')": {"manual", "jax_manual"},
    "import lstm_spec; lstm_spec.load_backend('jax-manual')": {"manual"},
}


@pytest.mark.parametrize("code", FORBIDDEN)
def test_what_an_import_must_not_load(code):
    assert loaded_by(code) & FORBIDDEN[code] == set()


@pytest.mark.parametrize("package", ["jax", "manual", "matplotlib"])
def test_the_floor_test_can_fail(package):
    assert package in loaded_by(f"import gradparity, {package}")


def test_a_pass_on_numpy_never_loads_jax():
    code = (
        "import numpy as np, lstm_spec as s\n"
        "p = s.init_params(s.Config(4, 3), 0)\n"
        "b = s.Batch(np.zeros((2, 1), int), np.ones((2, 1), int))\n"
        "s.load_backend('numpy').adjoints(p, b)"
    )
    assert not loaded_by(code) & {"jax", "jaxlib"}


def imported(files):
    """A program that imports these test files."""
    lines = (f"runpy.run_path({str(file)!r})" for file in files)
    return "\n".join(["import runpy, sys", f"sys.path.insert(0, {str(TESTS)!r})", *lines])


def test_the_tests_of_manual_need_numpy_alone():
    """They run without JAX, and, under mutation, a thousand times."""
    files = sorted((TESTS / "manual").rglob("test_*.py"))
    assert {"test_manual.py", "test_passes.py"} <= {file.name for file in files}
    loaded = loaded_by(imported(files))
    assert "manual" in loaded
    assert not loaded & {"jax", "jaxlib", "torch"}


def test_a_test_that_loads_jax_is_found():
    assert "jax" in loaded_by(imported([TESTS / "jax_manual" / "test_jax_manual.py"]))
