"""The examples are what their first lines say, and their glue is short."""

import ast
import json
import re
import shlex
import subprocess
import sys

import pytest
from running import ROOT

from gradparity.cli import main

EXAMPLES = ROOT / "examples"
RIGHT = "pytorch_layer.py"
# What is wrong in the others: equation, gate, and what the offending line says.
WRONG = {
    "keras_cell.py": [("B8", "f", "df = dc_local * c_prev")],
    "notebook_model.py": [
        ("B2", "W_v", "dW_v += dv @ h[t].T"),
        ("B4", "o", "do = dh * tanh(C[t])"),
        ("B5", "", "dC += dh * o[t] * tanh(tanh(C[t]), derivative=True)"),
        ("B6", "g", "da_g = tanh(g[t], derivative=True) * dg"),
        ("B7", "i", "da_i = sigmoid(i[t], derivative=True) * di"),
        ("B8", "f", "df = dC * C[1:][t - 1]"),
        ("B10", "", "dh = W_v.T @ dv + np.zeros_like(dh_next)"),
        ("B11", "", "dC += dh * o[t] * tanh(tanh(C[t]), derivative=True)"),
    ],
}
# Further lines of equations with two slips.
ALSO = {
    "notebook_model.py": [
        "da_o = sigmoid(o[t], derivative=True) * do",
        "da_f = sigmoid(f[t]) * df",
    ]
}
# The same for those that are recorded.
RECORDED = {
    "attention.py": ["dk = dscores @ q"],
    "gru_layer.py": ["dh = dh * z + djoined[:, inputs:]"],
    "norm_network.py": ["dn = ds", "da = (dn - dn.mean"],
}


def command_of(name):
    """The arguments of the command that an example's docstring gives."""
    documented = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))
    return shlex.split(re.search(r"^ *gradparity (.*)$", documented, re.MULTILINE)[1])


def diagnosed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = tmp_path / "diagnosis.json"
    with pytest.raises(SystemExit) as stopped:
        main([*command_of(name), "--json", str(path)])
    return stopped.value.code, json.loads(path.read_text(encoding="utf-8"))


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {RIGHT, *WRONG, *RECORDED}


@pytest.mark.parametrize("name", RECORDED)
def test_the_recorded_ones(name, tmp_path):
    path = tmp_path / "recording.json"
    command = [sys.executable, "-m", "gradparity", *command_of(name), "--json", str(path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 1
    found = json.loads(path.read_text(encoding="utf-8"))
    texts = [finding["text"] for finding in found["findings"]]
    assert len(texts) == len(RECORDED[name])
    for text, begins in zip(texts, RECORDED[name], strict=True):
        assert text.startswith(begins)
    assert all(finding["repair"] for finding in found["findings"])


def test_the_right_one(tmp_path, monkeypatch):
    code, found = diagnosed(RIGHT, tmp_path, monkeypatch)
    assert (code, found["verdict"], found["findings"]) == (0, "right", [])
    assert "every gradient, on 6 inputs of 1 to 8 steps" in found["compared"]


@pytest.mark.parametrize("name", WRONG)
def test_the_wrong_ones(name, tmp_path, monkeypatch):
    code, found = diagnosed(name, tmp_path, monkeypatch)
    assert (code, found["verdict"]) == (1, "wrong")
    said = [
        (f["equation"], f["gate"] or "", f["location"]["text"].strip()) for f in found["findings"]
    ]
    assert said == WRONG[name]
    assert all(f["known"] and not f["alternatives"] for f in found["findings"])
    also = [place["text"].strip() for f in found["findings"] for place in f["also"]]
    assert also == ALSO.get(name, [])


@pytest.mark.parametrize("name", [RIGHT, *WRONG])
def test_the_glue_is_ten_lines_or_fewer(name):
    functions = ast.parse((EXAMPLES / name).read_text(encoding="utf-8")).body
    glue = functions[-1]
    assert ast.get_docstring(glue).startswith("The glue")
    assert glue.name in command_of(name)[1]
    assert glue.end_lineno - glue.lineno + 1 <= 10
