"""A run in which small changes of the statements' expressions are tried where they stand."""

import ast
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from gradparity.record.frontend.hooks import Hooks, Patch
from gradparity.record.frontend.source import Program, Slot, Statement, with_calls_hooked
from gradparity.record.graph.nodes import Array
from gradparity.record.locate import clock
from gradparity.record.locate.edits import Scene, tried
from gradparity.record.locate.edits.atoms import Atom, atoms_of, is_value
from gradparity.record.locate.edits.change import Change, number_like
from gradparity.record.locate.edits.expressions import Part, Reader
from gradparity.record.locate.edits.indices import slices_of
from gradparity.record.locate.edits.purity import Purity
from gradparity.record.locate.edits.write import edited
from gradparity.record.locate.known.recognise import Table

SIMPLER = ("only", "only -right", "no call", "no method", "no index", "no T", "size")


@dataclass(eq=False)
class Trial:
    """A change of a slot's expression.

    Attributes:
        slot: whose expression.
        root: that expression as it is evaluated.
        targets: the parts that change.
        change: into what.
        values: by turn, the expression's value, of the slot's shape.
        reshaped: by turn, the value where it is of another shape.
    """

    slot: Slot
    root: ast.expr
    targets: tuple[ast.AST, ...]
    change: Change
    values: dict[int, Array] = field(default_factory=dict)
    reshaped: dict[int, Array] = field(default_factory=dict)

    @property
    def statement(self) -> Statement:
        """Where it stands."""
        return self.slot.statement

    @property
    def price(self) -> float:
        """The smaller, the likelier."""
        return self.change.price

    @property
    def simplifies(self) -> bool:
        """Whether it only drops something, or puts a number for it."""
        key = self.change.key
        key = key[1:] if key[0] == "everywhere" else key
        return key[0] in SIMPLER or key[:2] == ("constant", 0)

    @property
    def adds(self) -> bool:
        """Whether it adds a term."""
        kind, *rest = self.change.key
        return kind in ("plus", "minus") or (kind == "product" and rest[0] in ("Add", "Sub"))

    @property
    def key(self) -> tuple:
        """Tells changes of a slot apart."""
        return (*map(id, self.targets), *self.change.key)

    def expression(self) -> ast.expr:
        """The whole expression, changed."""
        return edited(self.root, self.targets, self.change.build)

    @cached_property
    def patch(self) -> Patch:
        """As hooks take it."""
        slot, file = self.slot, self.slot.statement.file
        code = with_calls_hooked(self.expression(), file)
        if slot.after is None:
            return Patch(code)
        assert isinstance(slot.statement.node, ast.AugAssign)
        assert isinstance(self.root, ast.BinOp)
        operator = type(slot.statement.node.op).__name__
        return Patch(code, with_calls_hooked(self.root.left, file), operator)


class Prober(Hooks):
    """Tries changes while the subject runs.

    Args:
        program, files: of the subject.
        turns: by slot, the executions at which its expression is changed.
        pure: which functions can be called again.
        patches, codes: of the run.
        until: the time, of `clock.now`, after which nothing more is tried.
        kind: which changes are tried: "slips", what is "missing", both as "small", or "deep".
        table: true quantities.
    """

    def __init__(
        self,
        program: Program,
        files: frozenset[str],
        turns: Mapping[int, frozenset[int]],
        pure: Purity,
        patches: Mapping[int, Patch],
        codes: Mapping[CodeType, CodeType],
        until: float,
        kind: str,
        table: Table,
    ) -> None:
        super().__init__(program, files, patches, codes)
        self.wanted, self.pure, self.until, self.kind = turns, pure, until, kind
        self.table = table
        self.trials: dict[int, dict[tuple, Trial]] = defaultdict(dict)
        self.now: dict[tuple[int, int], Array] = {}
        self._turns: dict[int, int] = defaultdict(int)
        self._atoms: dict[int, list[Atom]] = {}
        self._busy = False
        self.failures = 0
        self.look_into(turns)

    def e(self, number: int) -> Any:
        """Try changes of a slot's expression here, then evaluate it as it stands."""
        frame = sys._getframe(1)
        if number in self.patches:
            return self.patches[number].value(frame)
        if not self._busy:
            turn = self._turns[number]
            self._turns[number] += 1
            if turn in self.wanted[number] and clock.now() < self.until:
                self._busy = True
                try:
                    self._try(self.program.slots[number], turn, frame)
                finally:
                    self._busy = False
        return self.evaluated(number, frame)

    def _try(self, slot: Slot, turn: int, frame: FrameType) -> None:
        root, scene = self._read(slot, frame)
        if not number_like(root.value):
            return
        base = np.asarray(root.value, dtype=np.float64)
        self.now[slot.number, turn] = base
        try:
            for parts, change in tried(self.kind, root, scene):
                key = (*(id(p.node) for p in parts), *change.key)
                self._note(slot, parts, change, key, turn, base)
        except Exception:  # a stranger's objects may raise anything when they are looked at
            self.failures += 1

    def _read(self, slot: Slot, frame: FrameType) -> tuple[Part, Scene]:
        """A slot's expression with the values of its parts, and what is at hand there."""
        local = local_names(slot, frame)
        names = {**frame.f_globals, **local}
        reader = Reader(names, self.pure)
        scene = self._scene(slot, frame, names, local, reader)
        return reader.read(self.expression(slot)), scene

    def expression(self, slot: Slot) -> ast.expr:
        """What is changed at a slot: of an addend all that the assignment in place makes."""
        return slot.expression if slot.after is None else self.program.slots[slot.after].expression

    def _note(
        self, slot: Slot, parts: tuple[Part, ...], change: Change, key: tuple,
        turn: int, base: Array,
    ) -> None:  # fmt: skip
        value = _whole(parts, change)
        if value is None:
            return
        known = self.trials[slot.number]
        if key not in known:
            targets = tuple(p.node for p in parts)
            known[key] = Trial(slot, self.expression(slot), targets, change)
        if value.shape == base.shape:
            known[key].values[turn] = value
        else:
            known[key].reshaped[turn] = value

    def _scene(
        self, slot: Slot, frame: FrameType, names: Mapping, local: Mapping, reader: Reader
    ) -> Scene:
        scope = slot.statement.scope
        if slot.number not in self._atoms:
            given = {k: v for k, v in frame.f_globals.items() if is_value(v)}
            self._atoms[slot.number] = atoms_of(scope, local, given)
        atoms = []
        for atom in self._atoms[slot.number]:
            try:
                value = eval(atom.code, names)  # type: ignore[arg-type]
            except Exception:
                continue
            if isinstance(value, np.ndarray | float | np.floating):
                atoms.append((atom, value))
            elif type(value) is int:  # a sum that has not begun
                atoms.append((atom, float(value)))
        slices = [] if scope is None else slices_of(scope)
        counts = {
            k: int(v)
            for k, v in local.items()
            if isinstance(v, int | np.integer) and not isinstance(v, bool) and k.isidentifier()
        }
        sizes = _sizes(counts, local)
        return Scene(
            reader, atoms, sizes, self._functions(frame), slices, counts, slot.after is not None,
            self.table.of_shape, slot.expression, _bound(slot),
        )  # fmt: skip

    def _functions(self, frame: FrameType) -> dict[str, Callable]:
        """Functions of one array that the file has."""
        found: dict[str, Callable] = {}
        for name, value in frame.f_globals.items():
            if type(value) is FunctionType and self.pure(value):
                parameters = inspect.signature(value).parameters.values()
                if sum(p.default is p.empty for p in parameters) == 1:
                    found[name] = value
        return found


