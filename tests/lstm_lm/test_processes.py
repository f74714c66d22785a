"""Training in several processes of the backend numpy: the same numbers, validation among them."""

import json

import numpy as np
import pytest
from running import losses, train

from lstm_lm.config.options import Options
from lstm_lm.engines.numpy_engine import NumpyEngine
from lstm_spec import Batch, Config, InputError, init_params
from manual import Workspace
from manual.fast import shared

RUN = ["--hidden", "8", "--batch", "9", "--layers", "2", "--dropout", "0.2", "--dtype", "float64"]
RUN += ["--schedule", "constant", "--evaluate-every", "4", "--steps", "8"]


def processes_of(workspace):
    """How many compute a pass; one where the system has no memory to share."""
    return 1 if workspace.team is None else len(workspace.team.columns)


def validations(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [r["validation"] for r in map(json.loads, lines) if "validation" in r]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert train(*RUN, "--processes", 1, "--out", folder) == 0
    return folder


@pytest.mark.parametrize("number", [2, 4, 8, 20])
def test_the_numbers_are_those_of_one_process(number, alone, tmp_path):
    """Uneven parts, more processes than cores, and more than sequences."""
    folder = tmp_path / "run"
    assert train(*RUN, "--processes", number, "--out", folder) == 0
    np.testing.assert_allclose(losses(folder), losses(alone), rtol=1e-12)
    np.testing.assert_allclose(validations(folder), validations(alone), rtol=1e-12)


def test_a_run_goes_on_with_another_number(alone, tmp_path):
    folder = tmp_path / "run"
    assert train(*RUN[:-1], 4, "--out", folder) == 0
    assert train("--resume", folder, "--steps", 8, "--processes", 3) == 0
    np.testing.assert_allclose(losses(folder), losses(alone), rtol=1e-12)
    assert json.loads((folder / "config.json").read_text())["processes"] == 3


def test_validation_uses_them_as_well():
    options = Options(processes=3, dtype="float64").resolved()
    engine = NumpyEngine(options)
    params = init_params(Config(5, 8), 0)
    for columns in (6, 4):  # those of the updates, and others
        tokens = np.random.default_rng(0).integers(0, 5, (2, 7, columns))
        engine.loss(params, Batch(*tokens))
    found = list(engine._workspaces.values())
    assert [processes_of(w) for w in found] == [3 if shared.available() else 1]


def test_how_many_may_be_asked_for():
    with pytest.raises(InputError, match="processes: got 0, expected 1 or more"):
        Workspace(Config(5, 8), 4, 4, processes=0)
    several = 3 if shared.available() else 1
    assert processes_of(Workspace(Config(5, 8), 4, 4, processes=3)) == several
    assert processes_of(Workspace(Config(5, 8), 4, 4, processes=1)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--processes", -1], "--processes: got -1, expected 0 (as many as pay) or more"),
        (
            ["--processes", 2, "--backend", "jax"],
            "--processes: got 2 with backend jax, expected numpy; the JAX backends have --mesh",
        ),
    ],
)
def test_bad_use(arguments, said, capsys):
    assert train(*arguments) == 2
    assert said in capsys.readouterr().err
