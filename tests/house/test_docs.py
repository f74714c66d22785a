"""What the documentation quotes is what the code says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from running import ROOT

from gradparity.lstm.equations import EQUATIONS, NUMBERS
from lstm_lm import sample_cli, train_cli
from lstm_lm.config.options import DEFAULTS, Options
from lstm_lm.keep.folder import RunFolder

DERIVATION = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
# The derivation alone: what `fast/` arranges otherwise is not what the documentation derives.
SOURCE = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "src" / "manual").glob("*.py")}
QUOTES = re.findall(r"```python\n(.*?)```", DERIVATION, re.DOTALL)


@pytest.mark.parametrize("quote", QUOTES)
def test_the_derivation_quotes_the_source(quote):
    lines = [line.strip() for line in quote.strip().splitlines()]
    source = [{line.strip() for line in text.splitlines()} for text in SOURCE.values()]
    assert any(set(lines) <= known for known in source)


@pytest.mark.parametrize(("name", "line"), re.findall(r"`(\w+\.py)`: `([^`]+)`", DERIVATION))
def test_the_derivation_quotes_a_line_of_the_source(name, line):
    assert line in SOURCE[name]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_equation_is_derived_and_cited(number):
    name = next(e.name for e in EQUATIONS.values() if e.number == number)
    assert re.search(rf"^### {number}: ", DERIVATION, re.MULTILINE)
    assert any(re.search(rf"# .*\b{number}\b", text) for text in SOURCE.values()), name


def test_every_link_leads_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


TRAIN = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
TABLE = TRAIN.split("## Options of training")[1]
ROWS = dict(re.findall(r"^\| `--([\w-]+)` \| (.*) \|$", TABLE, re.MULTILINE))


def test_the_table_lists_every_training_option_in_order():
    assert [name.replace("-", "_") for name in ROWS] == [field.name for field in fields(Options)]


@pytest.mark.parametrize("field", fields(Options), ids=lambda field: field.name)
def test_the_table_has_the_defaults_and_choices(field):
    cells = [cell.strip() for cell in ROWS[field.name.replace("_", "-")].split("|")]
    for cell, task in zip(cells, ("anbn", "text"), strict=False):
        assert cell == _shown(DEFAULTS[task].get(field.name, field.default))
    for choice in re.findall(r"'(\w+)'", str(field.type).partition("Literal")[2]):
        assert re.search(rf"\b{choice}\b", cells[2]), choice


def _shown(value):
    words = {None: "", False: "no"}
    return words[value] if value is None or value is False else re.sub(r"\.0$", "", str(value))


def defaults_in_help(program, capsys):
    """What the help of a program gives as each option's default."""
    with pytest.raises(SystemExit):
        program.main(["--help"])
    text = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    return dict(re.findall(r" --([\w-]+) [^(]*?[{A-Z][^(]*?\(default: (.*?)\)", text))


def test_the_help_has_the_defaults_that_depend_on_the_task(capsys):
    found = defaults_in_help(train_cli, capsys)
    for name in DEFAULTS["anbn"]:
        shown = [_shown(DEFAULTS[task][name]) for task in ("anbn", "text")]
        expected = f"{shown[0]} for anbn, {shown[1]} for text"
        assert found[name.replace("_", "-")].replace("5,000", "5000") == expected
    assert found["steps"] == "5,000 for anbn, 0 for text"
    assert found["out"] == "the next free runs/anbn-N or runs/text-N"


@pytest.mark.parametrize("program", [train_cli, sample_cli])
def test_the_help_never_gives_none_as_a_default(program, capsys):
    found = defaults_in_help(program, capsys)
    assert len(found) > 5
    assert "None" not in found.values()


def test_every_file_of_a_run_is_explained():
    values = vars(RunFolder(Path("x"))).values()
    paths = [v.name for v in values if isinstance(v, Path) and v != Path("x")]
    assert all(f"`{name}`" in TRAIN for name in paths)
