"""`--pieces`: what a machine decides is kept with the run, and can be said instead."""

import json

import numpy as np
import pytest

from lstm_lm.config.options import Options
from lstm_lm.engines.numpy_engine import settled
from lstm_lm.train_cli import main
from lstm_spec import Batch, load_backend

RUN = ("--hidden", "96", "--layers", "1", "--batch", "6", "--steps", "2")
CUT = "96x96:3x48"


@pytest.fixture
def train(capsys):
    """Runs the command; hands back its exit code and what it wrote to standard error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.fixture
def measured(monkeypatch):
    """Shapes that were asked for; every machine's answer is CUT."""
    asked = []

    def pieces(*shape):
        asked.append(shape)
        return CUT

    monkeypatch.setattr(load_backend("numpy").Workspace, "measured_pieces", staticmethod(pieces))
    return asked


def pieces_of(folder):
    return json.loads((folder / "config.json").read_text())["pieces"]


def test_a_run_keeps_what_its_machine_decided(train, measured, tmp_path):
    folder = tmp_path / "run"
    assert train("--out", folder, *RUN)[0] == 0
    assert (len(measured), pieces_of(folder)) == (1, CUT)
    assert train("--resume", folder, "--steps", 4)[0] == 0
    assert (len(measured), pieces_of(folder)) == (1, CUT)
    assert train("--resume", folder, "--steps", 6, "--pieces", "rule")[0] == 0
    assert (len(measured), pieces_of(folder)) == (1, "rule")
    assert train("--resume", folder, "--steps", 8, "--pieces", "measured")[0] == 0
    assert (len(measured), pieces_of(folder)) == (2, CUT)


def test_a_resumed_run_has_the_bits_of_an_unbroken_one(train, measured, tmp_path):
    assert train("--out", tmp_path / "whole", *RUN[:-1], 4)[0] == 0
    assert train("--out", tmp_path / "broken", *RUN)[0] == 0
    measured.clear()
    assert train("--resume", tmp_path / "broken", "--steps", 4)[0] == 0
    assert not measured
    whole, broken = ((tmp_path / n / "last.safetensors").read_bytes() for n in ("whole", "broken"))
    assert whole[-100_000:] == broken[-100_000:]


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_what_cannot_be_cut_so(train, tmp_path, backend):
    code, said = train(
        "--out", tmp_path / "run", *RUN, "--pieces", "96x96:3x47", "--backend", backend
    )
    assert code == 2
    assert "--pieces: got 96x96:3x47, expected columns that divide 96" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("backend", "asked"), [("numpy", 1), ("jax", 0), ("jax-manual", 0)])
def test_only_numpy_asks_its_machine(measured, backend, asked):
    options = Options(backend=backend).resolved()
    found = settled(options, 4, Batch(*np.zeros((2, 5, 22), int)))
    assert (found.pieces, len(measured)) == (CUT if asked else "measured", asked)
