"""One run in which every small change of every suspected statement is tried where it stands.

What a change would do to the returned gradients is known without running the rest, for a backward
pass is linear in its adjoints: the gradient of the returned gradients by each value (`Response`),
along random directions, times what the value changes by.
"""

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from gradparity.record.frontend.hooks import Hooks, Patch
from gradparity.record.frontend.source import Program, Slot
from gradparity.record.graph import Array
from gradparity.record.locate.atoms import Atom, atoms_of, is_value
from gradparity.record.locate.edits import Build, edited, variants
from gradparity.record.locate.expressions import Part, Reader
from gradparity.record.locate.purity import Purity
from gradparity.record.locate.response import Response

MOST_TURNS = 400


@dataclass
class Scene:
    """What is at hand where an expression stands; see `edits.variants`."""

    reader: Reader
    atoms: list[tuple[Atom, Any]]
    sizes: dict[str, float]
    functions: dict[str, Callable]
    slices: list[ast.Slice]
    whole: dict[str, int]

    def read(self, node: ast.expr) -> Any:
        """An expression's value here."""
        return self.reader.value(node)


@dataclass(eq=False)
class Trial:
    """A change of one slot's expression, and what it would do.

    Attributes:
        slot: whose expression.
        root: that expression as it is evaluated.
        target, build: the part that changes, and into what.
        key: tells changes of one slot apart.
        price: the smaller, the likelier.
        effect: on the directions of the returned gradients, summed over executions.
        turns: executions at which it could be evaluated.
        moved: whether it changed any value.
        prints: fingerprints of the slot's values under it.
    """

    slot: Slot
    root: ast.expr
    target: ast.AST
    build: Build
    key: tuple
    price: float
    effect: Array
    turns: int = 0
    moved: bool = False
    reshaped: bool = False
    prints: list[Array] = field(default_factory=list)

    def expression(self) -> ast.expr:
        """The whole expression, changed."""
        return edited(self.root, self.target, self.build)


