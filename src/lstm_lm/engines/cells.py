"""The kinds of cell that can be trained: their weights and states, apart from their mathematics."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lstm_lm.config.options import Options
from lstm_spec import Config, Params, State, init_params, validate_params, zero_state
from lstm_spec.params import param_shapes, params_from_leaves


class Cell(NamedTuple):
    """What must be known of a cell to begin, save and load a run.

    Attributes:
        init: initial weights, a tree of NumPy arrays.
        zero_state: the state before a sequence, for so many sequences side by side.
        state: named tuple of a state's arrays.
        from_leaves: the tree of weights, or of moments, from arrays by path.
        shapes: of the weights by path; where there are none, a file's are not held to them.
    """

    init: Callable[[Config, Options], Any]
    zero_state: Callable[[Config, int], Any]
    state: Any
    from_leaves: Callable[[dict[str, Any], Options], Any]
    shapes: Callable[[Config], Mapping[str, tuple[int, ...]]] | None = None


def _lstm(config: Config, options: Options) -> Params:
    return init_params(config, options.seed, scheme=options.init, forget_bias=options.forget_bias)


def _lstm_from_leaves(by_path: dict[str, Any], options: Options) -> Params:
    params = params_from_leaves(by_path, options.layers or 1)
    validate_params(params)
    return params


LSTM = Cell(_lstm, zero_state, State, _lstm_from_leaves, param_shapes)

# By backend; one that is not listed has the LSTM.
CELLS: dict[str, Cell] = {}


def cell_of(options: Options) -> Cell:
    """The cell of the options' backend."""
    return CELLS.get(options.backend, LSTM)
