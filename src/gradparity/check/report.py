"""A check's result: as a table for the terminal, and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from gradparity.check.blame import STRUCTURE, Blame, attributed, blame
from gradparity.check.run import Block
from gradparity.check.single import SinglePrecision
from gradparity.common.environment import environment
from gradparity.common.ranges import ranges
from gradparity.lstm.equations import EQUATIONS, FORWARD, NUMBERS

COLUMNS = ("f", "i", "g", "o", "v", "")
HEADINGS = ("f", "i", "g", "o", "W_v", "h, C")


@dataclass
class CheckReport:
    """Everything a check found.

    Attributes:
        subject, reference: names of the backends.
        blocks: every verdict.
        single: the float32 findings.
        runs: how many pairs of backward passes were compared.
        seconds: how long it took.
        blamed: the wrong equations.
    """

    subject: str
    reference: str
    blocks: Sequence[Block]
    single: Sequence[SinglePrecision]
    runs: int
    seconds: float
    blamed: list[Blame] = field(init=False)

    def __post_init__(self) -> None:
        self.blocks = attributed(self.blocks)
        self.blamed = blame(self.blocks)

    @property
    def ok(self) -> bool:
        """Whether the gradients are equal."""
        return all(block.ok for block in self.blocks)

    def to_json(self) -> str:
        """The format of `gradparity check --json`, described in docs/check.md."""
        content = {
            "verdict": "pass" if self.ok else "fail",
            "blocks": [_block_json(block) for block in self.blocks],
            "blamed": [_blame_json(found) for found in self.blamed],
            "float32": [vars(found) | {"ratio": found.ratio} for found in self.single],
            "environment": environment(),
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def print(self, console: Console) -> None:
        """Show it to a person."""
        console.print(
            Group(
                Text.assemble(("gradparity check  ", "bold"), self.headline()),
                "",
                self._table(),
                "",
                *self._verdict(),
            )
        )

    def headline(self) -> str:
        """What was compared, in a line."""
        cases = len({block.case for block in self.blocks})
        return (
            f"{self.subject} against {self.reference}: "
            f"{cases} cases, {self.runs} runs, {len(self.blocks):,} blocks"
        )

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
        table.add_column("largest relative error")
        for heading in HEADINGS:
            table.add_column(heading, justify="right", min_width=5)
        worst = _worst_by_equation(self.blocks)
        forward = _cell(worst.get(FORWARD))
        table.add_row("F1–F9 loss, final state", "", "", "", "", "", forward)
        for number in NUMBERS:
            formula = next(e.formula for e in EQUATIONS.values() if e.number == number)
            label = Text.assemble((f"{number:4}", "bold"), formula.partition("\n")[0])
            table.add_row(label, *[_cell(worst.get((number, gate))) for gate in COLUMNS])
        return table

    def _verdict(self) -> list[Text]:
        lines = [_verdict_line(self)]
        lines += [_blame_text(found) for found in self.blamed]
        if self.single and self.ok:
            lines.append(_single_line(self.single))
        lines.append(Text(f"{self.seconds:.1f} s", "dim"))
        return lines


def _worst_by_equation(blocks: Sequence[Block]) -> dict[tuple[str, str], Block]:
    worst: dict[tuple[str, str], Block] = {}
    for block in blocks:
        column = (block.key[0], "" if block.key[0] == "B3" else block.key[1])
        before = worst.get(column)
        if before is None or _severity(block) > _severity(before):
            worst[column] = block
    return worst


def _severity(block: Block) -> tuple[bool, bool, float]:
    return not block.ok, bool(block.local), block.judgement.max_rel_error


def _cell(block: Block | None) -> Text:
    if block is None:
        return Text("")
    error = block.judgement.max_rel_error
    number = f"{error:.0e}" if math.isfinite(error) else "nan"
    number = number.replace("e-0", "e-").replace("e+0", "e+")
    if block.ok:
        return Text(number, "green")
    mark = "✗" if block.local else "·"
    return Text(f"{number}{mark}", "bold red" if block.local else "yellow")


def _verdict_line(report: CheckReport) -> Text:
    tightest = min(report.blocks, key=lambda block: block.judgement.margin)
    if report.ok:
        closest = f"the closest is {tightest.judgement.margin:,.0f} × under tolerance"
        return Text.assemble(("PASS", "bold green"), f"  every block agrees; {closest}")
    failed = [block for block in report.blocks if not block.ok]
    local = sum(bool(block.local) for block in failed)
    return Text.assemble(
        ("FAIL", "bold red"),
        f"  {len(failed):,} of {len(report.blocks):,} blocks differ: "
        f"✗ the equation fails in {local:,}, · the rest inherit",
    )


def _blame_text(found: Blame) -> Text:
    if found.key == FORWARD:
        return _forward_text(found)
    gate = f" (gate {found.key[1]})" if found.key[1] in tuple("figo") else ""
    number = f"{found.number} or {found.alternative}" if found.alternative else found.number
    layers = f"layer {ranges(found.layers)}" if found.layers else "the readout"
    times = f", t = {ranges(found.times)}" if found.times else ""
    return Text.assemble(
        ("  ✗ ", "bold red"),
        (f"{number}{gate} {found.name} is wrong", "bold"),
        f" in {layers}{times}\n    {_worst_entry(found.worst)}",
    )


def _forward_text(found: Blame) -> Text:
    worst = found.worst
    if worst.judgement.status in STRUCTURE:
        entry = worst.judgement.sentence()
        return Text.assemble(("  ✗ ", "bold red"), ("the result has another form: ", "bold"), entry)
    return Text.assemble(
        ("  ✗ ", "bold red"),
        ("the forward pass differs", "bold"),
        ", so nothing is said of the backward one\n    ",
        _worst_entry(worst),
    )


def _worst_entry(block: Block) -> str:
    judgement = block.judgement
    got, expected = judgement.values or (math.nan, math.nan)
    index = ", ".join(map(str, judgement.index))
    return (
        f"worst: {block.block}{f'[{index}]' if index else ''} is {got:.6g}, "
        f"expected {expected:.6g}\n"
        f"    error {judgement.max_abs_error:.1e}, tolerance {judgement.tolerance:.1e}, "
        f"in “{block.case}”, seed {block.seed}"
    )


def _single_line(single: Sequence[SinglePrecision]) -> Text:
    worst = max(single, key=lambda found: found.ratio)
    where = worst.path.removeprefix("grads.").removeprefix("adjoints.")
    text = f"float32, not judged: worst error {worst.ratio:.2f} of what the rule allows ({where})"
    return Text(text, "dim")


def _finite(number: float) -> float | None:
    """JSON has no infinity and no NaN."""
    return number if math.isfinite(number) else None


def _block_json(block: Block) -> dict[str, Any]:
    judgement = block.judgement
    values = [_finite(value) for value in judgement.values] if judgement.values else None
    return {
        "case": block.case,
        "block": block.block,
        "kind": block.kind,
        "layer": block.layer,
        "gate": _gate_json(block.key[1]),
        "equation": block.key[0],
        "time": block.time,
        "index": list(judgement.index),
        "values": values,
        "max_abs_error": _finite(judgement.max_abs_error),
        "max_rel_error": _finite(judgement.max_rel_error),
        "tolerance": _finite(judgement.tolerance),
        "margin": _finite(judgement.margin),
        "local": block.local,
        "ok": block.ok,
        "status": judgement.status,
        "seed": block.seed,
    }


def _blame_json(found: Blame) -> dict[str, Any]:
    return {
        "equation": found.number,
        "gate": _gate_json(found.key[1]),
        "name": found.name,
        "layers": list(found.layers),
        "times": list(found.times),
        "alternative": found.alternative or None,
    }


def _gate_json(gate: str) -> str | None:
    return {"v": "W_v", "": None}.get(gate, gate)
