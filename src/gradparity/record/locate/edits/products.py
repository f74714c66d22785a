"""A missing term or factor that is itself a product: tried when nothing simpler fits.

What a value lacks is the difference to something true. All products of two values and a local
derivative are held to all such differences at once, by two random sums over a few entries each.
"""

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from gradparity.record.graph.nodes import Array
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.atoms import is_value
from gradparity.record.locate.edits.change import Change, Scene, fits
from gradparity.record.locate.edits.expressions import Part

MOST_DIVISOR = 12
MOST = 44  # values of which products are made
ENTRIES = 64
CLOSE = 1e-8
MOST_FOUND, MOST_FACTORS = 12, 60  # products for each way of putting one in, and for a factor
Named = tuple[str, Any]

FORMS: tuple[tuple[str, Callable, float], ...] = (
    ("{a}", lambda a: a, 0.3),
    ("(1 - {a})", lambda a: 1 - a, 0.6),
    ("(1 + {a})", lambda a: 1 + a, 0.8),
    ("{a} * (1 - {a})", lambda a: a * (1 - a), 0.8),
    ("(1 - {a} ** 2)", lambda a: 1 - a * a, 0.8),
    ("({a} > 0)", lambda a: np.greater(a, 0) * 1.0, 0.8),
    ("{a} ** 2", lambda a: a * a, 0.8),
    ("1 / {a}", lambda a: np.divide(1.0, a), 0.6),
)
PRODUCT = 4.2  # price of a product of two values, less what its forms cost


@dataclass(frozen=True)
class Factor:
    """A value, or a simple function of one."""

    text: str
    run: Callable[[], Any]
    price: float


class Alphabet:
    """Products of values that have a shape together.

    Args:
        named: what is in scope.
        shape: of the product.
    """

    def __init__(self, named: Sequence[Named], shape: tuple[int, ...]) -> None:
        self.shape = shape
        rng = np.random.default_rng(0)
        size = int(np.prod(shape))
        self.entries = rng.permutation(size)[:ENTRIES]
        self._sums = rng.normal(size=(2, len(self.entries)))
        fitting = [(t, v) for t, v in named if fits(v, shape)][:MOST]
        self.firsts, first = self._rows([Factor("1", lambda: 1.0, 0.0)], fitting)
        self.lasts, self._last = self._rows([], fitting, FORMS)
        left, right = np.triu_indices(len(first))
        self._left, self._right = left, right
        self._pairs = first[left] * first[right]

    def _rows(
        self, given: list[Factor], named: Sequence[Named], forms: Sequence = FORMS[:1]
    ) -> tuple[list[Factor], Array]:
        factors = list(given)
        for text, value in named:
            for form, run, price in forms:
                factors.append(Factor(form.format(a=text), partial(run, value), price))
        with np.errstate(all="ignore"):
            rows = [self._at(f.run()) for f in factors]
        return factors, np.array(rows).reshape(len(rows), len(self.entries))

    def _at(self, value: Any) -> Array:
        whole = np.broadcast_to(np.asarray(value, dtype=np.float64), self.shape)
        return whole.reshape(-1)[self.entries]

    def matching(
        self, wanted: Array, times: Any = None, most: int = MOST_FOUND
    ) -> Iterator[tuple[str, Callable[[], Any], float]]:
        """Products that, times something, are among `(many, *shape)` wanted arrays."""
        if not len(wanted) or not len(self._last):
            return
        flat = wanted.reshape(len(wanted), -1)[:, self.entries]
        flat_two, order, ordered = self._alone if times is None else self._summed(times)
        aims = flat @ self._sums.T
        scale = CLOSE * (np.abs(flat) @ np.abs(self._sums).T) + 1e-300
        low = np.searchsorted(ordered, aims[:, 0] - scale[:, 0])
        high = np.searchsorted(ordered, aims[:, 0] + scale[:, 0])
        found: dict[int, None] = {}
        for k in np.flatnonzero(high > low):
            for place in order[low[k] : high[k]]:
                if abs(flat_two[place] - aims[k, 1]) <= scale[k, 1]:
                    found[int(place)] = None
        made = [self._product(place) for place in found]
        yield from sorted(made, key=lambda m: (m[2], len(m[0])))[:most]

    @cached_property
    def _alone(self) -> tuple[Array, Array, Array]:
        return self._summed(1.0)

    def _summed(self, times: Any) -> tuple[Array, Array, Array]:
        """One random sum of every product, the order of the other, and that in order."""
        rows = self._pairs * self._at(times)
        with np.errstate(all="ignore"):
            one, two = ((rows * s) @ self._last.T for s in self._sums)
        order = np.argsort(one.reshape(-1))
        return two.reshape(-1), order, one.reshape(-1)[order]

    def _product(self, place: int) -> tuple[str, Callable[[], Any], float]:
        pair, last = divmod(place, len(self.lasts))
        chosen = [self.firsts[self._left[pair]], self.firsts[self._right[pair]], self.lasts[last]]
        chosen = [f for f in chosen if f.text != "1"]
        text = " * ".join(f.text for f in chosen)

        def run() -> Any:
            return np.prod(np.broadcast_arrays(*[f.run() for f in chosen]), axis=0)

        price = PRODUCT + sum(f.price for f in chosen) if len(chosen) > 1 else 3.8 + chosen[0].price
        return text.replace("* 1 /", "/"), run, price


