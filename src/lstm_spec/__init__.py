"""The contract that both implementations obey.

Dimension names used throughout the project:

    time, batch      steps of a sequence, sequences side by side
    hidden, inputs   units of a layer, width of what enters it
    vocab, layers    token ids, LSTMs stacked on each other

Arrays are feature-major: `(time, hidden, batch)`, one column per sequence.
This package needs NumPy alone.
"""

from lstm_spec.backend import BACKENDS, Backend, load_backend
from lstm_spec.batch import Batch, Cotangents, State, validate_batch, validate_vjp, zero_state
from lstm_spec.config import Config
from lstm_spec.errors import InputError
from lstm_spec.init import init_params
from lstm_spec.params import GATES, LayerParams, Params, config_of, validate_params
from lstm_spec.results import VJP, Adjoints, LayerAdjoints, LossAndGrads, LossOnly

__all__ = [
    "BACKENDS",
    "GATES",
    "VJP",
    "Adjoints",
    "Backend",
    "Batch",
    "Config",
    "Cotangents",
    "InputError",
    "LayerAdjoints",
    "LayerParams",
    "LossAndGrads",
    "LossOnly",
    "Params",
    "State",
    "config_of",
    "init_params",
    "load_backend",
    "validate_batch",
    "validate_params",
    "validate_vjp",
    "zero_state",
]
