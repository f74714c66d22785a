"""Parameters in a layout's arrays, and gradients back out of them."""

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from gradparity.returned.call.layouts import COLUMNS, Layout, Parts, parts
from lstm_spec import GATES, LayerParams


def encode(layout: Layout, layer: LayerParams, W_v: Any = None, b_v: Any = None) -> dict[str, Any]:
    """The layout's arrays by name, for parameters in the project's own.

    Where there are two biases, each holds half.
    """
    share = 1 / max(1, _biases(layout))
    readout_share = 1 / max(1, _readout_biases(layout))
    return {
        name: _arrange(parts(axes), _blocks(parts(axes), layer, W_v, b_v, share, readout_share))
        for name, axes in layout.arrays.items()
    }


def contain(layout: Layout, arrays: dict[str, np.ndarray]) -> Any:
    """The arrays as the subject wants to be given them."""
    if layout.container == "tuple":
        return tuple(arrays.values())
    if layout.container == "object":
        return SimpleNamespace(**arrays)
    if layout.container == "flat":
        return np.concatenate([array.ravel() for array in arrays.values()])
    return dict(arrays)


def decode(
    layout: Layout, arrays: Mapping[str, np.ndarray], hidden: int, inputs: int
) -> dict[str, np.ndarray]:
    """Gradients in the project's own terms, out of arrays of a layout.

    Returns:
        `W_f[h]`, `W_f[x]`, `b_f`, … `W_v`, `b_v`, and `E` for an embedding. A second
        bias is `b_f'`.
    """
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        split = parts(layout.arrays[name])
        for path, block in _taken_apart(split, array, hidden, inputs):
            while path in found:
                path += "'"
            found[path] = block
    return found


def shapes(
    layout: Layout, hidden: int, inputs: int, vocab: int | None
) -> dict[str, tuple[int, ...]]:
    """The shape that each array must have."""
    lengths = {"h": hidden, "x": inputs, "b": 1}

    def length(axis: str) -> int:
        if axis == "1":
            return 1
        if axis in ("v", "e"):
            return inputs if axis == "e" else int(vocab or 0)
        if set(axis) <= COLUMNS:
            return sum(lengths[letter] for letter in axis)
        return hidden * len(axis.replace("+", ""))

    return {name: tuple(map(length, parts(a).axes)) for name, a in layout.arrays.items()}


def _biases(layout: Layout) -> int:
    """How many times the layer's bias is added."""
    found = [parts(axes) for axes in layout.arrays.values()]
    return max(
        sum((1 + p.repeated) * (gate in p.gates) for p in found if p.has_gate_bias)
        for gate in GATES
    )


def _readout_biases(layout: Layout) -> int:
    found = [parts(axes) for axes in layout.arrays.values()]
    return sum(p.single == "v" and (not p.columns or "b" in p.columns) for p in found)


def _blocks(
    split: Parts, layer: LayerParams, W_v: Any, b_v: Any, share: float, readout_share: float
) -> np.ndarray:
    """The array as rows (gates or vocabulary) by columns, before its axes are put in order."""
    hidden = len(layer.b_f)
    if split.single == "e":
        return np.eye(layer.W_f.shape[1] - hidden)
    if split.single == "v":
        return np.hstack(
            [W_v if c == "h" else readout_share * b_v[:, None] for c in split.columns or "b"]
        )

    def block(gate: str, column: str) -> np.ndarray:
        W, b = getattr(layer, f"W_{gate}"), getattr(layer, f"b_{gate}")
        return {"h": W[:, :hidden], "x": W[:, hidden:], "b": share * b[:, None]}[column]

    rows = [np.hstack([block(k, c) for c in split.columns or "b"]) for k in split.gates]
    return np.concatenate(rows * (1 + split.repeated))


def _arrange(split: Parts, block: np.ndarray) -> np.ndarray:
    """Rows by columns, in the order and with the axes that the layout asks for."""
    columns_first = _columns_first(split)
    matrix = block.T if columns_first else block
    if not split.columns and split.single != "e":
        matrix = block[:, 0]
    shape, lengths = [], list(matrix.shape)
    for axis in split.axes:
        shape.append(1 if axis == "1" else lengths.pop(0))
    return np.ascontiguousarray(matrix.reshape(shape))


def _columns_first(split: Parts) -> bool:
    rows = {split.gates + ("+" + split.gates) * split.repeated, split.single} - {""}
    if split.single == "e":
        return split.axes.index("x") < split.axes.index("e")
    order = [axis for axis in split.axes if axis != "1"]
    return len(order) == 2 and order[0] not in rows


def _taken_apart(
    split: Parts, array: np.ndarray, hidden: int, inputs: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Blocks by path; the inverse of `_blocks` and `_arrange`."""
    matrix = array.reshape(
        [n for n, axis in zip(array.shape, split.axes, strict=True) if axis != "1"]
    )
    if split.single == "e":
        yield "E", matrix.T if _columns_first(split) else matrix
        return
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    matrix = matrix.T if _columns_first(split) else matrix
    sizes = {"h": hidden, "x": inputs, "b": 1}
    ends = np.cumsum([sizes[c] for c in split.columns or "b"])
    columns = list(zip(split.columns or "b", np.split(matrix, ends[:-1], axis=1), strict=True))
    for letter, block in columns:
        if split.single == "v":
            yield ("W_v", block) if letter == "h" else ("b_v", block[:, 0])
            continue
        for n, gate in enumerate(split.gates * (1 + split.repeated)):
            rows = block[n * hidden : (n + 1) * hidden]
            yield (f"b_{gate}", rows[:, 0]) if letter == "b" else (f"W_{gate}[{letter}]", rows)
