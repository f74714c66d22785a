"""Somebody's function, called on a probe in its own terms."""

import contextlib
import inspect
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradparity.lstm.film import Array
from gradparity.returned.call.axes import arranged, restored
from gradparity.returned.call.layout_arrays import contain, encode
from gradparity.returned.call.layouts import LAYOUTS, Layout
from gradparity.returned.call.probes import KINDS, Probe
from gradparity.returned.call.returned import (
    Returned,
    SubjectError,
    described,
    gradients,
    input_gradients,
    number_array,
    parameters_of,
    unpacked,
)
from lstm_spec import InputError


@dataclass(frozen=True)
class Manner:
    """How a subject is called.

    Attributes:
        kind: "model", "layer" or "cell".
        layout: where the parameters stand.
        state: whether it takes an initial state; None: as its signature says.
        dC: whether it takes an upstream gradient of the last C; None: as its signature says.
        learning_rate: set where gradients exist only as an update, `old − rate · gradient`.

    Raises:
        InputError: the kind is unknown, or the learning rate is not above 0.
    """

    kind: str = "model"
    layout: Layout = LAYOUTS["gradparity"]
    state: bool | None = None
    dC: bool | None = None
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind: got {self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.learning_rate is not None and not 0 < self.learning_rate < np.inf:
            raise InputError(f"learning rate: got {self.learning_rate}, expected a number above 0")

    @property
    def arrays(self) -> Layout:
        """The layout, without a readout where there is none."""
        return self.layout if self.kind == "model" else self.layout.without_readout()

    @property
    def sequence(self) -> str:
        """Axes of x, h and dh."""
        return self.layout.state if self.kind == "cell" else self.layout.sequence

    @property
    def batched(self) -> bool:
        """Whether it takes several sequences side by side."""
        return "b" in (self.layout.tokens if self.kind == "model" else self.sequence)

    def fitted(self, function: Callable) -> "Manner":
        """The same with what was left to the function's signature filled in."""
        takes = _positional(function)
        state = (takes >= 5 or self.kind == "cell") if self.state is None else self.state
        if self.kind == "model":
            return replace(self, state=state, dC=False)
        needed = 6 if state else 4
        return replace(self, state=state, dC=takes >= needed if self.dC is None else self.dC)


@dataclass
class Subject:
    """A function to be judged, and how it is called."""

    function: Callable
    manner: Manner

    def __post_init__(self) -> None:
        self.manner = self.manner.fitted(self.function)

    def run(self, probe: Probe) -> Returned:
        """Call the function on copies of a probe's arrays.

        Raises:
            SubjectError: it returned nothing that could be judged. What the function
                itself raises goes through, with a note of what it was called with.
        """
        layout, kind, rate = self.manner.arrays, self.manner.kind, self.manner.learning_rate
        originals = encode(layout, probe.layer, probe.W_v, probe.b_v)
        shapes = {name: array.shape for name, array in originals.items()}
        params = contain(layout, {name: array.copy() for name, array in originals.items()})
        arguments = self._arguments(probe)
        before = {name: value.copy() for name, value in arguments.items()}
        shaped = {"params": shapes, **{name: value.shape for name, value in arguments.items()}}
        called = ", ".join(f"{name} {shape}" for name, shape in shaped.items())
        try:
            with _quiet():
                returned = self.function(params, *arguments.values())
        except Exception as error:
            error.add_note(f"it was called with {called}")
            raise
        outputs, C, given = unpacked(returned, kind, update=rate is not None)
        changed = [n for n, value in arguments.items() if not np.array_equal(value, before[n])]
        after = parameters_of(params, layout, shapes)
        moved = [n for n in originals if not np.array_equal(after[n], originals[n])]
        if rate is not None:
            new = after if moved else parameters_of(given, layout, shapes)
            updates = {n: _update(old, new[n], rate) for n, old in originals.items()}
            given, moved = updates, []
        sizes = len(probe.h0), probe.x.shape[1]
        container = replace(layout, container="mapping") if rate is not None else layout
        grads, wrong, single = gradients(given, container, shapes, sizes)
        if kind != "model":
            grads |= input_gradients(given, layout, probe, self.manner.sequence)
        return Returned(
            self._outputs(outputs, probe), grads, self._state(C, probe), wrong,
            (*changed, *moved), single,
        )  # fmt: skip

    def _arguments(self, probe: Probe) -> dict[str, Array]:
        """Everything after the parameters, by our own names, in order."""
        layout, state = self.manner.layout, {}
        if self.manner.state:
            state = {n: arranged(getattr(probe, n)[None], layout.state) for n in ("h0", "C0")}
        if self.manner.kind == "model":
            width = len(probe.b_v)
            inputs = _ids(probe.tokens, probe.x.shape[1], layout)
            return {"inputs": inputs, "targets": _ids(probe.targets, width, layout), **state}
        x, dh = (arranged(a, self.manner.sequence) for a in (probe.x, probe.dh))
        found = {"x": x, **state, "dh": dh}
        if self.manner.dC:
            zero = np.zeros_like(probe.C0)
            found["dC"] = arranged((zero if probe.dC is None else probe.dC)[None], layout.state)
        return found

    def _outputs(self, outputs: Any, probe: Probe) -> Array:
        array = number_array(outputs)
        if self.manner.kind == "model":
            if array is None or array.size != 1:
                raise SubjectError(f"loss: got {described(outputs)}, expected one number")
            return array.astype(np.float64).reshape(())
        expected = arranged(probe.dh, self.manner.sequence).shape
        if array is None or array.shape != expected:
            got = described(outputs)
            raise SubjectError(f"h: got {got}, expected an array of shape {expected}")
        return restored(array.astype(np.float64), self.manner.sequence, probe.dh.shape)

    def _state(self, C: Any, probe: Probe) -> Array | None:
        array = number_array(C)
        if array is None or array.size != probe.C0.size:
            return None
        shape = probe.C0[None].shape
        return restored(array.astype(np.float64), self.manner.layout.state, shape)[0]


def _ids(ids: Array, width: int, layout: Layout) -> Array:
    """Token ids, or one-hot tokens, with the layout's axes."""
    if "n" in layout.tokens.split(","):
        return arranged(np.eye(width)[ids].transpose(0, 2, 1), layout.tokens)
    return arranged(ids[:, None, :], layout.tokens)


def _update(old: Array, new: Any, rate: float) -> Array | None:
    """The gradient that an update shows."""
    return None if new is None else (old - np.asarray(new)) / rate


def _positional(function: Callable) -> int:
    """How many positional arguments it can take."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 5
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 6
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the subject prints, and NumPy's warnings, out of the report."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        yield
