"""Print how far the check's tolerance is from honest rounding and from the smallest mistake.

The figures in docs/tolerances.md come from here.
"""

import os
import sys

os.environ.setdefault("JAX_ENABLE_X64", "1")

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text as Plain

from gradparity.check.cases import CASES, Case, Text, draw
from gradparity.check.planted import Planted
from gradparity.check.run import Block, check_case, check_run
from gradparity.lstm.equations import EQUATIONS, NUMBERS, Mistake, known_mistakes
from gradparity.lstm.forms import Form
from lstm_spec import load_backend
from lstm_spec.corpus import interpreter_text
from lstm_spec.exits import guarded

PLANTED_IN = (
    Case("one layer", "text", 4, 3, 6, masked=True),
    Case("two layers", "text", 4, 3, 6, layers=2, masked=True, dropout=True),
)


def in_float32(gate: str) -> Mistake:
    """A gate that was cached as float32 and is used in its own derivative."""
    number = {"f": "B8", "i": "B7", "o": "B4"}[gate]

    def value(film, t):  # type: ignore[no-untyped-def]
        rounded = film[gate][t].astype(np.float32).astype(np.float64)
        return rounded * (1 - rounded)

    return Mistake(number, gate, "derivative", Form("float32", value, "cached as float32", 1))


def excess(blocks: list[Block]) -> float:
    """The largest error over its tolerance."""
    return max(1 / block.judgement.margin for block in blocks)


def main() -> None:
    """Measure and print."""
    text, console = Text.of(interpreter_text()), Console()
    numpy, jax = load_backend("numpy"), load_backend("jax")
    with ThreadPoolExecutor(2) as pool:
        honest = list(pool.map(lambda c: check_case(c, text, numpy, jax.adjoints), CASES))
    closest = min((b for blocks in honest for b in blocks), key=lambda b: b.judgement.margin)
    table = Table("equation", "planted", "smallest error / tolerance", "by", box=None)
    drawn = {case: draw(case, text, 1) for case in PLANTED_IN}
    references = {case: jax.adjoints(*drawn[case]) for case in PLANTED_IN}

    def planted(mistake: Mistake) -> float:
        return min(
            excess(check_run(c, *drawn[c], Planted([mistake]), lambda *_: references[c]))  # noqa: B023
            for c in PLANTED_IN
        )

    for number in NUMBERS:
        found = {m: planted(m) for m in known_mistakes(3) if m.number == number}
        least = min(found, key=found.__getitem__)
        table.add_row(number, str(len(found)), f"{found[least]:.1e}", Plain(least.form.code))
    console.print(table)
    subtle = {gate: planted(in_float32(gate)) for gate in "fio"}
    console.print(
        f"\nhonest: largest error {1 / closest.judgement.margin:.1e} of its tolerance, "
        f"{closest.judgement.margin:,.0f} times under ({closest.case}, {closest.block})"
    )
    console.print(
        "a gate cached as float32: error / tolerance "
        + ", ".join(f"{gate} {value:.0f}" for gate, value in subtle.items())
    )
    console.print(f"equations {len(EQUATIONS)}, mistakes {len(known_mistakes(3))}")


if __name__ == "__main__":
    sys.exit(guarded("margins.py", main))