def products(root: Part, scene: Scene) -> Iterator[tuple[tuple[Part, ...], Change]]:
    """The expression with a product added, taken away, multiplied by, or put in for a term."""
    shape, value = np.shape(root.value), root.value
    known = scene.true(shape)
    if not len(known) or not is_value(value):
        return
    named = [
        (atom.text, found)
        for atom, found in scene.atoms
        if _real(found)
        and (isinstance(atom.node, ast.Name) or atom.text not in scene.zeros | {scene.bound})
    ]
    alphabet = Alphabet(named, shape)
    if shape == ():
        for text, run, price in _summed(named, known):
            yield (root,), Change(run, ("instead", text), price, _just(text))
    lacking = known - value
    last = root.parts[1] if scene.in_place and len(root.parts) == 2 else root
    for wanted, op in ((lacking, ast.Add()), (-lacking, ast.Sub())):
        for text, run, price in alphabet.matching(wanted):
            yield (last,), _put(last, op, text, run, price)
        for text, run, price in matrix_wanted(named, shape, wanted):
            yield (last,), _put(last, op, text, run, price)
    for text, run, price in _scaled(named, lacking):
        yield (last,), _put(last, ast.Add(), text, run, price)
    for term, sign in _terms(root):
        if np.shape(term.value) != shape or isinstance(term.node, ast.Constant):
            continue
        aims = sign * lacking + term.value
        yield from _in_factors(term, aims, named, alphabet)
        for text, run, price in alphabet.matching(aims, term.value):
            yield (term,), _put(term, ast.Mult(), text, run, price)
        if term is root and _is_large(term.node):
            continue  # not the slip of one who wrote so much
        for text, run, price in alphabet.matching(aims):
            yield (term,), Change(run, ("instead", text), price + 0.4, _just(text))
        for text, run, price in matrix_wanted(named, shape, aims):
            yield (term,), Change(run, ("instead", text), price + 0.4, _just(text))


def _summed(
    named: Sequence[Named], wanted: Array
) -> Iterator[tuple[str, Callable[[], Any], float]]:
    """Sums over all entries of a product of two arrays that are wanted."""
    arrays = [(text, value) for text, value in named if np.ndim(value)][:MOST]
    for (left, a), (right, b) in combinations_with_replacement(arrays, 2):
        if np.shape(a) == np.shape(b):
            total = float(np.vdot(a, b))
            if (np.abs(wanted - total) <= CLOSE * np.abs(wanted)).any():
                yield f"np.sum({left} * {right})", partial(np.vdot, a, b), PRODUCT


def _scaled(
    named: Sequence[Named], wanted: Array
) -> Iterator[tuple[str, Callable[[], Any], float]]:
    """Values times a plain number that are wanted, as `h / 6 * g` is: by two random sums."""
    shape = wanted.shape[1:]
    arrays = [(t, v) for t, v in named if np.shape(v) == shape and np.any(v)][:MOST]
    if not arrays or not shape:
        return
    sums = np.random.default_rng(0).normal(size=(2, int(np.prod(shape))))
    scalars = [("1", 1.0), *((t, float(v)) for t, v in named if np.ndim(v) == 0 and v)]
    aims = wanted.reshape(len(wanted), -1) @ sums.T
    for text, value in arrays:
        one, two = (np.asarray(value).reshape(-1) @ s for s in sums)
        with np.errstate(all="ignore"):
            ratios = aims[:, 0] / one
        for k in np.flatnonzero(np.abs(aims[:, 1] - ratios * two) <= CLOSE * np.abs(aims[:, 1])):
            factor = _plain(float(ratios[k]), scalars)
            if factor is not None and np.allclose(ratios[k] * value, wanted[k], rtol=1e-7):
                yield f"{factor} * {text}", partial(np.multiply, ratios[k], value), PRODUCT


def _plain(ratio: float, scalars: Sequence[tuple[str, float]]) -> str | None:
    """A number as a fraction of small ones, times one that has a name."""
    for name, value in scalars:
        for divisor in range(1, MOST_DIVISOR + 1):
            times = ratio / value * divisor
            if round(times) and abs(round(times)) <= divisor and abs(times - round(times)) < CLOSE:
                first = str(round(times)) if name == "1" else f"{round(times)} * {name}"
                text = first.removeprefix("1 * ")
                return text if divisor == 1 else f"{text} / {divisor}"
    return None


