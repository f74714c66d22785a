"""Hold one backend to another, equation by equation and time step by time step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from gradparity.check.cases import Case, Text, draw
from gradparity.check.planted import run_films
from gradparity.lstm.equation import Key
from gradparity.lstm.equations import COMPUTED_BY, FORWARD
from gradparity.lstm.evaluate import Given, Magnitude, adjoint_values, given, gradient_values
from gradparity.trees.equal import FLOOR_ULPS, Judgement, judge_rows
from lstm_spec import Batch, InputError, LossAndGrads, Params
from lstm_spec.tree import leaves, tree_map

Adjoints = Callable[[Params, Batch], LossAndGrads]
EPS = float(np.finfo(np.float64).eps)


class Subject(Protocol):
    """What is checked: the two backend functions that yield gradients."""

    def loss_and_grads(self, params: Params, batch: Batch) -> LossAndGrads:
        """What training uses; its loss, final state and gradients are judged."""

    def adjoints(self, params: Params, batch: Batch) -> LossAndGrads:
        """Its adjoints are judged."""


@dataclass(frozen=True)
class Block:
    """The verdict on one gradient, or on one adjoint at one time step: the worst of all runs.

    Attributes:
        case, block: where: the case's name, and a path such as `layers.0.dC[t=3]`.
        kind: "gradient", "adjoint", or "forward" for loss and final state.
        layer: from the bottom; None for the readout.
        key: equation and gate that compute it.
        symbol: the quantity, `C` or `W_f`.
        time: the step; None for gradients.
        last_step: whether no step follows.
        seed: of the worst run.
        judgement: the verdict with the worst entry.
        local: for a failure, whether the equation fails on the backend's own
            adjoints; False means that the error is inherited.
    """

    case: str
    block: str
    kind: str
    layer: int | None
    key: Key
    symbol: str
    time: int | None
    last_step: bool
    seed: int
    judgement: Judgement
    local: bool | None = None

    @property
    def ok(self) -> bool:
        """Whether it passes."""
        return self.judgement.ok


def check_case(
    case: Case, text: Text, subject: Subject, reference: Adjoints, seed: int = 0
) -> list[Block]:
    """Run a case with all its seeds; each block as it was worst."""
    worst: dict[str, Block] = {}
    for run in range(seed, seed + case.runs):
        for block in check_run(case, *draw(case, text, run), subject, reference, run):
            before = worst.get(block.block)
            if before is None or _worse(block, before):
                worst[block.block] = block
    return list(worst.values())


def check_run(
    case: Case,
    params: Params,
    batch: Batch,
    subject: Subject,
    reference: Adjoints,
    seed: int = 0,
) -> list[Block]:
    """Judge loss, final state, every gradient and every adjoint of one run.

    Raises:
        InputError: the reference did not compute in float64.
    """
    expected = _as_numpy(reference(params, batch))
    require_float64(expected)
    # Each call gets its own copies, so that a subject that changes its input betrays itself.
    adjoints = subject.adjoints(*_copies(params, batch)).adjoints
    found = subject.loss_and_grads(*_copies(params, batch))
    got = _as_numpy(found._replace(adjoints=adjoints))
    malformed = list(_malformed(case, got, expected, seed))
    if malformed:
        return malformed
    return _judged(case, params, batch, got, expected, seed)


def _judged(
    case: Case, params: Params, batch: Batch, got: Any, expected: Any, seed: int
) -> list[Block]:
    films = run_films(params, batch)
    magnitudes = given(films, params, batch, expected.adjoints).magnitudes()
    floors = {**adjoint_values(magnitudes), **gradient_values(magnitudes)}
    quantities = list(_quantities(got, expected))
    blocks = [b for q in quantities for b in _judge(case, seed, q, floors.get(q.path))]
    if all(block.ok for block in blocks):
        return blocks
    return _with_locality(blocks, quantities, given(films, params, batch, got.adjoints), floors)


def require_float64(result: LossAndGrads) -> None:
    """Refuse to judge by anything that is not float64.

    Raises:
        InputError: some leaf is of another dtype, as when JAX runs without x64.
    """
    for path, leaf in leaves(result).items():
        if leaf.dtype != np.float64:
            raise InputError(
                f"{path}: the reference computed in {leaf.dtype}, expected float64: "
                "set JAX_ENABLE_X64=1 or call jax.config.update('jax_enable_x64', True)"
            )


def _malformed(case: Case, got: Any, expected: Any, seed: int) -> Iterator[Block]:
    """Blocks for leaves that are missing, too many, or of another shape or dtype."""
    ours, theirs = leaves(got), leaves(expected)
    for path in theirs | ours:
        if path not in ours:
            wrong = Judgement(path, "missing", note=f"expected shape {theirs[path].shape}")
        elif path not in theirs:
            wrong = Judgement(path, "unexpected", note=f"got shape {ours[path].shape}")
        elif ours[path].shape != theirs[path].shape:
            shapes = f"got {ours[path].shape}, expected {theirs[path].shape}"
            wrong = Judgement(path, "shape", note=shapes)
        elif ours[path].dtype != theirs[path].dtype:
            dtypes = f"got {ours[path].dtype}, expected {theirs[path].dtype}"
            wrong = Judgement(path, "dtype", note=dtypes)
        else:
            continue
        yield Block(case.name, path, "gradient", None, FORWARD, path, None, True, seed, wrong)


@dataclass(frozen=True)
class _Quantity:
    """A gradient `(1, …)` or an adjoint `(time, …)` of both backends."""

    path: str
    kind: str
    layer: int | None
    symbol: str
    got: np.ndarray
    expected: np.ndarray


def _copies(params: Params, batch: Batch) -> Any:
    return tree_map(np.copy, (params, batch))


def _as_numpy(result: LossAndGrads) -> Any:
    return tree_map(np.asarray, result)


def _quantities(got: Any, expected: Any) -> Iterator[_Quantity]:
    reported = leaves(got.adjoints)
    for path, array in leaves(expected.adjoints).items():
        yield _Quantity(path, "adjoint", *_place(path), reported[path], array)
    reported = leaves(got.grads)
    for path, array in leaves(expected.grads).items():
        yield _Quantity(path, "gradient", *_place(path), reported[path][None], array[None])
    yield _Quantity("loss", "forward", None, "loss", got.loss[None], expected.loss[None])
    states = (("initial_state", "gradient", "_grads"), ("final_state", "forward", ""))
    for field, kind, suffix in states:
        for name in ("h", "C"):
            ours, theirs = (getattr(getattr(r, field + suffix), name) for r in (got, expected))
            for k in range(len(theirs)):
                path, symbol = f"{field}.{name}.{k}", f"{field}.{name}"
                yield _Quantity(path, kind, k, symbol, ours[k][None], theirs[k][None])


def _place(path: str) -> tuple[int | None, str]:
    """Layer and symbol of a path like `layers.0.W_f`."""
    parts = path.split(".")
    return (int(parts[1]) if parts[0] == "layers" else None), parts[-1]


def _parts(quantity: _Quantity, terms: np.ndarray) -> Iterator[tuple[str, Any, Any, Any]]:
    """A gate's weights in two blocks, recurrent and input; everything else in one."""
    got, expected = quantity.got, quantity.expected
    if quantity.kind != "gradient" or quantity.symbol[:2] != "W_" or quantity.symbol == "W_v":
        yield "", got, expected, terms
        return
    hidden = expected.shape[1]
    for name, columns in (("[h]", slice(hidden)), ("[x]", slice(hidden, None))):
        yield name, got[:, :, columns], expected[:, :, columns], terms[:, :, columns]


