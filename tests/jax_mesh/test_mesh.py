"""A batch over a mesh: parsed, placed, and held to one device.

In processes of their own, for JAX has its devices once and for all.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from jax_mesh.grid import make_mesh
from jax_mesh.place import filled
from jax_mesh.sizes import Grid
from lstm_spec import Batch, InputError


@pytest.mark.parametrize(
    ("text", "grid"), [("1", (1, 1)), ("4", (4, 1)), ("4x2", (4, 2)), ("2×3", (2, 3))]
)
def test_a_grid_as_it_is_written(text, grid):
    assert Grid.of(text) == grid


@pytest.mark.parametrize("text", ["", "0", "2x", "x2", "two", "2x2x2", "-1"])
def test_what_is_no_grid(text):
    with pytest.raises(InputError, match="--mesh: got"):
        Grid.of(text)


def test_more_devices_than_there_are():
    with pytest.raises(InputError, match=r"64 devices, but JAX has \d+ on cpu"):
        make_mesh(Grid(64))


def test_what_fills_a_mesh_up_counts_for_nothing():
    batch = Batch(*np.ones((2, 3, 5), int), dropout=np.full((1, 3, 4, 5), 0.5))
    found = filled(batch, 4)
    assert found.tokens.shape == found.targets.shape == found.mask.shape == (3, 8)
    assert found.mask.sum() == 15
    assert found.dropout.shape == (1, 3, 4, 8)
    assert (found.dropout[..., 5:] == 1).all()
    assert filled(batch, 5) is batch


def checked(*arguments):
    command = [sys.executable, "-m", "gradparity", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "meshes"),
    [
        (["--mesh", "2", "4", "8"], {"2", "4", "8"}),
        (["--mesh-processes", "2"], {"2, 2 processes"}),
    ],
)
def test_every_leaf_agrees_on_every_mesh(arguments, meshes, tmp_path):
    """1 to 3 layers, unequal lengths, gaps, dropout, remainders; devices and processes."""
    path = tmp_path / "mesh.json"
    done = checked(*arguments, "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS  every leaf agrees" in done.stdout
    verdicts = json.loads(path.read_text())["meshes"]
    assert {v["mesh"] for v in verdicts} == meshes
    assert {v["backend"] for v in verdicts} == {"jax", "jax-manual"}
    assert len(verdicts) == 2 * 11 * len(meshes)


def test_weights_may_be_shared_as_well():
    done = checked("--mesh", "2x2", "1x2", "--case", "aⁿbⁿ, 2 layers")
    assert done.returncode == 0, done.stdout + done.stderr


WRONG = """
import os
os.environ |= {"JAX_NUM_CPU_DEVICES": "2", "JAX_ENABLE_X64": "1"}
import jax.numpy as jnp
from jax_mesh import passes
passes.jnp = type("Wrong", (), {"__getattr__": lambda self, name: getattr(jnp, name)})()
passes.jnp.count_nonzero = lambda mask: jnp.float64(1.0)  # every device counts alike
from gradparity.cli import main
main(["check", "--mesh", "2", "--case", "aⁿbⁿ, 2 layers"])
"""


def test_a_mean_that_weighs_devices_wrongly_is_found():
    done = subprocess.run([sys.executable, "-c", WRONG], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL" in done.stdout
    assert "plain, mesh 2: grads.W_v" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mesh", "two"], "--mesh: got 'two', expected a number of devices"),
        (["--mesh-processes", "1"], "--mesh-processes: got 1, expected 2 to 8"),
        (["--mesh", "2", "--plant", "B8"], "--plant: does not go with --mesh"),
        (["--mesh", "2", "--case", "none"], "--case: got 'none', expected one of"),
    ],
)
def test_bad_use(arguments, said):
    done = checked(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
