#!/usr/bin/env python
"""What arrangements of the NumPy backend gain here, one against the other: docs/performance.md."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import tyro
from benchmarks.cases import Case
from benchmarks.report import new_table, put
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

import manual
from lstm_spec import Config, InputError
from lstm_spec.exits import guarded
from manual.fast import products

WARM_UP = 3
SPIN = 0.05  # seconds; BLAS's threads keep a core busy for some 0.02 after the turn before


@dataclass(frozen=True)
class Options:
    """Variants are run in turns in this process; medians of the rounds are shown."""

    rounds: int = 15
    """How often each variant has its turn."""
    cases: tuple[str, ...] = ("minibatch", "charrnn", "medium", "large")
    """For blocks and processes: names or TIMExBATCHxHIDDENxVOCAB, as of benchmark.py."""

    def validate(self) -> None:
        """Refuse what cannot be measured."""
        if self.rounds < 1:
            raise InputError(f"--rounds: got {self.rounds}, expected 1 or more")
        for case in self.cases:
            Case.of(case)


COLUMNS = ("20x16x50x4", "20x8x50x4", "20x4x50x4", "20x64x50x4", "30x16x20x3", "20x8x96x4")
FASTER = "times as fast"
PIECES = ((128, 25), (256, 16), (512, 32), (1024, 64))


def milliseconds(variants: list[Callable[[], Any]], rounds: int) -> list[float]:
    """The median time of each, in turns of some 50 ms."""
    for variant in variants:
        for _ in range(WARM_UP):
            variant()
    found: list[list[float]] = [[] for _ in variants]
    for _ in range(rounds):
        for variant, times in zip(variants, found, strict=True):
            times.append(_one_turn(variant))
    return [statistics.median(times) * 1e3 for times in found]


def _one_turn(variant: Callable[[], Any]) -> float:
    time.sleep(SPIN)
    variant()
    times: list[float] = []
    while not times or sum(times) < 0.05:
        begin = time.perf_counter()
        variant()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


@contextmanager
def set_to(**constants: Any) -> Iterator[None]:
    """Constants of `manual.fast`, `module__NAME=value`, while a workspace is made."""
    with ExitStack() as stack:
        for name, value in constants.items():
            stack.enter_context(patch(f"manual.fast.{name.replace('__', '.')}", value))
        yield


def a_pass(case: Case, *, processes: bool = False, **constants: Any) -> Callable[[], Any]:
    """Loss and gradients in a workspace that was made with these constants."""
    params, batch = case.draw("float32")
    sizes = Config(case.vocab, case.hidden, 1, "float32"), case.time, case.batch
    with set_to(**constants):
        workspace = manual.Workspace(*sizes, processes=processes)
        manual.loss_and_grads(params, batch, workspace)
    return lambda: manual.loss_and_grads(params, batch, workspace)


def a_product(hidden: int, batch: int, *, pieces: bool) -> Callable[[], Any]:
    """The forward product of one step."""
    with set_to(gemm__has_small_kernels=lambda: pieces):
        product = products.Pieces(batch, hidden, hidden, sums=False)
        weights = product.new_weights(np.dtype("float32"))
        z, out = (np.ones(shape, "float32") for shape in ((batch, hidden), (4, batch, hidden)))
        z, out = product.of_z(z), product.of_out(out)
    return lambda: product.multiply(z, weights, out=out)


def pieces(options: Options) -> Table:
    """A step's product in one call for each gate, and in small pieces: `gemm.py`."""
    heads = "hidden, batch", "one call", "in pieces", FASTER
    table = new_table("Forward product of a step, GFLOP/s of a core", *heads)
    for hidden, batch in PIECES:
        variants = [a_product(hidden, batch, pieces=cut) for cut in (False, True)]
        operations = 8 * hidden * hidden * batch
        rates = [operations / ms / 1e6 for ms in milliseconds(variants, options.rounds)]
        table.add_row(f"{hidden}, {batch}", *(f"{rate:.0f}" for rate in rates), _ratio(rates[::-1]))
    return table


def columns(options: Options) -> Table:
    """Small models batch-major, and the other way round: `products.py`."""
    heads = "case", "a row each", "a column each", FASTER
    table = new_table("A pass of a small model, ms (time x batch x hidden x vocabulary)", *heads)
    for name in COLUMNS:
        variants = [a_pass(Case.of(name), products__SMALL=0), a_pass(Case.of(name))]
        _add(table, name, milliseconds(variants, options.rounds))
    return table


def blocks(options: Options) -> Table:
    """Longer and shorter blocks of steps: `fast/blocks.py`."""
    heads = "case", "before", "now", FASTER
    table = new_table("Blocks of 1 MiB and 256 rows, and as they are now, ms", *heads)
    for name in options.cases:  # where small kernels sum (minibatch), rows are theirs, not these
        large = a_pass(Case.of(name), blocks__CACHE=2**20, blocks__WIDE=256)
        _add(table, name, milliseconds([large, a_pass(Case.of(name))], options.rounds))
    return table


def processes(options: Options) -> Table:
    """A batch in one process, and in several: `team.py`."""
    heads = "case", "one", "several", FASTER
    table = new_table("One process, threads where they pay; and several, ms", *heads)
    for name in options.cases:
        variants = [a_pass(Case.of(name), processes=several) for several in (False, True)]
        _add(table, name, milliseconds(variants, options.rounds))
    return table


def _add(table: Table, name: str, times: list[float]) -> None:
    table.add_row(name, *(f"{ms:.3g}" for ms in times), _ratio(times))


def _ratio(times: list[float]) -> str:
    return f"{times[0] / times[1]:.2f}"


def main() -> None:
    """Measure, and print a table for each arrangement."""
    options = tyro.cli(Options, prog="arrangements.py", description=__doc__)
    options.validate()
    console = Console()
    with threadpool_limits(1, "blas"):
        for measured in (pieces, columns, blocks):
            put(console, measured(options))
    put(console, processes(options))


if __name__ == "__main__":
    sys.exit(guarded("arrangements.py", main))
