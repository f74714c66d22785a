"""What an operand would have to be: products and sums of what is at hand, by their effect.

The gradients are linear in every value of the backward pass, and most values are linear in their
operands. So all products of two values in an operand's place are held at once to what the gradients
lack, over all executions, by two random sums of them. No table of true quantities is asked.
"""

import ast
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from types import FrameType
from typing import Any

import numpy as np

from gradparity.record.frontend.source import Slot
from gradparity.record.graph.nodes import Array
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.atoms import is_value
from gradparity.record.locate.edits.change import Change, Scene, fits, in_brackets, is_option
from gradparity.record.locate.edits.expressions import Part
from gradparity.record.locate.edits.operands import WITH_AXES
from gradparity.record.locate.edits.products import FORMS, matrix_products
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.trials.probe import Prober, Trial
from gradparity.record.locate.trials.pull import pulled

CLOSE = 1e-6
MOST_FIRST, MOST_LAST = 60, 800  # values of which products are made
MOST_MULTIPLIED = 16
MOST_SUMMED = 8  # arrays of one shape whose products are summed
MOST_TURNS, MOST_ENTRIES = 40, 4000
MOST_SIZES, MOST_AIMS, MOST_EACH = 6, 4, 8
MOST_FOUND = 12  # products for each way of putting one in
FOR_NAME, PARTLY = 0.6, 1.0  # what it costs more in a name's place, and for one gradient alone
ALONE, PRODUCT, TIMES = 3.6, 4.2, 4.6  # prices of one value, of two, and of two more factors
Named = tuple[str, float, Array]


@dataclass
class Sums:
    """Random sums of all products in an operand's place, over the executions so far.

    Attributes:
        part: the operand, as it was first seen.
        root: of the expression.
        slot: of it.
        texts: of the products' factors, with their prices.
        sizes: numbers that a product may be divided by, by their names.
        instead, times: `(sums, first, last)` with the product in its place, and with it beside.
        now: `(sums,)` with the operand as it is.
        turns: executions.
    """

    part: Part
    root: Part
    slot: Slot
    texts: tuple[list[tuple[str, float]], list[tuple[str, float]]]
    sizes: Mapping[str, float]
    instead: Array
    times: Array
    now: Array
    turns: int = 1


@dataclass(frozen=True)
class Aim:
    """A way to weigh the gradients' directions, and what they lack so."""

    weights: Array
    lacking: Array


def aims_of(scenery: Scenery, wrong: Sequence[Any]) -> list[Aim]:
    """All gradients together, and each wrong one on its own."""
    response = scenery.response
    rng = np.random.default_rng(1)
    owners = response.owners[: response.judged]
    groups: list[list[bool]] = [[True] * len(owners)]
    if len(wrong) > 1:
        groups += [[owner == path for owner in owners] for path in wrong[:MOST_AIMS]]
    found = []
    for group in groups:
        weights = rng.normal(size=(2, len(owners))) * np.array(group)
        if np.any(weights):
            found.append(Aim(weights, weights @ response.wanted))
    return found


