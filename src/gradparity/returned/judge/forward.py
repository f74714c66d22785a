"""Is a subject's forward pass the standard LSTM's? If not, where does it depart?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations

import numpy as np

from gradparity.lstm.film import Array, Film, sigmoid
from gradparity.returned.call.probes import Probe
from lstm_spec import GATES, LayerParams

STANDARD = 1e-5  # relative difference up to which a forward pass is the standard one
LN2 = float(np.log(2))


@dataclass(frozen=True)
class ForwardPass:
    """What was found of the outputs.

    Attributes:
        standard: whether they are the standard LSTM's, up to a factor of the loss.
        factors: the loss as a multiple of the mean nats per token, for each probe.
        factor_name: that factor in words; empty for 1.
        error: the largest relative difference from the standard outputs.
        departure: where it departs, in words; empty where that is not known.
    """

    standard: bool
    factors: tuple[float, ...]
    factor_name: str = ""
    error: float = 0.0
    departure: str = ""


def named_factors(probe: Probe) -> dict[str, float]:
    """Factors that people put before a loss or a gradient, by their name."""
    T, B = probe.time, probe.batch
    V = 0 if probe.b_v is None else len(probe.b_v)
    H = len(probe.h0)
    found = {
        "1": 1.0,
        "T": T,
        "1/T": 1 / T,
        "B": B,
        "1/B": 1 / B,
        "T·B": T * B,
        "1/(T·B)": 1 / (T * B),
    }
    found |= {"V": V, "1/V": 1 / V, "T/V": T / V, "1/(T·V)": 1 / (T * V)} if V else {}
    return found | {"1/ln 2": 1 / LN2, "2": 2.0, "1/2": 0.5, "H": H, "1/H": 1 / H}


def name_factor(
    probes: Sequence[Probe], factors: Sequence[float], tolerance: float = 1e-6
) -> str | None:
    """The name of a factor that differs with the probes; its value if it does not; or None."""
    for name in named_factors(probes[0]):
        if all(
            abs(f / named_factors(p)[name] - 1) < tolerance
            for p, f in zip(probes, factors, strict=True)
        ):
            return "" if name == "1" else name
    if max(factors) - min(factors) <= tolerance * max(map(abs, factors)):
        return f"{factors[0]:.6g}"
    return None


def judge_forward(
    probes: Sequence[Probe], films: Sequence[Film], outputs: Sequence[Array]
) -> ForwardPass:
    """Compare outputs with the standard LSTM's, and look for the departure if they differ."""
    if probes[0].W_v is None:
        errors = [_difference(o, film["h"]) for o, film in zip(outputs, films, strict=True)]
        if max(errors) < STANDARD:
            return ForwardPass(True, (1.0,) * len(probes), error=max(errors))
        return ForwardPass(
            False, (1.0,) * len(probes), error=max(errors), departure=_departure(probes, outputs)
        )
    factors = [float(o) / p.loss(film) for o, p, film in zip(outputs, probes, films, strict=True)]
    name = name_factor(probes, factors, STANDARD) if np.isfinite(factors).all() else None
    if name is None:
        error = max(abs(f - 1) for f in factors)
        return ForwardPass(
            False, tuple(factors), error=error, departure=_departure(probes, outputs)
        )
    ideal = [named_factors(p).get(name or "1", factors[0]) for p in probes]
    error = max(abs(f / i - 1) for f, i in zip(factors, ideal, strict=True))
    return ForwardPass(True, tuple(ideal), name, error)


def _difference(got: Array, expected: Array) -> float:
    if not np.isfinite(got).all():
        return float("inf")
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def _departure(probes: Sequence[Probe], outputs: Sequence[Array]) -> str:
    """The first known variant that yields the outputs, in words."""
    for words, variant in _variants():
        with np.errstate(all="ignore"):
            made = [variant(probe) for probe in probes]
        if probes[0].W_v is None:
            if all(_difference(o, m["h"]) < STANDARD for o, m in zip(outputs, made, strict=True)):
                return words
        else:
            factors = [float(o) / p.loss(m) for o, p, m in zip(outputs, probes, made, strict=True)]
            if np.isfinite(factors).all() and name_factor(probes, factors, STANDARD) is not None:
                return words
    return ""


