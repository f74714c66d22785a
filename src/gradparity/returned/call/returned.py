"""What a subject returned, in our terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradparity.lstm.film import Array
from gradparity.returned.call.axes import arranged, restored
from gradparity.returned.call.layout_arrays import decode
from gradparity.returned.call.layouts import Layout
from gradparity.returned.call.probes import Gradients, Probe
from lstm_spec import InputError

# What a subject may call the gradients by its inputs.
INPUTS = {
    "dx": ("dx", "x", "dinputs"),
    "dh0": ("dh0", "dh_prev", "dprev_h", "h0", "h_prev", "dh_next"),
    "dC0": ("dC0", "dc0", "dC_prev", "dc_prev", "dprev_c", "C0", "C_prev", "c0", "c_prev",
            "dC_next", "dc_next"),
}  # fmt: skip
WANTED = {"model": "(loss, grads)", "layer": "(h, grads)", "cell": "(h, C, grads)"}


class SubjectError(InputError):
    """The subject could not be run, or returned what cannot be judged."""


@dataclass(frozen=True)
class Returned:
    """What one call yielded.

    Attributes:
        outputs: loss `()` of a model, h `(time, hidden, batch)` otherwise.
        grads: by the names of `probes.synthesize`; a second bias is `b_f'`.
        C: the cell's new state, if it returned one.
        wrong: what is wrong with the form of a gradient, by its name in the layout.
        changed: names of arguments that the subject changed.
        single: whether anything it returned is float32.
    """

    outputs: Array
    grads: Gradients
    C: Array | None = None
    wrong: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    single: bool = False


def unpacked(returned: Any, kind: str, *, update: bool) -> tuple[Any, Any, Any]:
    """Outputs, C of a cell, and the gradients as they came.

    Args:
        returned: by the function.
        kind: of the subject.
        update: gradients exist only as an update, so that a loss alone will do.

    Raises:
        SubjectError: this is no such tuple.
    """
    if update and kind == "model" and returned is not None and np.ndim(returned) == 0:
        return returned, None, None
    if not isinstance(returned, (tuple, list)) or len(returned) < 2:
        raise SubjectError(f"it returned {described(returned)}, expected {WANTED[kind]}")
    if kind == "cell" and len(returned) >= 3:
        return returned[0], returned[1], returned[2]
    if kind == "cell" and isinstance(returned[0], (tuple, list)):
        return returned[0][0], returned[0][1], returned[1]
    return returned[0], None, returned[1]


def by_name(given: Any, layout: Layout) -> dict[str, Any]:
    """Gradients by the name they came under; tuples in the layout's order, inputs' after it."""
    if isinstance(given, Mapping):
        return {str(k): v for k, v in given.items()}
    if hasattr(given, "_asdict"):
        return dict(given._asdict())
    if isinstance(given, (tuple, list)):
        return dict(zip([*layout.arrays, *INPUTS], given, strict=False))
    return dict(vars(given)) if hasattr(given, "__dict__") and not hasattr(given, "shape") else {}


def parameters_of(
    given: Any, layout: Layout, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """An array for each of the layout's, or None.

    A gradient may be called W, dW, d_W, grad_W or W_grad; a flat layout's is one vector.
    """
    vector = number_array(given)
    if layout.container == "flat" and vector is not None and vector.ndim > 0:
        return _cut(vector, shapes)
    named = by_name(given, layout)

    def found(name: str) -> Any:
        spelt = (f"d{name}", f"d_{name}", f"grad_{name}", f"{name}_grad", name)
        return next((named[s] for s in spelt if s in named), None)

    return {name: found(name) for name in layout.arrays}


def _cut(vector: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """A flat vector as arrays; none if its length is another."""
    lengths = [int(np.prod(shape)) for shape in shapes.values()]
    if vector.size != sum(lengths):
        return dict.fromkeys(shapes)
    pieces = np.split(vector.ravel(), np.cumsum(lengths)[:-1])
    return {n: p.reshape(s) for (n, s), p in zip(shapes.items(), pieces, strict=True)}


def gradients(
    given: Any, layout: Layout, shapes: Mapping[str, tuple[int, ...]], sizes: tuple[int, int]
) -> tuple[Gradients, dict[str, str], bool]:
    """Gradients of the parameters, what is wrong with their form, and whether any is float32.

    Raises:
        SubjectError: not a single one has the right name and shape.
    """
    returned = parameters_of(given, layout, shapes)
    arrays = {n: number_array(a) for n, a in returned.items()}
    wrong, good = {}, {}
    for name, shape in shapes.items():
        array = arrays.get(name)
        if array is None:
            wrong[name] = _not_numbers(returned[name])
        elif array.dtype.kind != "f":
            wrong[name] = f"its gradient has dtype {array.dtype}, expected floating point"
        elif array.shape != shape:
            wrong[name] = f"its gradient has shape {array.shape}, expected {shape}"
        else:
            good[name] = array.astype(np.float64)
    if not good:
        missing = any(returned[name] is None for name in shapes)
        raise SubjectError(
            _nothing_fits(given, layout, shapes, wrong) if missing else _none_usable(wrong)
        )
    single = any(a is not None and a.dtype == np.float32 for a in arrays.values())
    return decode(layout, good, *sizes), wrong, single


def _not_numbers(value: Any) -> str:
    if value is None:
        return "no gradient was returned"
    if hasattr(value, "dtype"):
        return f"its gradient has dtype {value.dtype}, expected floating point"
    return f"its gradient is {described(value)}, expected an array"


def _none_usable(wrong: dict[str, str]) -> str:
    listed = "; ".join(f"{name}: {what}" for name, what in list(wrong.items())[:3])
    return f"gradients: {listed}{'; …' if len(wrong) > 3 else ''}"


def _nothing_fits(given: Any, layout: Layout, shapes: Mapping, wrong: dict[str, str]) -> str:
    names = ", ".join(by_name(given, layout)) if isinstance(given, Mapping) else described(given)
    first, what = next(iter(wrong.items()))
    return (
        f"gradients: got {names or 'none'}, expected {', '.join(shapes)} "
        f"(or with a d before each); {first}: {what}"
    )


def input_gradients(given: Any, layout: Layout, probe: Probe, sequence: str) -> Gradients:
    """dx, dh0 and dC0, where they came under any usual name and in the shape of the input."""
    places = {
        "dx": (sequence, probe.x),
        "dh0": (layout.state, probe.h0[None]),
        "dC0": (layout.state, probe.C0[None]),
    }
    named = {n: a for n, a in by_name(given, layout).items() if n not in layout.arrays}
    found = {}
    for name, (axes, like) in places.items():
        arrays = [number_array(named[spelt]) for spelt in INPUTS[name] if spelt in named]
        if arrays and arrays[0] is not None and arrays[0].shape == arranged(like, axes).shape:
            whole = restored(arrays[0].astype(np.float64), axes, like.shape)
            found[name] = whole if name == "dx" else whole[0]
    return found


def number_array(value: Any) -> Array | None:
    """A NumPy array of numbers, or None."""
    if value is None:
        return None
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return array if array.dtype.kind in "fiu" else None


def described(value: Any) -> str:
    """A value in a few words."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"an array of shape {tuple(value.shape)} and dtype {value.dtype}"
    return "None" if value is None else type(value).__name__