def _bound(slot: Slot) -> str:
    """The name that gets a slot's value, or the place that it is added to."""
    node = slot.statement.node
    if slot.after is not None and isinstance(node, ast.AugAssign):
        return ast.unparse(node.target)
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return ""
    target = node.targets[0]
    displays = (ast.Tuple, ast.List)
    if isinstance(target, displays) and isinstance(node.value, displays):
        pairs = zip(target.elts, node.value.elts, strict=False)
        target = next((t for t, v in pairs if v is slot.expression), target)
    return ast.unparse(target) if isinstance(target, ast.Name | ast.Subscript) else ""


class Again(Hooks):
    """Evaluates changes of often executed statements at every execution.

    Args:
        program, files, patches, codes: of the run.
        trials: the changes, by slot.
    """

    def __init__(
        self,
        program: Program,
        files: frozenset[str],
        patches: Mapping[int, Patch],
        codes: Mapping[CodeType, CodeType],
        trials: Mapping[int, Sequence[Trial]],
    ) -> None:
        super().__init__(program, files, patches, codes)
        self.now: dict[tuple[int, int], Array] = {}
        self._turns: dict[int, int] = defaultdict(int)
        self._trials = {n: [(t, _code(t.expression())) for t in ts] for n, ts in trials.items()}
        self._roots = {n: _code(ts[0].root) for n, ts in trials.items()}
        for number in trials:
            self.keep[number] = False

    def e(self, number: int) -> Any:
        """Evaluate the changes here, then the expression as it stands."""
        frame = sys._getframe(1)
        if number in self.patches:
            return self.patches[number].value(frame)
        turn = self._turns[number]
        self._turns[number] += 1
        names = {**frame.f_globals, **local_names(self.program.slots[number], frame)}
        keep, self.keep = self.keep, [True] * len(self.keep)
        self.now[number, turn] = np.asarray(eval(self._roots[number], names), dtype=np.float64)
        for trial, code in self._trials[number]:
            try:
                value = np.asarray(eval(code, names), dtype=np.float64)
            except Exception:
                continue
            if value.shape == self.now[number, turn].shape:
                trial.values[turn] = value
        self.keep = keep
        return self.evaluated(number, frame)


def _code(expression: ast.expr) -> CodeType:
    return compile(ast.fix_missing_locations(ast.Expression(expression)), "<change>", "eval")


def local_names(slot: Slot, frame: FrameType) -> dict[str, Any]:
    """The names of the function that a slot stands in, and of a comprehension inside it."""
    found: dict[str, Any] = {}
    scope = slot.statement.scope
    above: FrameType | None = frame
    while above is not None:
        evaluated = above.f_locals is above.f_globals
        if above.f_code.co_filename == slot.statement.file and not evaluated:
            found = {**above.f_locals, **found}
            if scope is not None and above.f_code.co_name == scope.name:
                break
        above = above.f_back
    return found


def _whole(parts: tuple[Part, ...], change: Change) -> Array | None:
    """The whole expression's value, if it is an array of finite numbers."""
    try:
        value = np.asarray(parts[0].changed(change.run(), parts[1:]))
    except Exception:
        return None
    if value.dtype.kind not in "fbiu":
        return None
    found = value.astype(np.float64, copy=False)
    return found if np.isfinite(found).all() else None


def _sizes(counts: Mapping[str, int], names: Mapping[str, Any]) -> dict[str, float]:
    """Numbers that people scale by: 2, counts that have names, lengths of arrays, products."""
    found: dict[str, float] = {"2": 2.0}
    known = {2}
    for name, value in counts.items():
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
    singles = [n for n in found if n != "2"][:4]
    for k, a in enumerate(singles):
        for b in singles[k + 1 :]:
            found[f"({a} * {b})"] = found[a] * found[b]
    return found
