"""Losses of runs held to each other at the command line."""

import shutil

import numpy as np
import pytest
from running import SMALL, losses, train

from lstm_lm.compare_cli import main


def compared(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    out, errors = capsys.readouterr()
    return stop.value.code, out, errors


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs: of 25 updates, of other weights, and the first one's beginning."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed, steps in (("a", 0, 25), ("b", 1, 25), ("c", 0, 12)):
        train(
            *SMALL,
            "--seed",
            seed,
            "--steps",
            steps,
            "--schedule",
            "constant",
            "--out",
            folder / name,
        )
    return folder


def test_the_largest_differences_of_so_many_updates(runs, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    code, out, _ = compared(capsys, "a", "b", "c", "--figure", "both.png")
    assert code == 0
    a, b = losses(runs / "a"), losses(runs / "b")
    apart = np.abs(b - a) / a
    rows = [line.split() for line in out.splitlines()]
    assert rows[2] == ["b", *(f"{apart[:last].max():.1e}" for last in (1, 12, 20, 25))]
    assert rows[3] == ["c", "0.0e+00", "0.0e+00"]
    assert (runs / "both.png").read_bytes().startswith(b"\x89PNG")


def test_bad_use(runs, tmp_path, capsys):
    for arguments, said in [
        ([runs / "a"], "runs: got 1, expected two or more folders"),
        ([runs / "a", runs / "a"], "runs: got the same folder twice"),
        ([runs / "a", tmp_path], f"{tmp_path / 'config.json'}: "),
        ([runs / "a", empty(runs, tmp_path)], "no update was made yet"),
    ]:
        code, out, errors = compared(capsys, *arguments)
        assert (code, out) == (2, "")
        assert said in errors


def empty(runs, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(runs / "a" / "config.json", folder)
    return folder