def _judge(case: Case, seed: int, quantity: _Quantity, terms: Magnitude | None) -> Iterator[Block]:
    """Blocks of one quantity; without `terms`, its own size serves for the rounding to expect."""
    key = COMPUTED_BY[quantity.symbol]
    absolute_terms = np.abs(quantity.expected) if terms is None else terms.array
    absolute_terms = absolute_terms.reshape(quantity.expected.shape)
    for part, got, expected, absolute in _parts(quantity, absolute_terms):
        floors = FLOOR_ULPS * EPS * absolute.reshape(len(got), -1).max(axis=1)
        names = [_name(quantity, part, t) for t in range(len(got))]
        for t, judgement in enumerate(judge_rows(names, got, expected, floors)):
            time = t if quantity.kind == "adjoint" else None
            if _declared_zero(case, quantity.symbol, time) and judgement.status == "vacuous":
                judgement = replace(judgement, status="pass")
            yield Block(
                case.name, names[t], quantity.kind, quantity.layer, key, quantity.symbol,
                time, t == len(got) - 1, seed, judgement,
            )  # fmt: skip


def _declared_zero(case: Case, symbol: str, time: int | None) -> bool:
    """Without an initial state, C_{−1} = 0 and with it df and da_f of the first step (B8)."""
    return case.bare and time == 0 and symbol in ("f", "a_f")


def _name(quantity: _Quantity, part: str, t: int) -> str:
    if quantity.kind != "adjoint":
        return quantity.path + part
    head, _, symbol = quantity.path.rpartition(".")
    return f"{head}.d{symbol}[t={t}]" if head else f"d{symbol}[t={t}]"


def _with_locality(
    blocks: list[Block], quantities: list[_Quantity], own: Given, floors: dict[str, Magnitude]
) -> list[Block]:
    """Mark each failure local or inherited, by each equation on the subject's own adjoints."""
    with np.errstate(invalid="ignore", over="ignore"):  # their values may be no numbers
        values = {**adjoint_values(own), **gradient_values(own)}
    local: dict[str, bool] = {}
    case = Case("", "text", 1, 1, 1)
    for quantity in quantities:
        if quantity.kind == "forward":
            continue
        again = replace(quantity, expected=values[quantity.path].reshape(quantity.got.shape))
        for block in _judge(case, 0, again, floors[quantity.path]):
            local[block.block] = block.judgement.status in ("mismatch", "not finite")
    return [b if b.ok else replace(b, local=local.get(b.block, True)) for b in blocks]


def _worse(block: Block, other: Block) -> bool:
    if block.ok != other.ok:
        return not block.ok
    if block.local != other.local:
        return bool(block.local)
    return block.judgement.margin < other.judgement.margin
