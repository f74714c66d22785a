"""What the documentation quotes is what the code says."""

import re
from pathlib import Path

import pytest

from gradparity.equations import EQUATIONS, NUMBERS

ROOT = Path(__file__).resolve().parent.parent
DERIVATION = (ROOT / "docs" / "derivation.md").read_text(encoding="utf-8")
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
