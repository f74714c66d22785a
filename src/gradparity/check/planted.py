"""A backend with planted mistakes: the model's gradients by a simulated backward pass."""

from collections.abc import Iterable

import numpy as np

from gradparity.lstm.equations import Mistake
from gradparity.lstm.film import Array, Film, run_layer
from gradparity.lstm.simulate import (
    LayerGradients,
    Plan,
    layer_backward,
    logits_adjoint,
    readout_gradients,
    readout_upstream,
)
from lstm_spec import (
    Adjoints,
    Batch,
    Cotangents,
    LayerAdjoints,
    LossAndGrads,
    Params,
    State,
    config_of,
    zero_state,
)


def run_films(params: Params, batch: Batch) -> list[Film]:
    """F1–F9 for the whole model: one film a layer, the top one also with the readout's.

    The top film holds, besides a layer's symbols, v, y, target (one-hot) and mask.
    """
    time, size = batch.tokens.shape
    vocab = len(params.b_v)
    x = _one_hot(batch.tokens, vocab)
    state = batch.initial_state or zero_state(config_of(params), size)
    films: list[Film] = []
    for k, layer in enumerate(params.layers):
        films.append(run_layer(layer, x, state.h[k], state.C[k]))
        if k + 1 < len(params.layers):
            x = films[k]["h"] if batch.dropout is None else films[k]["h"] * batch.dropout[k]
    top = films[-1]
    top["v"] = params.W_v @ top["h"] + params.b_v[:, None]  # F7
    exponential = np.exp(top["v"] - top["v"].max(axis=1, keepdims=True))
    top["y"] = exponential / exponential.sum(axis=1, keepdims=True)  # F8
    top["target"] = _one_hot(batch.targets, vocab)
    mask = np.ones((time, size)) if batch.mask is None else batch.mask.astype(float)
    top["mask"] = mask[:, None, :]
    return films


def _one_hot(tokens: np.ndarray, vocab: int) -> np.ndarray:
    """Tokens `(time, batch)` as columns `(time, vocab, batch)`."""
    return (tokens[:, None] == np.arange(vocab)[:, None]).astype(float)


class Planted:
    """The backend functions `adjoints` and `loss_and_grads`, with mistakes."""

    def __init__(self, mistakes: Iterable[Mistake] = ()) -> None:
        self.plan = Plan(mistakes)

    def adjoints(self, params: Params, batch: Batch) -> LossAndGrads:
        """As `lstm_spec.Backend.adjoints`."""
        films = run_films(params, batch)
        top = films[-1]
        top["dv"] = logits_adjoint(self.plan, top, float(top["mask"].sum()))
        dW_v, db_v = readout_gradients(self.plan, top)
        layers = self._layers(films, readout_upstream(self.plan, top, params.W_v), batch)
        grads = Params(tuple(layer.params for layer in layers), dW_v, db_v)
        dstate = State(_stack(layers, "dh_initial"), _stack(layers, "dC_initial"))
        final = State(*(np.stack([film[s][-1] for film in films]) for s in ("h", "C")))
        found = tuple(LayerAdjoints._make(f[f"d{s}"] for s in LayerAdjoints._fields) for f in films)
        return LossAndGrads(_loss(top), grads, dstate, final, Adjoints(found, top["dv"]))

    def loss_and_grads(self, params: Params, batch: Batch) -> LossAndGrads:
        """As `lstm_spec.Backend.loss_and_grads`."""
        return self.adjoints(params, batch)._replace(adjoints=None)

    def _layers(self, films: list[Film], dh: Array, batch: Batch) -> list[LayerGradients]:
        cotangents = batch.cotangents or Cotangents()
        zero = np.zeros_like(films[0]["h"][:1])[[0] * len(films)]
        last_h = zero if cotangents.last_h is None else cotangents.last_h
        last_C = zero if cotangents.last_C is None else cotangents.last_C
        found: list[LayerGradients] = []
        for k in reversed(range(len(films))):
            dh = dh if cotangents.h is None else dh + cotangents.h[k]
            found.insert(0, layer_backward(self.plan, films[k], dh, last_h[k], last_C[k]))
            dh = found[0].dx
            if k > 0 and batch.dropout is not None:
                dh = dh * batch.dropout[k - 1]
        return found


def _stack(layers: list[LayerGradients], name: str) -> Array:
    return np.stack([getattr(layer, name) for layer in layers])


def _loss(top: Film) -> float:
    likelihood = np.log((top["y"] * top["target"]).sum(axis=1, keepdims=True))
    return float(-(likelihood * top["mask"]).sum() / top["mask"].sum())  # F9