class Solver(Prober):
    """Adds up, in a run, what products in the operands' places would do to the gradients."""

    scenery: Scenery
    aims: list[Aim]

    def asked(self, scenery: Scenery, aims: list[Aim]) -> "Solver":
        """Itself, with what is wanted.

        Args:
            scenery: of the version.
            aims: what the gradients lack.
        """
        self.scenery, self.aims = scenery, aims
        self.sums: dict[tuple[int, int], Sums] = {}
        self.lost: set[tuple[int, int]] = set()
        self.texts: dict[int, frozenset[str]] = {}
        return self

    def _try(self, slot: Slot, turn: int, frame: FrameType) -> None:
        along = self.scenery.response.along.get((slot.place, turn))
        if along is None or along.shape[1] > MOST_ENTRIES:
            return
        root, scene = self._read(slot, frame)
        if not is_value(root.value) or np.size(root.value) != along.shape[1]:
            return
        weights = np.concatenate([aim.weights for aim in self.aims])
        rows = weights @ along[: self.scenery.response.judged]
        rows = rows.reshape(len(rows), *np.shape(root.value))
        parts = [root, *root.parts[1].all()] if scene.in_place else list(root.all())
        factors: dict[tuple[int, ...], Factors] = {}
        if slot.number not in self.texts:
            self.texts[slot.number] = distinct(scene)
        texts = self.texts[slot.number]
        for position, part in enumerate(parts):
            along = _pulled_to(part, rows)
            if along is None:
                continue
            shape = along.shape[1:]
            if shape not in factors:
                factors[shape] = Factors(*factors_of(scene, texts, root, shape), shape)
            if len(factors[shape].right):
                made = _sums(part, root, slot, scene, along, factors[shape])
                self._sum((slot.number, position), made)

    def _sum(self, key: tuple[int, int], new: Sums) -> None:
        old = self.sums.get(key)
        if old is None:
            self.sums[key] = new
        elif old.texts == new.texts:
            old.instead += new.instead
            old.times += new.times
            old.now += new.now
            old.turns += 1
        else:
            self.lost.add(key)

    def found(self) -> list[Trial]:
        """Changes that do what is wanted, the likeliest first."""
        trials: list[Trial] = []
        for key, sums in self.sums.items():
            acting = sum(p == sums.slot.place for p, _ in self.scenery.response.along)
            if key not in self.lost and sums.turns == acting:
                for number, aim in enumerate(self.aims):
                    rows = slice(2 * number, 2 * number + 2)
                    trials += self._matching(sums, aim, rows, PARTLY if number else 0.0)
        chosen: dict[int, list[Trial]] = defaultdict(list)
        for trial in sorted(trials, key=lambda t: t.price):
            if len(chosen[trial.slot.number]) < MOST_EACH:
                chosen[trial.slot.number].append(trial)
        return sorted((t for group in chosen.values() for t in group), key=lambda t: t.price)

    def _matching(self, sums: Sums, aim: Aim, rows: slice, extra: float) -> Iterator[Trial]:
        if (np.abs(aim.lacking) <= 1e-12).all():
            return
        now, own = sums.now[rows], {ast.unparse(p.node) for p in sums.root.all()}
        ways = (
            ("instead", sums.instead[rows], aim.lacking + now, _of_name(sums.part)),
            ("Add", sums.instead[rows], aim.lacking, 0.0),
            ("Mult", sums.times[rows], aim.lacking + now, TIMES - PRODUCT),
        )
        for way, made, aims, more in ways:
            found = []
            for times, price, form in _multiples(sums.sizes):
                close = np.abs(made * times - aims[:, None, None])
                fine = (close <= CLOSE * np.abs(aims).max()).all(0)
                for a, b in np.argwhere(fine)[: 4 * MOST_FOUND]:
                    (one, p), (two, q) = sums.texts[0][a], sums.texts[1][b]
                    if way == "Add" and one == "1" and two.strip("()") in own:
                        continue  # it would cancel what is there
                    base = ALONE if one == "1" else PRODUCT
                    found.append(
                        (base + p + q + price + more + extra, form.format(_text(one, two)))
                    )
            found.sort(key=lambda f: (f[0], len(f[1])))
            for price, text in found[:MOST_FOUND]:
                yield _trial(sums, self.expression(sums.slot), way, text, price)


def _pulled_to(part: Part, rows: Array) -> Array | None:
    """What the gradients are sensitive to in an operand's place; None where it is none."""
    if not _is_operand(part):
        return None
    with np.errstate(all="ignore"):
        along = pulled(part, rows)
    if along is None or not np.isfinite(along).all() or along[0].size > MOST_ENTRIES:
        return None
    return along


def _sums(
    part: Part, root: Part, slot: Slot, scene: Scene, along: Array, factors: "Factors"
) -> Sums:
    """Those of one execution."""
    left, right = factors.left, factors.right.T
    flat = along.reshape(len(along), -1)
    own = np.broadcast_to(part.value, factors.shape).reshape(-1)
    instead = np.array([(left * row) @ right for row in flat])
    times = np.array([(left * (row * own)) @ right for row in flat])
    return Sums(part, root, slot, factors.texts, scene.sizes, instead, times, flat @ own)


class Factors:
    """Values of which products are made, as the rows of two matrices.

    Args:
        first, last: texts, prices and values.
        shape: that they have together.
    """

    def __init__(
        self, first: Sequence[Named], last: Sequence[Named], shape: tuple[int, ...]
    ) -> None:
        self.shape = shape
        self.left, self.right = (_matrix(factors, shape) for factors in (first, last))
        self.texts = [f[:2] for f in first], [f[:2] for f in last]


def _of_name(part: Part) -> float:
    """What a product in a name's place costs more: the name holds what was to be computed."""
    return FOR_NAME if isinstance(part.node, ast.Name) else 0.0


def _is_operand(part: Part) -> bool:
    if in_brackets(part) or is_option(part) or part.is_opaque:
        return False
    value = part.value
    return is_value(value) or (isinstance(value, int) and not isinstance(value, bool))


def distinct(scene: Scene) -> frozenset[str]:
    """Of names of the same value one each."""
    texts: dict[tuple, str] = {}
    for atom, value in scene.atoms:
        if np.asarray(value).dtype.kind == "f":
            texts.setdefault((np.shape(value), np.asarray(value).tobytes()), atom.text)
    return frozenset(texts.values())


def factors_of(
    scene: Scene, texts: Collection[str], root: Part, shape: tuple[int, ...]
) -> tuple[list[Named], list[Named]]:
    """What products are made of: values that fit a shape, functions and sums of them."""
    named = {a.text: v for a, v in scene.atoms if a.text in texts}
    own = {ast.unparse(p.node): p.value for p in root.all() if is_value(p.value) and p is not root}
    computed = {t: v for t, v in own.items() if t not in named and np.ndim(v)}
    plain = [(t, 0.0, v) for t, v in named.items() if fits(v, shape)]
    plain += [(f"({t})", 0.3, v) for t, v in computed.items() if fits(v, shape)]
    plain += list(_oriented(named, shape))
    first = [("1", 0.0, np.ones(())), *plain[:MOST_FIRST]]
    last = list(plain)
    for text, price, value in plain[:MOST_FIRST]:
        with np.errstate(all="ignore"):
            last += [(f.format(a=text), price + p, run(value)) for f, run, p in FORMS[1:]]
    last += [*_differences(named, shape), *_summed(named, shape), *_multiplied(named, shape)]
    return first, [f for f in last if np.isfinite(f[2]).all()][:MOST_LAST]