class Prober(Hooks):
    """Tries changes while the subject runs.

    Args:
        program, files: of the subject.
        slots: numbers of those whose expressions are changed.
        response: of the returned gradients.
        pure: which functions can be called again.
    """

    def __init__(
        self,
        program: Program,
        files: frozenset[str],
        slots: Sequence[int],
        response: Response,
        pure: Purity,
        patches: Mapping[int, Patch],
    ) -> None:
        super().__init__(program, files, patches)
        self.response, self.pure = response, pure
        self.trials: dict[tuple[int, tuple], Trial] = {}
        self.turns: dict[int, int] = {}
        self.executions: dict[int, int] = {}
        self._atoms: dict[int, list[Atom]] = {}
        self._busy = False
        for number in slots:
            if program.slots[number].code is not None and number not in patches:
                self.keep[number] = False

    def e(self, number: int) -> Any:
        """Try all changes of a slot's expression here, then evaluate it as it stands."""
        import sys

        frame = sys._getframe(1)
        if not self._busy:
            self._busy = True
            try:
                self._try(self.program.slots[number], frame)
            finally:
                self._busy = False
        if number in self.patches:
            return self.patches[number].value(frame)
        return self.evaluated(number, frame)

    def _try(self, slot: Slot, frame: FrameType) -> None:
        turn = self.turns.get(slot.number, 0)
        self.turns[slot.number] = turn + 1
        seen = slot.after if slot.after is not None else slot.number
        along = self.response.along.get((seen, turn))
        if along is None or turn >= MOST_TURNS:
            return
        names = {**frame.f_globals, **frame.f_locals}
        reader = Reader(names, self.pure)
        expression = slot.expression
        if slot.after is not None:
            expression = self.program.slots[slot.after].expression
        root = reader.read(expression)
        scene = self._scene(slot, frame, names, reader)
        now = root.value
        if not is_value(now):
            if not root.is_opaque:
                return
            now = None
        self.executions[slot.number] = self.executions.get(slot.number, 0) + 1
        self._collect(slot, root, scene, now, along)

    def _scene(self, slot: Slot, frame: FrameType, names: Mapping, reader: Reader) -> Scene:
        scope = slot.statement.scope
        key = id(scope)
        if key not in self._atoms or not self._atoms[key]:
            given = {k: v for k, v in frame.f_globals.items() if is_value(v)}
            self._atoms[key] = atoms_of(scope, frame.f_locals, given)
        atoms = []
        for atom in self._atoms[key]:
            try:
                value = eval(atom.code, names)  # type: ignore[arg-type]
            except Exception:
                continue
            if is_value(value):
                atoms.append((atom, value))
        slices = [] if scope is None else [n for n in ast.walk(scope) if isinstance(n, ast.Slice)]
        whole = {
            k: int(v)
            for k, v in frame.f_locals.items()
            if isinstance(v, int | np.integer) and not isinstance(v, bool) and k.isidentifier()
        }
        return Scene(
            reader, atoms, _sizes(whole, frame.f_locals), self._functions(frame), slices, whole
        )

    def _functions(self, frame: FrameType) -> dict[str, Callable]:
        found = {}
        for name, value in frame.f_globals.items():
            if type(value) is FunctionType and self.pure(value):
                needed = [
                    p
                    for p in inspect.signature(value).parameters.values()
                    if p.default is p.empty
                ]
                if len(needed) == 1:
                    found[name] = value
        return found

    def _collect(self, slot: Slot, root: Part, scene: Scene, now: Any, along: Array) -> None:
        """Note what each change does here."""
        rows: list[Trial] = []
        values: list[Array] = []
        base = None if now is None else np.asarray(now, dtype=np.float64)
        shape = None if base is None else base.shape
        for part, new, key, price, build in variants(root, scene):
            whole = _whole(part, new)
            if whole is None:
                continue
            full = (id(part.node), key)
            trial = self.trials.get((slot.number, full))
            if trial is None:
                effect = np.zeros(self.response.directions)
                trial = Trial(slot, root.node, part.node, build, full, price, effect)  # type: ignore[arg-type]
                self.trials[slot.number, full] = trial
            if shape is None or whole.shape != shape:
                try:
                    fitted = np.broadcast_to(whole, shape) if shape is not None else None
                except ValueError:
                    fitted = None
                trial.reshaped = True
                if fitted is None or whole.size > (base.size if base is not None else 0):
                    trial.turns += 1
                    trial.moved = True
                    continue
                whole = fitted
            rows.append(trial)
            values.append(whole)
        if not rows or base is None:
            return
        stacked = np.array(values, dtype=np.float64).reshape(len(rows), -1)
        change = stacked - base.reshape(-1)
        with np.errstate(all="ignore"):
            effects = change @ along.T
            size = np.full(len(rows), float(stacked.shape[1]))
            square = stacked * stacked
            prints = np.stack(
                [size, stacked.sum(1), square.sum(1), (square * stacked).sum(1)], axis=1
            )
            moved = np.abs(change).max(axis=1) > 1e-12 * max(float(np.abs(base).max()), 1e-300)
        for row, trial in enumerate(rows):
            trial.effect += effects[row]
            trial.turns += 1
            trial.moved |= bool(moved[row])
            trial.prints.append(prints[row])


def _whole(part: Part, new: Any) -> Array | None:
    """The whole expression's value, if it is an array of finite numbers."""
    if isinstance(new, Exception):
        return None
    try:
        value = part.changed(new)
    except Exception:
        return None
    if not isinstance(value, np.ndarray | float | int | np.generic):
        return None
    found = np.asarray(value)
    if found.dtype.kind not in "fbiu":
        return None
    return found.astype(np.float64, copy=False)


def _sizes(whole: Mapping[str, int], names: Mapping[str, Any]) -> dict[str, float]:
    """Numbers that people scale by: counts that have names, lengths of arrays, 2 and 1/2."""
    found: dict[str, float] = {"2": 2.0}
    known = {2}
    for name, value in whole.items():
        if 1 < value < 10**6:
            found[name] = float(value)
            known.add(value)
    for name, value in names.items():
        if isinstance(value, np.ndarray) and name.isidentifier():
            for axis, length in enumerate(value.shape):
                if length > 1 and length not in known:
                    known.add(length)
                    found[f"{name}.shape[{axis}]"] = float(length)
        elif isinstance(value, list | tuple) and len(value) > 1 and len(value) not in known:
            known.add(len(value))
            found[f"len({name})"] = float(len(value))
    pairs = [(a, b) for a in list(found) for b in list(found) if a < b and a != "2" and b != "2"]
    for a, b in pairs[:6]:
        found[f"({a} * {b})"] = found[a] * found[b]
    return found
