"""Which pieces of a product are quickest on this machine: tried, in turns."""

import time
from collections.abc import Callable
from itertools import cycle
from itertools import product as pairs

import numpy as np

from manual.fast import pieces
from manual.fast.pieces import Factor, Piece
from manual.fast.products import Pieces, Product

BUDGET = 0.4  # seconds of trying for a factor
ROUNDS = 20  # turns of a candidate, at most
TURN = 5e-4  # seconds of a turn, about; or one step, if that takes longer
HOPELESS = 1.3  # times the quickest so far: such a candidate gets no other turn
GAIN = 1.04  # times as fast as by rule, at least, or the rule stands
STEPS = 16  # whose memory the turns go through
ROWS, COLUMNS = (8, 32), (32, 64, 128, 256)  # and all of them


def quickest(batch: int, factor: Factor, dtype: np.dtype) -> tuple[Piece, float]:
    """The best piece for four gates' products of `(batch, inner)` and the factor.

    The rule's own, and 1, unless another was GAIN times as fast both at its best and in the middle
    of its turns: a machine's speed wavers, and turns of all candidates alternate.
    """
    rule = pieces.by_rule(batch, factor)
    found = candidates(batch, factor)
    times: dict[Piece, list[float]] = {piece: [] for piece in [rule, *found]}
    runs = _runs(batch, factor, dtype, list(times))
    end = time.perf_counter() + BUDGET
    often = _often(runs[rule])
    for _ in range(ROUNDS):
        for piece, run in runs.items():
            times[piece].append(_seconds(run, often))
        best = min(min(turns) for turns in times.values() if turns)
        hopeless = [p for p in runs if p != rule and min(times[p]) > HOPELESS * best]
        for piece in hopeless:
            del runs[piece]
        if time.perf_counter() > end:
            break
    piece = min(runs, key=lambda p: float(np.median(times[p])))
    gain = min(float(by(times[rule]) / by(times[piece])) for by in (min, np.median))
    return (piece, gain) if gain >= GAIN else (rule, 1.0)


def candidates(batch: int, factor: Factor) -> list[Piece]:
    """Pieces that divide the product evenly."""
    rows = [n for n in {*ROWS, batch} if batch % n == 0]
    columns = [n for n in {*COLUMNS, factor.columns} if factor.columns % n == 0]
    return [Piece(*pair) for pair in sorted(pairs(rows, columns))]


def _runs(
    batch: int, factor: Factor, dtype: np.dtype, tried: list[Piece]
) -> dict[Piece, Callable[[], object]]:
    """The products of a step up and back in each of those pieces, all in the same memory."""
    weights = np.full(4 * factor.inner * factor.columns, 0.5, dtype)
    z = np.full((STEPS, batch, factor.inner), 0.5, dtype)
    a, da = (  # as `memory.Steps` lies
        np.full((STEPS, 6, batch, width), 0.5, dtype)[:, 1:5]
        for width in (factor.columns, factor.inner)
    )
    dz = np.empty((4, batch, factor.columns), dtype)

    def run(piece: Piece) -> Callable[[], object]:
        cut: dict[Factor, Piece] = {factor: piece}
        up: Product = Pieces(batch, *factor, sums=False, measured=cut)
        back: Product = Pieces(batch, *factor, sums=True, measured=cut)
        W = weights.reshape(up.new_weights(dtype).shape)
        steps = cycle([(up.of_z(z[t]), up.of_out(a[t]), back.of_z(da[t])) for t in range(STEPS)])
        out = back.of_out(dz)

        def both() -> None:
            of_z, of_a, of_da = next(steps)
            up.multiply(of_z, W, out=of_a)
            back.multiply(of_da, W, out=out)

        return both

    return {piece: run(piece) for piece in tried}


def _often(run: Callable[[], object]) -> int:
    """How many steps make a turn."""
    _seconds(run, 1)
    return max(1, int(TURN / _seconds(run, 1)))


def _seconds(run: Callable[[], object], often: int) -> float:
    """Of so many steps."""
    start = time.perf_counter()
    for _ in range(often):
        run()
    return time.perf_counter() - start