def _oriented(named: Mapping[str, Any], shape: tuple[int, ...]) -> Iterator[Named]:
    for text, value in named.items():
        if 0 < np.ndim(value) < len(shape) and not fits(value, shape):
            for end, index in WITH_AXES:
                if fits(value[index], shape):
                    yield text + end, 0.4, value[index]
                    break


def _summed(named: Mapping[str, Any], shape: tuple[int, ...]) -> Iterator[Named]:
    """Sums of values and of products of two, along an axis that is kept."""
    alike: dict[tuple[int, ...], list[tuple[str, Array]]] = defaultdict(list)
    for text, value in named.items():
        if np.ndim(value) == len(shape) and len(shape):
            alike[np.shape(value)].append((text, value))
    for own, group in alike.items():
        for k, (text, value) in enumerate(group[:MOST_SUMMED]):
            pairs = [(text, value, 0.4)]
            pairs += [(f"{text} * {t}", value * v, 0.6) for t, v in group[k:MOST_SUMMED]]
            for inner, made, price in pairs:
                for axis in range(len(own)):
                    total = made.sum(axis, keepdims=True)
                    if own[axis] > 1 and fits(total, shape):
                        yield f"np.sum({inner}, axis={axis}, keepdims=True)", price, total
                        mean = total / own[axis]
                        yield f"np.mean({inner}, axis={axis}, keepdims=True)", price, mean


def _differences(named: Mapping[str, Any], shape: tuple[int, ...]) -> Iterator[Named]:
    whole = [(t, v) for t, v in named.items() if np.shape(v) == shape and shape]
    for (one, a), (two, b) in permutations(whole[: 2 * MOST_SUMMED], 2):
        yield f"({one} - {two})", 0.6, a - b


def _multiplied(named: Mapping[str, Any], shape: tuple[int, ...]) -> Iterator[Named]:
    """Products of matrices, and of a matrix and a vector."""
    real = [(t, v) for t, v in named.items() if np.ndim(v) > 0]
    for _, _, text, run, _ in islice(matrix_products(real[:MOST_MULTIPLIED], shape), MOST_LAST):
        yield f"({text})", 0.6, run()
    if len(shape) != 1:
        return
    vectors = [(t, v) for t, v in real if np.ndim(v) == 1]
    for text, matrix in [(t, v) for t, v in real if np.ndim(v) == 2][:MOST_MULTIPLIED]:
        for other, vector in vectors:
            if matrix.shape == (*shape, vector.size):
                yield f"({text} @ {other})", 0.6, matrix @ vector
            if matrix.shape == (vector.size, *shape):
                yield f"({text}.T @ {other})", 0.6, matrix.T @ vector


def _matrix(factors: Sequence[Named], shape: tuple[int, ...]) -> Array:
    rows = [np.broadcast_to(value, shape).reshape(-1) for _, _, value in factors]
    return np.array(rows, dtype=np.float64)


def _multiples(sizes: Mapping[str, float]) -> list[tuple[float, float, str]]:
    """Numbers that a product may be times, what they cost, and how that is written."""
    found = [
        (1.0, 0.0, "{}"), (-1.0, 0.2, "-({})"), (2.0, 0.5, "2 * {}"), (0.5, 0.5, "0.5 * {}"),
        (-2.0, 0.7, "-2 * {}"), (-0.5, 0.7, "-0.5 * {}"),
    ]  # fmt: skip
    for name, size in [(n, s) for n, s in sizes.items() if n.isidentifier()][:MOST_SIZES]:
        for times, sign in ((1, ""), (-1, "-"), (2, "2 * "), (-2, "-2 * ")):
            found.append((times / size, 0.8, f"{sign}{{}} / {name}"))
    return found


def _text(one: str, two: str) -> str:
    return two if one == "1" else f"{one} * {two}"


def _trial(sums: Sums, expression: ast.expr, way: str, text: str, price: float) -> Trial:
    """A change that is only ever run with the whole subject, never by its value."""
    text = text.replace("* 1 /", "/")
    operators: dict[str, ast.operator] = {"Add": ast.Add(), "Mult": ast.Mult()}
    new = write.expression(text)
    text = ast.unparse(new)
    if way == "instead":
        key: tuple = ("instead", text)
        change = Change(lambda: None, key, price, write.just(new))
    else:
        key = ("product", way, text)
        change = Change(lambda: None, key, price, write.combined(operators[way], new))
    return Trial(sums.slot, expression, (sums.part.node,), change)
