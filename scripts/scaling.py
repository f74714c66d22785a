#!/usr/bin/env python
"""How a training step scales over processes here, and what a model of it says beyond."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from benchmarks.cases import Case
from benchmarks.machine import machine, sentences
from benchmarks.options import FIGURES
from benchmarks.report import new_table, put
from rich.console import Console
from scalings.measure import SUMMED, measured, narrowed, widths
from scalings.model import Compute, Model, Network, fit_compute, fit_network

from lstm_spec import InputError
from lstm_spec.exits import guarded
from lstm_spec.files import require_writable

FAR = tuple(2**k for k in range(11))  # devices that the model is asked about
SHARED = 1024  # sequences that they share, where the batch stays the same
# Assumed: seconds of latency between two machines, and bytes a second.
ASSUMED = {"10 Gb/s Ethernet": Network(30e-6, 1.1e9), "400 Gb/s InfiniBand": Network(3e-6, 45e9)}


@dataclass(frozen=True)
class Scaling:
    """Time a training step in 1, 2, 4, 8 processes; fit a model; ask it about 1,024 devices.

    NumPy by --processes; jax-manual by jax.distributed on loopback, one thread each. Strong: the
    batch is shared. Weak: each has as many sequences.
    """

    case: tuple[str, ...] = ("50x64x128x65", "64x64x256x96", "64x64x512x96")
    """notebook, minibatch, charrnn, medium, large, xl, or TIMExBATCHxHIDDENxVOCAB."""
    counts: tuple[int, ...] = (1, 2, 4, 8)
    """Processes."""
    seconds: float = 0.5
    """Of each measurement, after a warm-up."""
    json: Path | None = None
    """Write every figure to this file."""
    figure: Path | None = None
    """Draw them to this file (.png, .pdf or .svg)."""

    def validate(self) -> None:
        """Say at once what cannot be.

        Raises:
            InputError: names the option.
        """
        for case in map(Case.of, self.case):
            if case.batch % max(self.counts):
                raise InputError(
                    f"--case: {case.batch} sequences, expected a multiple of {max(self.counts)}"
                )
        if 1 not in self.counts or 2 not in self.counts or min(self.counts) < 1:
            raise InputError(f"--counts: got {self.counts}, expected 1, 2 and others above")
        for path in filter(None, (self.json, self.figure)):
            require_writable(path)
        if self.figure and self.figure.suffix.lower() not in FIGURES:
            raise InputError(f"--figure {self.figure}: expected a name in {', '.join(FIGURES)}")


def run(options: Scaling, console: Console) -> dict[str, Any]:
    """Everything that was asked for, with the model beside it."""
    about = machine()
    counts, some = options.counts, Case.of(options.case[0])
    with console.status("") as status:

        def told(kind: str, case: Case, count: int, **more: Any) -> dict:
            status.update(f"{kind} {case.sizes()}, {count} processes")
            return measured(kind, case, count, options.seconds, **more)

        sums = told("jax_sum", some, 2, numbers=SUMMED)["sum"]
        here = fit_network({float(size): seconds for size, seconds in sums.items()})
        networks = {"loopback, as measured": here, **ASSUMED}
        cases = [_one(told, Case.of(text), counts, networks) for text in options.case]
    return {
        "machine": about, "cores": about["cores"], "sums": sums, "cases": cases,
        "networks": {name: network._asdict() for name, network in networks.items()},
    }  # fmt: skip


def _one(told: Any, case: Case, counts: tuple[int, ...], networks: dict[str, Network]) -> dict:
    """One case: what was measured, the model that fits it, and what that says."""
    alone = {b: told("jax_step", narrowed(case, b), 1) for b in widths(case, counts)}
    compute = fit_compute(list(alone), [found["step"] for found in alone.values()])
    model = Model(compute, alone[case.batch]["bytes"], alone[case.batch]["input"])
    each = case.batch // max(counts)
    strong: dict[str, dict] = {"numpy": {}, "jax-manual": {}, "its model": {}}
    weak: dict[str, dict] = {name: {} for name in strong}
    here = networks["loopback, as measured"]
    for count in counts:
        for found, b in ((strong, case.batch), (weak, each * count)):
            whole = narrowed(case, b)
            found["numpy"][count] = told("numpy_step", whole, count)["step"]
            found["jax-manual"][count] = (
                alone[b] if count == 1 else told("jax_step", whole, count)
            )["step"]
            summed = here.seconds(count, model.size)
            found["its model"][count] = compute.seconds(b / count) + summed
    return {
        "case": asdict(case), "compute": compute._asdict(), "bytes": model.size,
        "input": model.input, "strong_batch": case.batch, "weak_batch": each,
        "strong": strong, "weak": weak,
        "predicted": {name: predicted(model, n, case.batch) for name, n in networks.items()},
    }  # fmt: skip


def predicted(model: Model, network: Network, each: int) -> dict[str, dict[int, float]]:
    """Efficiency on more and more devices, each with so many sequences, or sharing SHARED."""
    alone = model.step(network, 1, SHARED)
    return {
        "weak": {n: model.efficiency(network, n, each) for n in FAR},
        "strong": {n: alone / (n * model.step(network, n, SHARED / n)) for n in FAR},
    }


def report(results: dict[str, Any], console: Console) -> None:
    """Tables of what was measured, of the constants, and of what they say."""
    for line in sentences(results["machine"]):
        console.print(line, soft_wrap=True, markup=False)
    heads = ("case", "sharing", "", *(f"{n}" for n in results["cases"][0]["strong"]["numpy"]))
    table = new_table("A training step in so many processes, ms", *heads)
    for row in _times(results["cases"]):
        table.add_row(*row)
    put(console, table)
    put(console, _constants(results))
    put(console, _far(results))


def _times(cases: list[dict]) -> Iterator[list[str]]:
    for one in cases:
        for way, said in (("strong", "in all"), ("weak", "each")):
            for name, times in one[way].items():
                cells = [_digits(1000 * seconds) for seconds in times.values()]
                yield [one["case"]["name"], f"{one[way + '_batch']} {said}", name, *cells]


def _digits(number: float) -> str:
    """Three of them, or all before the point."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


