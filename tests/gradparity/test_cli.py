"""The command line: what it prints, writes and returns."""

import json
import os
import subprocess
import sys

import pytest

from gradparity import cli
from gradparity.check import command
from gradparity.check.cases import Case
from gradparity.check.planted import Planted
from gradparity.lstm.equations import EQUATIONS, NUMBERS, Mistake

SMALL = (
    Case("aⁿbⁿ", "anbn", 22, 3, 5, masked=True, runs=2),
    Case("two layers", "text", 3, 2, 6, layers=2, masked=True, dropout=True, runs=2),
)


@pytest.fixture
def small(monkeypatch):
    """Two small cases instead of the default run's."""
    monkeypatch.setattr("gradparity.check.suite.CASES", SMALL)
    monkeypatch.setattr("gradparity.check.suite.FLOAT32_CASES", SMALL[1:])


@pytest.fixture
def wrong(monkeypatch):
    """A backend whose forget gate reads C_t where C_{t−1} belongs, and that drops dC_next."""
    forms = EQUATIONS["B8", "f"].slot("C_prev").forms
    mistakes = [
        Mistake("B8", "f", "C_prev", forms[1]),
        Mistake("B11", "", "dC", EQUATIONS["B11", ""].slot("dC").forms[1]),
    ]
    load = command.load_backend
    monkeypatch.setattr(
        command, "load_backend", lambda name: Planted(mistakes) if name == "numpy" else load(name)
    )


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(list(arguments))
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def test_parity(small, capsys, tmp_path):
    out, drawing = tmp_path / "check.json", tmp_path / "check.png"
    code, text, err = run(capsys, "check", "--json", str(out), "--figure", str(drawing))
    assert (code, err) == (0, "")
    assert "PASS" in text
    assert "numpy against jax: 2 cases, 4 runs" in text
    assert all(line.startswith(f"B{n}") for n, line in enumerate(text.splitlines()[4:15], 1))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    report = json.loads(out.read_text())
    assert report["verdict"] == "pass"
    assert report["blamed"] == []
    assert {"python", "numpy", "jax", "jaxlib"} <= set(report["environment"])
    assert set(report["blocks"][0]) >= {
        "case", "block", "kind", "layer", "gate", "equation", "time", "index", "values",
        "max_abs_error", "max_rel_error", "tolerance", "margin", "local", "ok",
    }  # fmt: skip
    assert {block["gate"] for block in report["blocks"]} == {"f", "i", "g", "o", "W_v", None}
    assert {block["equation"] for block in report["blocks"]} == {"F", *NUMBERS}
    assert drawing.read_bytes().startswith(b"\x89PNG")


def test_mismatch(small, wrong, capsys, tmp_path):
    out = tmp_path / "check.json"
    code, text, _ = run(capsys, "check", "--json", str(out), "--figure", str(tmp_path / "c.svg"))
    assert code == 1
    assert "FAIL" in text
    assert "✗ B8 (gate f) forget gate is wrong in layer 0, 1, t = 0–21" in text
    assert "✗ B11 cell state carried back is wrong in layer 0, 1, t = 0–21" in text
    report = json.loads(out.read_text())
    assert report["verdict"] == "fail"
    assert [found["equation"] for found in report["blamed"]] == ["B8", "B11"]
    wrong_blocks = [block for block in report["blocks"] if not block["ok"]]
    assert {True, False} == {block["local"] for block in wrong_blocks}
    assert "<svg" in (tmp_path / "c.svg").read_text()


def test_other_text(small, capsys, tmp_path):
    path = tmp_path / "text"
    path.write_text("Grüße, 世界! " * 3, encoding="utf-8")
    assert run(capsys, "check", "--data", str(path))[0] == 0


def test_versions(capsys):
    code, text, _ = run(capsys, "version")
    assert code == 0
    assert "gradparity" in text
    assert "numpy" in text


def test_a_planted_mistake_is_announced_and_found(small, capsys):
    code, text, err = run(capsys, "check", "--plant", "B8")
    assert code == 1
    assert "planted: B8" in err
    assert text.count("is wrong in") == 1
    assert "✗ B8 (gate f) forget gate is wrong" in text


BAD = {
    "one file": (["--json", "c.png", "--figure", "c.png"], "both are c.png, expected two files"),
    "itself": (["--backend", "jax"], "--against jax: the backend itself, expected another"),
    "plant and backend": (
        ["--plant", "B3", "--backend", "jax", "--against", "numpy"],
        "--plant: stands in for --backend",
    ),
    "plant": (["--plant", "B12"], "--plant: got 'B12', expected one of B1, B2"),
    "unknown backend": (
        ["--backend", "torch"],
        "backend: got 'torch', expected one of numpy, numpy-literal, jax, jax-manual",
    ),
    "no such file": (["--data", "missing.txt"], "missing.txt: cannot be read: No such file"),
    "not UTF-8": (["--data", "latin.txt"], "latin.txt: not UTF-8: byte 0xe9 at offset 3"),
    "no such folder": (["--json", "no/where.json"], "no/where.json: there is no folder"),
    "a folder": (["--json", "."], "is a folder, expected the name of a file"),
    "figure's format": (["--figure", "c.bmp"], "--figure c.bmp: expected a name in .png"),
    "seed": (["--seed", "-1"], "--seed: got -1, expected 0 or more"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_use(what, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    arguments, message = BAD[what]
    code, out, err = run(capsys, "check", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"latin.txt"}


def test_one_character_is_nothing_to_predict(capsys, tmp_path):
    (tmp_path / "a").write_text("aaaa")
    code, _, err = run(capsys, "check", "--data", str(tmp_path / "a"))
    assert code == 2
    assert "one character only" in err


def test_narrow_terminals_and_ascii_lose_nothing(small, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert "h, C" in run(capsys, "check")[1]


def test_a_fault_is_no_mismatch(small, capsys, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(Planted, "adjoints", broken)
    code, _, err = run(capsys, "check", "--plant", "B8")
    assert code == 70
    assert "ZeroDivisionError" in err


def test_a_missing_command_is_bad_use(capsys):
    assert run(capsys)[0] == 2


def test_x64_switched_off_by_the_environment_is_refused(tmp_path):
    environment = os.environ | {"JAX_ENABLE_X64": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "gradparity", "check"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert result.returncode == 2
    assert "JAX would compute in float32" in result.stderr
    assert "Traceback" not in result.stderr