def _variants() -> Iterator[tuple[str, Callable[[Probe], Film]]]:
    for order in list(permutations(GATES))[1:]:
        moved = ", ".join(
            f"{a} is read as {b}" for a, b in zip(GATES, order, strict=True) if a != b
        )
        yield (
            f"the gates stand in another order: {moved}",
            _with_layer(partial(_permuted, order)),
        )
    for first in ("h", "x"):
        yield (
            f"the columns stand in another order: {first} comes first",
            _with_layer(partial(_columns_exchanged, first)),
        )
    yield "the biases are not added", _with_layer(_without_bias)
    yield "the forget gate's bias has 1 added to it", _with_layer(_forget_bias)
    yield "the recurrent weights are not used", _with_layer(_without_recurrence)
    yield "the initial state is not used", _without_state
    yield "the readout's bias is not added", _without_readout_bias
    for words, change in _CELLS.items():
        yield words, partial(_run, change)


def _with_layer(change: Callable[[LayerParams], LayerParams]) -> Callable[[Probe], Film]:
    return lambda probe: replace(probe, layer=change(probe.layer)).forward()


def _permuted(order: Sequence[str], layer: LayerParams) -> LayerParams:
    return LayerParams(*[getattr(layer, f"{n}_{k}") for n in "Wb" for k in order])


def _columns_exchanged(first: str, layer: LayerParams) -> LayerParams:
    """What code sees that takes these columns for the first ones though they come last."""
    hidden = len(layer.b_f)

    def exchanged(W: Array) -> Array:
        cut = hidden if first == "h" else W.shape[1] - hidden
        return np.concatenate([W[:, cut:], W[:, :cut]], axis=1)

    return layer._replace(**{f"W_{k}": exchanged(getattr(layer, f"W_{k}")) for k in GATES})


def _without_bias(layer: LayerParams) -> LayerParams:
    return layer._replace(**{f"b_{k}": 0 * layer.b_f for k in GATES})


def _forget_bias(layer: LayerParams) -> LayerParams:
    return layer._replace(b_f=layer.b_f + 1)


def _without_recurrence(layer: LayerParams) -> LayerParams:
    hidden = len(layer.b_f)
    kept = np.arange(layer.W_f.shape[1]) >= hidden
    return layer._replace(**{f"W_{k}": getattr(layer, f"W_{k}") * kept for k in GATES})


def _without_state(probe: Probe) -> Film:
    return replace(probe, h0=0 * probe.h0, C0=0 * probe.C0).forward()


def _without_readout_bias(probe: Probe) -> Film:
    return probe.forward() if probe.b_v is None else replace(probe, b_v=0 * probe.b_v).forward()


# A cell written otherwise: activations of g, of C in h, of the sigmoid gates, and how C is made.
_CELLS: dict[str, dict[str, Callable]] = {
    "the candidate g is activated by σ, not tanh": {"g": sigmoid},
    "the candidate g is not activated": {"g": lambda a: a},
    "h = o ⊙ C: C is not squashed by tanh": {"m": lambda C: C},
    "h = o ⊙ σ(C): C is squashed by σ, not tanh": {"m": sigmoid},
    "the gates are activated by a hard sigmoid": {"gate": lambda a: np.clip(0.2 * a + 0.5, 0, 1)},
    "the gates are activated by tanh, not σ": {"gate": np.tanh},
    "C = f ⊙ C_prev + (1 − f) ⊙ g: input and forget gate are coupled": {
        "C": lambda f, C, i, g: f * C + (1 - f) * g
    },
    "C = (1 − i) ⊙ C_prev + i ⊙ g: input and forget gate are coupled": {
        "C": lambda f, C, i, g: (1 - i) * C + i * g
    },
    "C = C_prev + i ⊙ g: the forget gate is not used": {"C": lambda f, C, i, g: C + i * g},
    "C = f ⊙ C_prev + g: the input gate is not used": {"C": lambda f, C, i, g: f * C + g},
}


def _run(change: dict[str, Callable], probe: Probe) -> Film:
    """A forward pass with some functions changed; what the readout needs is filled in."""
    gate, candidate = change.get("gate", sigmoid), change.get("g", np.tanh)
    squash = change.get("m", np.tanh)
    join = change.get("C", lambda f, C, i, g: f * C + i * g)
    h, C, outputs, layer = probe.h0, probe.C0, [], probe.layer
    for x in probe.x:
        z = np.concatenate([h, x])
        a = {k: getattr(layer, f"W_{k}") @ z + getattr(layer, f"b_{k}")[:, None] for k in GATES}
        C = join(gate(a["f"]), C, gate(a["i"]), candidate(a["g"]))
        h = gate(a["o"]) * squash(C)
        outputs.append(h)
    film = probe.forward()
    film["h"] = np.stack(outputs)
    if probe.W_v is not None:
        v = probe.W_v @ film["h"] + probe.b_v[:, None]
        exponential = np.exp(v - v.max(axis=1, keepdims=True))
        film["y"] = exponential / exponential.sum(axis=1, keepdims=True)
    return film
