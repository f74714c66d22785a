"""The parameter tree: one format for parameters, gradients and optimiser moments."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from lstm_spec.checks import require_array, require_floats
from lstm_spec.config import Config
from lstm_spec.errors import InputError

GATES = ("f", "i", "g", "o")
DTYPES = {np.dtype(name): name for name in ("float32", "float64", "complex128")}


class LayerParams(NamedTuple):
    """One LSTM layer: `W_k (hidden, hidden + inputs)` acting on z = [h; x], `b_k (hidden,)`."""

    W_f: Any
    W_i: Any
    W_g: Any
    W_o: Any
    b_f: Any
    b_i: Any
    b_g: Any
    b_o: Any


class Params(NamedTuple):
    """The whole model: layers, then the readout `W_v (vocab, hidden)`, `b_v (vocab,)`."""

    layers: tuple[LayerParams, ...]
    W_v: Any
    b_v: Any


def layer_shapes(hidden: int, inputs: int) -> LayerParams:
    """The shape of every leaf of one layer."""
    return LayerParams(*[(hidden, hidden + inputs)] * 4, *[(hidden,)] * 4)


def stack_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Shape by path of the layers alone, in the tree's order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(config.num_layers):
        expected = layer_shapes(config.hidden_size, config.input_size(layer))
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in expected._asdict().items()}
    return shapes


@lru_cache
def param_shapes(config: Config) -> Mapping[str, tuple[int, ...]]:
    """Shape by path of the whole model, in the tree's order."""
    readout = {"W_v": (config.vocab_size, config.hidden_size), "b_v": (config.vocab_size,)}
    return MappingProxyType(stack_shapes(config) | readout)


def params_from_leaves(by_path: dict[str, Any], num_layers: int) -> Params:
    """Build the tree from leaves named by path; the inverse of `tree.leaves`."""
    layers = tuple(
        LayerParams(*[by_path[f"layers.{layer}.{name}"] for name in LayerParams._fields])
        for layer in range(num_layers)
    )
    return Params(layers, by_path["W_v"], by_path["b_v"])


_config = lru_cache(Config)  # one object for a model, however often it is asked for


def config_of(params: Params) -> Config:
    """Read a model's sizes off its parameters.

    Raises:
        InputError: this is no `Params` with layers, `W_v` is no matrix, or its dtype no float.
    """
    if not isinstance(params, Params) or not isinstance(params.layers, (tuple, list)):
        raise InputError(f"params: got {type(params).__name__}, expected Params with its layers")
    if not params.layers:
        raise InputError("layers: got none, expected at least one")
    shape = tuple(require_array("W_v", params.W_v).shape)
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"W_v: got shape {shape}, expected a non-empty (vocab, hidden)")
    return _config(*shape, len(params.layers), float_dtype("W_v", params.W_v))


def float_dtype(name: str, array: Any, *, real: bool = False) -> str:
    """An array's dtype by name, if the model can be computed in it."""
    known = DTYPES.get(array.dtype)
    if known is None or (real and known == "complex128"):
        raise InputError(f"{name}: got dtype {array.dtype}, expected float32 or float64")
    return known


def validate_params(params: Params, *, values: bool = True, real: bool = False) -> Config:
    """Check every leaf against the first layer's sizes and return the configuration.

    Args:
        params: the parameter tree; any arrays with `shape` and `dtype`.
        values: also require every number to be finite.
        real: also refuse complex parameters.

    Raises:
        InputError: names the leaf whose shape, dtype or values are wrong.
    """
    config = config_of(params)
    float_dtype("W_v", params.W_v, real=real)
    found, dtype = [*layer_leaves(params.layers), params.W_v, params.b_v], config.numpy_dtype
    for (path, shape), leaf in zip(param_shapes(config).items(), found, strict=True):
        require_floats(path, leaf, shape, dtype, values)
    return config


def layer_leaves(layers: tuple[LayerParams, ...]) -> list[Any]:
    """What stands for each of the layers' leaves, in the tree's order, array or not."""
    return [getattr(layer, name, None) for layer in layers for name in LayerParams._fields]