def _constants(results: dict[str, Any]) -> Any:
    table = new_table(
        "The model's constants",
        "case",
        "a pass, ms",
        "a sequence, ms",
        "gradients, kB",
        "input, ms",
    )
    for one in results["cases"]:
        compute = Compute(**one["compute"])
        cells = 1e3 * compute.fixed, 1e3 * compute.each, one["bytes"] / 1e3, 1e3 * one["input"]
        table.add_row(one["case"]["name"], *map(_digits, cells))
    network = Network(**results["networks"]["loopback, as measured"])
    table.caption = f"loopback: {1e6 * network.latency:.0f} µs, {network.bandwidth / 1e9:.2f} GB/s"
    return table


def _far(results: dict[str, Any]) -> Any:
    shown = (8, 64, 256, 1024)
    title = f"Efficiency by the model: the case's batch each, or {SHARED} sequences shared"
    table = new_table(title, "case", "network", "", *(f"{n:,}" for n in shown))
    for one in results["cases"]:
        for name in results["networks"]:
            for way, said in (("weak", f"{one['case']['batch']} each"), ("strong", "shared")):
                found = one["predicted"][name][way]
                table.add_row(one["case"]["name"], name, said, *(f"{found[n]:.2f}" for n in shown))
    return table


def main() -> None:
    """Measure, show, write and draw."""
    options = tyro.cli(Scaling, prog="scaling.py", description=Scaling.__doc__)
    options.validate()
    results = run(options, Console(stderr=True))
    report(results, Console())
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    if options.figure:
        from scalings.figure import draw

        draw(results, options.figure)


if __name__ == "__main__":
    sys.exit(guarded("scaling.py", main))
