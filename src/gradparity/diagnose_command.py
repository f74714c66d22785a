"""The command `gradparity diagnose`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from gradparity.common.address import parse
from gradparity.common.output import otherwise, require_outputs, require_seed, write_json
from lstm_spec import InputError
from lstm_spec.exits import OK, WRONG

LONGEST = 86_400  # seconds


@dataclass(frozen=True)
class Diagnose:
    """Name the wrong lines of a hand-written backward pass.

    The code is run and recorded in a process of its own. With --layout, an LSTM's code is judged
    from its returned gradients alone. Exit code 0: the gradients are right, 1: wrong or scaled,
    2: it could not be run.
    """

    subject: tyro.conf.Positional[str]
    """FILE.py:NAME. NAME is a function without parameters that returns (function, params, …),
    ((forward, backward), x, …) or (layer, x); or the function, class or object itself, with
    arguments from --arguments."""
    backward: Annotated[str | None, otherwise("none")] = None
    """Name of the backward function in the file, if NAME is a forward function."""
    arguments: str = "arguments"
    """Name of the function in the file that returns the arguments."""
    exact: bool = False
    """Take the arguments as they are, without noise."""
    kind: Annotated[Literal["model", "layer", "cell"] | None, otherwise("model")] = None
    """With --layout, what it computes: (params, inputs, targets) → (loss, grads) of a model,
    (params, x, h0, C0, dh) → (h, grads) of a layer, (params, x, h_prev, C_prev, dh, dC) → (h, C,
    grads) of a cell."""
    layout: Annotated[str | None, otherwise("the code is recorded")] = None
    """Where an LSTM's parameters stand: gradparity, pytorch, keras, onnx, cudnn, cs231n, notebook,
    a description such as "Wx=x,ifog Wh=h,ifog b=ifog", or the name of a Layout in the file."""
    state: Annotated[bool | None, otherwise("as its signature says")] = None
    """With --layout, whether it takes an initial state."""
    learning_rate: Annotated[float | None, otherwise("gradients are returned")] = None
    """With --layout: gradients exist only as an update, old − rate · gradient; the rate."""
    allow_scale: bool = False
    """With --layout: accept one positive factor over all gradients."""
    format: Literal["text", "github"] = "text"
    """For people, or annotations for a GitHub workflow."""
    json: Annotated[Path | None, otherwise("not written")] = None
    """Write the diagnosis to this file."""
    figure: Annotated[Path | None, otherwise("not drawn")] = None
    """Draw the errors by quantity and time step to this file (.png, .pdf or .svg)."""
    seed: int = 0
    """Of the probes."""
    timeout: float = 60.0
    """Seconds that the import, the calls and their analysis may take."""

    def run(self) -> int:
        """Diagnose, report, and return the exit code."""
        require_outputs(self.json, self.figure)
        require_seed(self.seed)
        if not 0 < self.timeout <= LONGEST:
            raise InputError(f"--timeout: got {self.timeout}, expected above 0 and up to {LONGEST}")
        recorded = self.layout is None and self.kind is None
        return self._recorded() if recorded else self._returned()

    def _recorded(self) -> int:
        """Record, and judge line by line."""
        from gradparity.record.address import Named
        from gradparity.record.bring import recorded_file
        from gradparity.record.report.figure import draw_gradients
        from gradparity.record.report.terminal import github_annotations, print_recording

        address = Named(*parse(self.subject), self.backward, self.arguments)
        found = recorded_file(address, exact=self.exact, seed=self.seed, timeout=self.timeout)
        if self.figure:
            draw_gradients(found.gradients, self.figure, found.sentence())
        self._say(found, github_annotations, print_recording)
        return OK if found.ok else WRONG

    def _returned(self) -> int:
        """Judge from the returned gradients alone."""
        from gradparity.returned.call.address import Address
        from gradparity.returned.report.figure import draw_map
        from gradparity.returned.report.report import github_annotations, print_diagnosis
        from gradparity.returned.run import diagnose_file

        address = Address(
            *parse(self.subject), self.layout or "gradparity", self.kind or "model",
            self.state, self.learning_rate,
        )  # fmt: skip
        found = diagnose_file(address, seed=self.seed, timeout=self.timeout)
        if self.figure:
            draw_map(found.errors, self.figure, found.sentence())
        self._say(found, github_annotations, print_diagnosis)
        return OK if found.passes(allow_scale=self.allow_scale) else WRONG

    def _say(self, found: Any, annotations: Callable, show: Callable) -> None:
        if self.json:
            write_json(found.to_json(), self.json)
        if self.format == "github":
            print("\n".join([*annotations(found), f"{found.subject}: {found.sentence()}"]))
        else:
            show(found, Console(highlight=False))