def _in_factors(
    term: Part, aims: Array, named: list[Named], alphabet: Alphabet
) -> Iterator[tuple[tuple[Part, ...], Change]]:
    """Another factor in a product, or a product beside the first: `(dh + dv @ W.T) * (1 - h²)`."""
    factors = _factors(term)
    for place, part in enumerate(factors):
        others = np.prod(
            np.broadcast_arrays(*[f.value for f in factors if f is not part], np.ones(())), axis=0
        )
        if len(factors) < 2 or np.shape(part.value) != alphabet.shape or not np.all(others):
            continue
        wanted = aims / others
        for text, run, price in alphabet.matching(wanted, most=MOST_FACTORS):
            yield (part,), Change(run, ("instead", text), price + 0.4, _just(text))
        if place == 0:
            lacking = wanted - part.value
            for text, run, price in alphabet.matching(lacking):
                yield (part,), _put(part, ast.Add(), text, run, price)
            for text, run, price in matrix_wanted(named, alphabet.shape, lacking):
                yield (part,), _put(part, ast.Add(), text, run, price)


def _factors(part: Part) -> list[Part]:
    """The factors of a product; what is no product is one factor."""
    if isinstance(part.node, ast.BinOp) and isinstance(part.node.op, ast.Mult):
        return [*_factors(part.parts[0]), *_factors(part.parts[1])]
    return [part]


def _put(part: Part, op: ast.operator, text: str, run: Callable, price: float) -> Change:
    operate = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}[type(op)]
    return Change(
        lambda: operate(part.value, run()), ("product", type(op).__name__, text), price,
        lambda n: ast.BinOp(n, op, write.expression(text)),
    )  # fmt: skip


def _just(text: str) -> Callable[..., ast.expr]:
    return lambda _: write.expression(text)


def _terms(part: Part, sign: float = 1.0) -> Iterator[tuple[Part, float]]:
    """The terms of a sum with their signs; what is no sum is one term."""
    node = part.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(part.parts[0], sign)
        yield from _terms(part.parts[1], sign if isinstance(node.op, ast.Add) else -sign)
    elif is_value(part.value):
        yield part, sign


def _is_large(node: ast.AST) -> bool:
    return sum(isinstance(n, ast.BinOp | ast.Call) for n in ast.walk(node)) > 3


def matrix_wanted(
    named: list[Named], shape: tuple[int, ...], wanted: Array
) -> Iterator[tuple[str, Callable[[], Any], float]]:
    """Products of two matrices that are wanted; the sum over a product is one of two vectors."""
    if len(shape) < 2:
        return
    totals = wanted.reshape(len(wanted), -1).sum(1)
    scale = CLOSE * np.abs(wanted).reshape(len(wanted), -1).sum(1) + 1e-300
    for left, right, text, run, price in matrix_products(named[:MOST], shape):
        total = float((left * right).sum())
        for k in np.flatnonzero(np.abs(totals - total) <= scale):
            made = run()
            if np.allclose(made, wanted[k], rtol=1e-7, atol=1e-9 * np.abs(made).max()):
                yield text, run, price
                break


def _real(value: Any) -> bool:
    return np.asarray(value).dtype.kind == "f"


def matrix_products(
    named: Sequence[Named], shape: tuple[int, ...]
) -> Iterator[tuple[Array, Array, str, Callable[[], Any], float]]:
    """Products of two matrices, each as it is or transposed, and of two vectors.

    Yields:
        Two arrays whose product's entries add up to the product's; its text, value and price.
    """
    if len(shape) < 2:
        return
    sides = [side for text, value in named for side in _sides(text, value)]
    rights: dict[int, list[tuple[str, Any, Array]]] = defaultdict(list)
    for text, value in sides:
        if value.shape[-1] == shape[-1]:
            rights[value.shape[-2]].append((text, value, value.sum(-1)))
    for left, a in sides:
        if a.shape[-2] != shape[-2]:
            continue
        down = a.sum(-2)
        for right, b, across in rights[a.shape[-1]]:
            if left.endswith(".T") and right.endswith(".T"):
                continue
            if _spread(a.shape[:-2], b.shape[:-2]) == shape[:-2]:
                yield down, across, f"{left} @ {right}", partial(np.matmul, a, b), 4.6
    vectors = [(t, v) for t, v in named if np.ndim(v) == 1]
    for left, a in vectors:
        for right, b in vectors:
            if (a.size, b.size) == shape:
                text = f"np.outer({left}, {right})"
                yield a.sum(), b.sum(), text, partial(np.outer, a, b), 4.6


def _sides(text: str, value: Any) -> Iterator[Named]:
    if np.ndim(value) == 2:
        yield text, value
        yield f"{text}.T", value.T
    elif np.ndim(value) > 2:
        yield text, value
        yield f"{text}.swapaxes(-1, -2)", value.swapaxes(-1, -2)


def _spread(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of two arrays together."""
    if left == right:
        return left
    try:
        return np.broadcast_shapes(left, right)
    except ValueError:
        return None
