"""A batch on many devices held to the same on one: `gradparity check --mesh`."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradparity.check.cases import CASES, Case, draw
from gradparity.check.cases import Text as Corpus
from gradparity.common.environment import environment
from gradparity.trees.compare import compare
from gradparity.trees.equal import Judgement
from gradparity.trees.errors import ParityError
from lstm_spec import Batch, LossAndGrads, Params, State, load_backend

BACKENDS = ("jax", "jax-manual")
# Compiled in two thirds of the time, and run once.
FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
# One to three layers, unequal lengths, gaps, dropout, batches that do not divide.
NAMES = (
    "hidden 1, batch 1", "two steps, 2 layers", "aⁿbⁿ", "aⁿbⁿ, 2 layers", "text, bare",
    "text, 3 layers",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """One case on one mesh.

    Attributes:
        backend, case, mesh: which; `mesh` as in "4" or "2x2, 2 processes".
        error: the largest relative error of any leaf.
        failures: what is said of leaves that differ.
    """

    backend: str
    case: str
    mesh: str
    error: float
    failures: tuple[str, ...] = ()


@dataclass
class MeshReport:
    """All verdicts, and the seconds that they took."""

    verdicts: Sequence[Verdict]
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every leaf agrees."""
        return bool(self.verdicts) and not any(v.failures for v in self.verdicts)

    def to_json(self) -> str:
        """For --json."""
        content = {
            "verdict": "pass" if self.ok else "fail",
            "meshes": [asdict(verdict) for verdict in self.verdicts],
            "environment": environment(),
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def print(self, console: Console) -> None:
        """Show it to a person."""
        meshes = list(dict.fromkeys(v.mesh for v in self.verdicts))
        console.print(Text.assemble(("gradparity check  ", "bold"), "on a mesh against one device"))
        table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
        table.add_column("\nlargest relative error")
        for mesh in meshes:
            table.add_column(mesh.replace(", ", "\n"), justify="right")
        found = {(v.backend, v.case, v.mesh): v for v in self.verdicts}
        for backend, case in dict.fromkeys((v.backend, v.case) for v in self.verdicts):
            cells = [_cell(found.get((backend, case, mesh))) for mesh in meshes]
            table.add_row(f"{backend}: {case}", *cells)
        console.print(table)
        console.print(_conclusion(self))
        for verdict in self.verdicts:
            for sentence in verdict.failures:
                where = f"{verdict.backend}, {verdict.case}, mesh {verdict.mesh}"
                console.print(f"  {where}: {sentence}", soft_wrap=True, markup=False)
        console.print(Text(f"{self.seconds:.1f} s", "dim"))


def _cell(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("")
    number = f"{verdict.error:.0e}" if math.isfinite(verdict.error) else "differs"
    return Text(f"{number}✗", "bold red") if verdict.failures else Text(number, "green")


def _conclusion(report: MeshReport) -> Text:
    if report.ok:
        return Text.assemble(("PASS", "bold green"), "  every leaf agrees")
    failed = sum(bool(v.failures) for v in report.verdicts)
    return Text.assemble(("FAIL", "bold red"), f"  {failed} of {len(report.verdicts)} differ")


def chosen(only: str | None) -> list[Case]:
    """The cases: one of all that there are, or those of this check."""
    names = NAMES if only is None else (only,)
    return [case for case in CASES if case.name in names]


class Trial(NamedTuple):
    """A case with one backend; `name` says whether it is as training makes it."""

    backend: str
    name: str
    columns: int
    params: Params
    batch: Batch


def trials(corpus: Corpus, seed: int, cases: Sequence[Case]) -> Iterator[Trial]:
    """Both backends on all cases, drawn anew: with a gradient on every h where a case has it."""
    for backend in BACKENDS:
        for case in cases:
            params, batch = draw(case, corpus, seed)
            if not case.bare:
                yield Trial(backend, case.name, case.batch, params, batch)
            plain = batch._replace(cotangents=None)
            yield Trial(backend, f"{case.name}, plain", case.batch, params, plain)


def on_one(trial: Trial) -> dict[str, Any]:
    """What one device finds."""
    import jax

    alone = jax.jit(load_backend(trial.backend).loss_and_grads, compiler_options=FAST)
    return _tree(alone(trial.params, trial.batch), trial.columns)


def on_mesh(trial: Trial, mesh: str) -> dict[str, Any]:
    """What the devices of a mesh find, `mesh` as `jax_mesh.sizes.Grid.of` reads it."""
    import jax

    from jax_mesh import passes
    from jax_mesh.grid import make_mesh
    from jax_mesh.place import Place, to_host
    from jax_mesh.sizes import Grid

    place, backend = Place(make_mesh(Grid.of(mesh))), load_backend(trial.backend)
    step = jax.jit(
        lambda params, batch: passes.loss_and_grads(backend, place, params, batch),
        compiler_options=FAST,
    )
    found = step(place.weights(trial.params), place.batch(trial.batch))
    return _tree(to_host(found), trial.columns)


def verdict(trial: Trial, mesh: str, found: dict[str, Any], reference: dict[str, Any]) -> Verdict:
    """Hold what a mesh found to what one device did."""
    judgements = _judged(found, reference)
    failures = tuple(j.sentence() for j in judgements if not j.ok)
    error = max(j.max_rel_error for j in judgements)
    return Verdict(trial.backend, trial.name, mesh, float(error), failures)


def on_meshes(meshes: Sequence[str], given: Iterable[Trial]) -> Iterator[Verdict]:
    """Hold both JAX backends on every mesh to themselves on one device."""
    for trial in given:
        reference = on_one(trial)
        for mesh in meshes:
            yield verdict(trial, mesh, on_mesh(trial, mesh), reference)


def _judged(found: dict[str, Any], reference: dict[str, Any]) -> Sequence[Judgement]:
    try:
        return compare(found, reference)
    except ParityError as error:
        return error.failures


def _tree(result: LossAndGrads, columns: int) -> dict[str, Any]:
    """What is compared; of states the columns that the batch has."""

    def cut(state: State) -> dict[str, np.ndarray]:
        return {name: np.asarray(s)[..., :columns] for name, s in state._asdict().items()}

    return {
        "loss": np.asarray(result.loss),
        "grads": result.grads,
        "initial_state_grads": cut(result.initial_state_grads),
        "final_state": cut(result.final_state),
    }
