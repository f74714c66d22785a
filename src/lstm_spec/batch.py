"""A batch: everything from outside that both implementations must see alike."""

from typing import Any, NamedTuple

import numpy as np

from lstm_spec.checks import require_array, require_floats, require_shape
from lstm_spec.config import Config
from lstm_spec.errors import InputError
from lstm_spec.params import LayerParams, float_dtype, layer_leaves, stack_shapes


class State(NamedTuple):
    """Hidden and cell state of every layer, each `(layers, hidden, batch)`."""

    h: Any
    C: Any


class Cotangents(NamedTuple):
    """Upstream gradients added to those of the loss.

    `h (layers, time, hidden, batch)` on every h_t of every layer; `last_h` and
    `last_C (layers, hidden, batch)` on the final state. None means zero.
    """

    h: Any = None
    last_h: Any = None
    last_C: Any = None


class Batch(NamedTuple):
    """Token sequences side by side, one column each, with all that a step depends on.

    Attributes:
        tokens: `(time, batch)` integers in [0, vocab), what the model reads.
        targets: `(time, batch)` integers in [0, vocab), what it should predict.
        mask: `(time, batch)`; 0 or False leaves a position out of the loss. The
            states run on underneath. None counts every position. A sequence may
            be left out altogether; at least one position of the batch counts.
        initial_state: h and C before the first step; None means zero.
        cotangents: upstream gradients besides the loss; None means none.
        dropout: `(layers − 1, time, hidden, batch)` factors on what each layer
            hands to the next (0, or 1/(1 − rate)); None means no dropout.
    """

    tokens: Any
    targets: Any
    mask: Any = None
    initial_state: State | None = None
    cotangents: Cotangents | None = None
    dropout: Any = None


def zero_state(config: Config, batch: int) -> State:
    """The state before anything was read."""
    shape = (config.num_layers, config.hidden_size, batch)
    return State(np.zeros(shape, config.numpy_dtype), np.zeros(shape, config.numpy_dtype))


def validate_batch(batch: Batch, config: Config, *, values: bool = True) -> None:
    """Check a batch against a model.

    Args:
        batch: what is about to be run.
        config: sizes and dtype, as `config_of(params)` gives them.
        values: also look into the arrays: tokens inside the vocabulary, a
            position that counts, finite states and cotangents.

    Raises:
        InputError: names the field and, for a value, where it stands.
    """
    if not isinstance(batch, Batch):
        raise InputError(f"batch: got {type(batch).__name__}, expected Batch(tokens, targets, …)")
    shape = tuple(require_array("tokens", batch.tokens).shape)
    if len(shape) != 2:
        raise InputError(f"tokens: got shape {shape}, expected (time, batch)")
    if 0 in shape:
        raise InputError(f"tokens: got shape {shape}, expected at least one step and one sequence")
    for name in ("tokens", "targets"):
        _validate_ids(name, getattr(batch, name), shape, config.vocab_size, values)
    if batch.mask is not None:
        _validate_mask(batch.mask, shape, values)
    for name, array, expected in _float_fields(batch, config, *shape):
        require_floats(name, array, expected, config.numpy_dtype, values)


def _validate_ids(name: str, ids: Any, shape: tuple, vocab: int, values: bool) -> None:
    require_shape(name, ids, shape, " as in tokens")
    if getattr(ids.dtype, "kind", "") not in ("i", "u"):
        raise InputError(f"{name}: got {ids.dtype}, expected an integer array")
    if values and (ids.min() < 0 or ids.max() >= vocab):
        time, column = np.argwhere((ids < 0) | (ids >= vocab))[0]
        raise InputError(
            f"{name}: got token {ids[time, column]} at time {time}, sequence {column}, "
            f"expected 0 to {vocab - 1}"
        )


def _validate_mask(mask: Any, shape: tuple, values: bool) -> None:
    require_shape("mask", mask, shape, " as in tokens")
    if getattr(mask.dtype, "kind", "") not in tuple("biuf"):
        raise InputError(f"mask: got {mask.dtype}, expected booleans")
    if values and not ((mask == 0) | (mask == 1)).all():
        raise InputError("mask: got values other than 0 and 1, expected booleans")
    if values and not np.any(mask):
        raise InputError("mask: every position is masked, expected at least one that counts")


def validate_vjp(
    layers: tuple[LayerParams, ...],
    inputs: Any,
    initial_state: State | None,
    cotangents: Cotangents,
    *,
    values: bool = True,
) -> Config:
    """Check what the layers alone are run on; returns their sizes, x's width as vocabulary.

    Raises:
        InputError: names the leaf or field that does not fit.
    """
    shape = tuple(require_array("inputs", inputs).shape)
    if len(shape) != 3 or 0 in shape:
        raise InputError(f"inputs: got shape {shape}, expected a non-empty (time, inputs, batch)")
    if not isinstance(layers, (tuple, list)) or not layers:
        raise InputError("layers: got none, expected a tuple of at least one LayerParams")
    first = require_array("layers.0.b_f", getattr(layers[0], "b_f", None))
    hidden = first.shape[0] if len(first.shape) == 1 else 0
    if hidden == 0:
        raise InputError(f"layers.0.b_f: got shape {tuple(first.shape)}, expected (hidden,)")
    config = Config(shape[1], hidden, len(layers), float_dtype("inputs", inputs, real=True))
    if cotangents is None:
        raise InputError("cotangents: got None, expected Cotangents (its fields may be None)")
    for (path, expected), leaf in zip(
        stack_shapes(config).items(), layer_leaves(tuple(layers)), strict=True
    ):
        require_floats(path, leaf, expected, config.numpy_dtype, values)
    time, _, size = shape
    states = _state_fields(initial_state, cotangents, config, time, size)
    for name, array, expected in [("inputs", inputs, shape), *states]:
        require_floats(name, array, expected, config.numpy_dtype, values)
    return config


def _float_fields(batch: Batch, config: Config, time: int, size: int) -> list[tuple]:
    """Name, array and expected shape of each optional float array that is present."""
    found = _state_fields(batch.initial_state, batch.cotangents, config, time, size)
    if batch.dropout is not None:
        shape = (config.num_layers - 1, time, config.hidden_size, size)
        found.append(("dropout", batch.dropout, shape))
    return found


def _state_fields(
    initial: State | None, cotangents: Cotangents | None, config: Config, time: int, size: int
) -> list[tuple]:
    """`_float_fields` of the initial state and the cotangents."""
    layers, hidden = config.num_layers, config.hidden_size
    state, steps = (layers, hidden, size), (layers, time, hidden, size)
    if not (initial is None or isinstance(initial, State)):
        raise InputError(f"initial_state: got {type(initial).__name__}, expected State(h, C)")
    if not (cotangents is None or isinstance(cotangents, Cotangents)):
        raise InputError(f"cotangents: got {type(cotangents).__name__}, expected Cotangents")
    found = [] if initial is None else [("initial_state.h", initial.h, state)]
    found += [] if initial is None else [("initial_state.C", initial.C, state)]
    shapes = {"h": steps, "last_h": state, "last_C": state}
    given = {} if cotangents is None else cotangents._asdict()
    return found + [
        (f"cotangents.{name}", array, shapes[name])
        for name, array in given.items()
        if array is not None
    ]
