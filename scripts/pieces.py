#!/usr/bin/env python
"""How this machine cuts the NumPy backend's products: what is known, and measuring more."""

import sys
from dataclasses import dataclass

import tyro
from benchmarks.cases import NAMED, Case
from benchmarks.report import new_table, put
from rich.console import Console

from lstm_spec import Config, InputError
from lstm_spec.exits import guarded
from manual.fast import known
from manual.fast.known import Known, Product


@dataclass(frozen=True)
class Options:
    """Show what is known of the products of a training step; measure what is not.

    What is measured is kept in the user's cache folder, and training takes it from there.
    """

    case: tuple[str, ...] = tuple(NAMED)
    """notebook, minibatch, charrnn, medium, large, xl, or TIMExBATCHxHIDDENxVOCAB."""
    layers: int = 1
    """LSTM layers."""
    processes: int = 0
    """As train.py has it; 0: as many as pay."""
    measure: bool = False
    """Measure what is not known, some half a second each."""
    again: bool = False
    """Measure what is known too, and keep the new figures."""
    forget: bool = False
    """Forget first what was measured on this machine."""

    def validate(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: names the option.
        """
        for name, least in (("layers", 1), ("processes", 0)):
            if getattr(self, name) < least:
                raise InputError(f"--{name}: got {getattr(self, name)}, expected {least} or more")


def products(options: Options) -> list[tuple[str, Product]]:
    """Of every case: those worth measuring."""
    found = []
    for case in map(Case.of, dict.fromkeys(options.case)):
        config = Config(case.vocab, case.hidden, options.layers, "float32")
        processes = options.processes or True
        every = known.products_of(config, case.time, case.batch, processes=processes)
        found += [(case.name, product) for product in every]
    return found


def looked_up(product: Product, options: Options) -> Known | None:
    """What is known, measured first where that was asked for."""
    found = None if options.again else known.known(product)
    if found is None and (options.measure or options.again):
        return known.measured(product)
    return found


def main() -> None:
    """Print the machine and a table."""
    options = tyro.cli(Options, prog="pieces.py", description=__doc__)
    options.validate()
    console = Console()
    if options.forget:
        known.forget()
    console.print(f"{known.here()}; kept in {known.kept_in()}", soft_wrap=True, markup=False)
    table = new_table("", "case", "product", "pieces", "times as fast", "known from")
    for name, product in products(options):
        found = looked_up(product, options)
        table.add_row(name, str(product), *_cells(found))
    put(console, table)


def _cells(found: Known | None) -> tuple[str, str, str]:
    if found is None:
        return "rule", "", "not measured: --measure"
    where = "known.toml" if found.where == known.SHIPPED else "measured here"
    return found.piece, f"{found.gain:.2f}", where


if __name__ == "__main__":
    sys.exit(guarded("pieces.py", main))
