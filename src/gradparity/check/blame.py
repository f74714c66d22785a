"""From failed blocks to wrong equations."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gradparity.check.run import Block
from gradparity.lstm.equation import Key
from gradparity.lstm.equations import COMPUTED_BY, EQUATIONS, FORWARD

STRUCTURE = ("missing", "unexpected", "shape", "dtype")


@dataclass(frozen=True)
class Blame:
    """An equation that fails on the backend's own adjoints.

    Attributes:
        key: number and gate; `FORWARD` if the forward pass differs.
        layers, times: where it fails; no times where only a gradient shows it.
        worst: the block with the largest relative error.
        alternative: another equation that would explain the same failures.
    """

    key: Key
    layers: tuple[int, ...]
    times: tuple[int, ...]
    worst: Block
    alternative: str = ""

    @property
    def number(self) -> str:
        """The equation's number, "B8"."""
        return self.key[0]

    @property
    def name(self) -> str:
        """The equation in words."""
        if self.key == FORWARD:
            wrong_form = self.worst.judgement.status in STRUCTURE
            return "form of the result" if wrong_form else "forward pass"
        return EQUATIONS[self.key].name


def attributed(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, failures of dh and dC that lie in what is sent back moved to B10 and B11.

    What the step after sends back enters dh and dC, and, from the first step, the
    gradient by the initial state. So where dh (or dC) fails at no last step and that
    gradient fails too, the fault lies in what is sent (B10, B11), not in the sum (B3, B5).
    """
    sent = _faults_in_what_is_sent([block for block in blocks if block.local])
    return [
        replace(b, key=COMPUTED_BY[f"initial_state.{b.symbol}"])
        if b.local and _place(b) in sent
        else b
        for b in blocks
    ]


def blame(blocks: Iterable[Block]) -> list[Blame]:
    """The wrong equations, in their order in the table; inherited errors blame nobody.

    Where the forward pass differs, that is all that is said.

    Args:
        blocks: as `attributed` gives them.
    """
    failed = [block for block in blocks if block.local or block.judgement.status in STRUCTURE]
    forward = [block for block in failed if block.key == FORWARD]
    by_key: dict[Key, list[Block]] = defaultdict(list)
    for block in forward or failed:
        by_key[block.key].append(block)
    order = [FORWARD, *EQUATIONS]
    return [_summary(key, by_key[key]) for key in sorted(by_key, key=order.index)]


def _place(block: Block) -> tuple[str, int | None, str]:
    return block.case, block.layer, block.symbol


def _faults_in_what_is_sent(failed: list[Block]) -> set[tuple]:
    """Case, layer and symbol (h or C) of such faults."""
    places = {_place(block) for block in failed}
    last_steps = {_place(block) for block in failed if block.last_step}
    return {
        (case, layer, symbol)
        for case, layer, symbol in places - last_steps
        if (case, layer, f"initial_state.{symbol}") in places
    }


def _summary(key: Key, blocks: list[Block]) -> Blame:
    layers = sorted({block.layer for block in blocks if block.layer is not None})
    worst = max(blocks, key=lambda block: block.judgement.max_rel_error)
    times = sorted({time for block in blocks for time in _times(key, block)})
    return Blame(key, tuple(layers), tuple(times), worst, _alternative(key, blocks))


def _times(key: Key, block: Block) -> list[int]:
    """The steps at which the equation is evaluated: what is missing at t was sent by t + 1."""
    if block.time is None:
        return [0] if block.symbol.startswith("initial_state") else []
    return [block.time + (key in (("B10", ""), ("B11", "")) and block.symbol in ("h", "C"))]


def _alternative(key: Key, blocks: list[Block]) -> str:
    """Where only sums with what was sent back fail, what was sent may be at fault as well."""
    sums = {"B3": ("h", "B10"), "B5": ("C", "B11")}
    if key[0] not in sums:
        return ""
    symbol, sender = sums[key[0]]
    only_sums = all(block.symbol == symbol and not block.last_step for block in blocks)
    return sender if only_sums else ""
