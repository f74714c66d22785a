"""What a subject is run on: short sequences that undo the sum over time.

No token occurs twice in a probe, so that column x_t of dW_k receives one term alone,
da^k_t; dense inputs are one-hot for the same reason. T = 1 isolates the local
derivatives, T = 2 the carries, T = 3 and 5 what the others mask.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradparity.lstm.film import Film, run_layer
from gradparity.lstm.simulate import (
    Plan,
    layer_backward,
    logits_adjoint,
    readout_gradients,
    readout_upstream,
)
from lstm_spec import GATES, LayerParams

KINDS = ("model", "layer", "cell")
HIDDEN, INPUTS = 9, 11
Gradients = dict[str, np.ndarray]


def shared(path: str) -> str:
    """The leaf whose gradient another one has too: a second bias `b_f'` has that of `b_f`."""
    return path.rstrip("'")


@dataclass(frozen=True)
class Probe:
    """One call of a subject, in the project's own terms.

    Attributes:
        name: for messages.
        layer: parameters.
        x: `(time, inputs, batch)`, one-hot.
        h0, C0: `(hidden, batch)` before the first step; zero if the subject takes none.
        W_v, b_v, targets: of a model.
        dh: upstream gradients `(time, hidden, batch)` of a layer or cell.
        dC: upstream gradient `(hidden, batch)` of the last C, if the subject takes one.
        distinct: whether no token repeats, so that deltas can be read off.
    """

    name: str
    layer: LayerParams
    x: np.ndarray
    h0: np.ndarray
    C0: np.ndarray
    W_v: Any = None
    b_v: Any = None
    targets: Any = None
    dh: Any = None
    dC: Any = None
    distinct: bool = True

    @property
    def time(self) -> int:
        """Steps."""
        return len(self.x)

    @property
    def batch(self) -> int:
        """Sequences side by side."""
        return self.x.shape[2]

    @property
    def tokens(self) -> np.ndarray:
        """The ids that x encodes, `(time, batch)`."""
        return self.x.argmax(axis=1)

    def forward(self) -> Film:
        """F1–F9, with y and target for a model."""
        film = run_layer(self.layer, self.x, self.h0, self.C0)
        if self.W_v is not None:
            v = self.W_v @ film["h"] + self.b_v[:, None]  # F7
            exponential = np.exp(v - v.max(axis=1, keepdims=True))
            film["v"], film["y"] = v, exponential / exponential.sum(axis=1, keepdims=True)  # F8
            film["target"] = np.eye(len(self.b_v))[self.targets].transpose(0, 2, 1)
            film["mask"] = np.ones((self.time, 1, self.batch))
        return film

    def loss(self, film: Film) -> float:
        """F9, nats per token."""
        return float(-np.log((film["y"] * film["target"]).sum(axis=1)).mean())


def synthesize(probe: Probe, plan: Plan, film: Film | None = None) -> tuple[Gradients, Film]:
    """Every gradient that a backward pass with the plan's mistakes returns, and its film."""
    film = probe.forward() if film is None else Film(film.params, dict(film.values), film.given)
    found: Gradients = {}
    if probe.W_v is not None:
        film["dv"] = logits_adjoint(plan, film, float(film["mask"].sum()))
        found["W_v"], found["b_v"] = readout_gradients(plan, film)
        dh = readout_upstream(plan, film, probe.W_v)
    else:
        dh = probe.dh
    zero = np.zeros_like(probe.h0)
    result = layer_backward(plan, film, dh, zero, zero if probe.dC is None else probe.dC)
    hidden = len(probe.h0)
    for gate in GATES:
        W, b = getattr(result.params, f"W_{gate}"), getattr(result.params, f"b_{gate}")
        found[f"W_{gate}[h]"], found[f"W_{gate}[x]"], found[f"b_{gate}"] = (
            W[:, :hidden],
            W[:, hidden:],
            b,
        )
    found |= {"dx": result.dx, "dh0": result.dh_initial, "dC0": result.dC_initial}
    if probe.W_v is not None:
        found["E"] = np.einsum("teb,txb->ex", probe.x, result.dx)
    return found, film


def draw(
    kind: str,
    time: int,
    batch: int,
    seed: int,
    *,
    state: bool = True,
    bias: bool = True,
    dC: bool = True,
    repeat: bool = False,
    hidden: int = HIDDEN,
    inputs: int = INPUTS,
) -> Probe:
    """A probe with random weights of gain 1.2, each path of the gradient carrying signal."""
    rng = np.random.default_rng([seed, time, batch])

    def weights(rows: int, columns: int) -> np.ndarray:
        return 1.2 * rng.standard_normal((rows, columns)) / np.sqrt(hidden)

    def biases(n: int) -> np.ndarray:
        return rng.uniform(-0.7, 0.7, n) * bias

    layer = LayerParams(
        *[weights(hidden, hidden + inputs) for _ in GATES], *[biases(hidden) for _ in GATES]
    )
    ids = rng.integers(0, inputs, (time, batch))
    if not repeat:
        ids = rng.permutation(inputs)[: time * batch].reshape(time, batch)
    shape = (hidden, batch)
    h0, C0 = (rng.uniform(-0.9, 0.9, shape) * state, 0.8 * rng.standard_normal(shape) * state)
    x = np.eye(inputs)[ids].transpose(0, 2, 1)
    name = f"T = {time}" + (f", batch {batch}" if batch > 1 else "")
    if kind == "model":
        targets = rng.integers(0, inputs, (time, batch))
        return Probe(
            name, layer, x, h0, C0, weights(inputs, hidden), biases(inputs), targets,
            distinct=not repeat,
        )  # fmt: skip
    upstream = rng.standard_normal((time, *shape))
    upstream_C = rng.standard_normal(shape) if dC or kind == "cell" else None
    return Probe(name, layer, x, h0, C0, dh=upstream, dC=upstream_C, distinct=not repeat)


def probes_for(
    kind: str, *, batch: bool, state: bool, bias: bool, dC: bool, seed: int
) -> list[Probe]:
    """What a diagnosis runs: short ones to look at closely, longer ones to be sure."""
    if kind == "cell":
        sizes = [(1, 1, False), (1, 3, False), (1, 2, True)]
    else:
        sizes = [
            (1, 1, False), (1, 2, False), (2, 1, False), (3, 2, False), (5, 1, False), (8, 2, True),
        ]  # fmt: skip
    return [
        draw(
            kind, time, size if batch else 1, seed + n, state=state, bias=bias, dC=dC, repeat=repeat
        )
        for n, (time, size, repeat) in enumerate(sizes)
    ]
