"""Gradients that are clipped before they are returned: where, and what they are without it.

A clip that acts makes every gradient wrong and no line of the derivation. So it is found, put out
of action for all that follows, and told.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradparity.record.frontend.hooks import Patch
from gradparity.record.frontend.source import Slot, with_calls_hooked
from gradparity.record.graph.nodes import Array
from gradparity.record.run.runs import Plain, Runner
from gradparity.record.subject.trees import Path

OTHER_SEED = 2003
SAME = 1e-4
NORM_WORDS = ("clip", "norm", "scale", "coef", "factor", "ratio", "limit", "max")


@dataclass(frozen=True)
class Clip:
    """Where a clip stands.

    Attributes:
        file, line: of it.
        kind: "norm" or "value".
    """

    file: str
    line: int
    kind: str


def without_clipping(runner: Runner) -> list[Clip]:
    """Find clips that act, and put them out of action in every later run.

    Args:
        runner: of the subject; its `base` and its program's `unclipped` are added to.
    """
    before, other = _run(runner), _run(runner.reseeded(OTHER_SEED))
    alike = _at_a_norm(before, other)
    if alike:
        return _norms(runner, before, alike)
    return _values(runner, before) if _at_a_bound(before) else []


def _run(runner: Runner) -> Plain:
    return runner.plain(runner.hooks())


def _arrays(found: Plain) -> dict[Path, Array]:
    return {p: v for p, v in found.gradients.items() if v is not None}


def _norm(found: Plain) -> float:
    return float(np.sqrt(sum((v * v).sum() for v in _arrays(found).values())))


def _at_a_norm(left: Plain, right: Plain) -> int:
    """How many norms, of each gradient and of all, two sets of numbers have in common."""
    a, b = _arrays(left), _arrays(right)
    sizes = [
        (float(np.linalg.norm(a[p])), float(np.linalg.norm(b[p])))
        for p in a
        if p in b and not np.array_equal(a[p], b[p])  # what does not depend on them is not clipped
    ]
    alike = sum(s[0] > 0 and abs(s[0] - s[1]) <= SAME * s[0] for s in sizes)
    all_of_them = abs(_norm(left) - _norm(right)) <= SAME * _norm(left) and len(sizes) == len(a)
    return all_of_them + (alike if alike > 1 or len(sizes) == 1 else 0)


def _at_a_bound(found: Plain) -> bool:
    """Whether a largest magnitude occurs several times in a gradient."""
    for value in _arrays(found).values():
        size = np.abs(value)
        if value.size > 1 and size.max() > 0 and (size == size.max()).sum() > 1:
            return True
    return False


def _norms(runner: Runner, before: Plain, alike: int) -> list[Clip]:
    """Take the factor out wherever gradients become multiples of themselves, of any norm."""
    found: list[Clip] = []
    for slot, expression in _scalings(runner):
        patch = Patch(with_calls_hooked(expression, slot.statement.file))
        runner.base[slot.number] = patch
        now = _tried(runner)
        if now is not None and _larger(now, before) and now.loss == before.loss:
            left = _at_a_norm(now, _run(runner.reseeded(OTHER_SEED)))
            if left < alike:
                found.append(Clip(slot.statement.file, slot.statement.line, "norm"))
                before, alike = now, left
                if not alike:
                    return found
                continue
        del runner.base[slot.number]
    return found


def _tried(runner: Runner) -> Plain | None:
    try:
        return _run(runner)
    except Exception:
        return None


def _larger(now: Plain, before: Plain) -> bool:
    """Whether some gradients are larger by a factor, and the others as they were."""
    changed = 0
    for path, old in _arrays(before).items():
        new = now.gradients.get(path)
        if new is None or new.shape != old.shape or not old.any():
            continue
        factor = float((new * old).sum() / (old * old).sum())
        if not np.allclose(new, factor * old, rtol=1e-9, atol=0.0) or factor < 1 - 1e-12:
            return False
        changed += factor > 1 + 1e-9
    return changed > 0


def _scalings(runner: Runner) -> Iterator[tuple[Slot, ast.expr]]:
    """Slots that multiply or divide by one number, those that speak of norms first."""
    found: list[tuple[Slot, ast.expr]] = []
    for slot in runner.code.program.slots:
        node = slot.statement.node
        if slot.kind == "addend" and isinstance(node, ast.AugAssign):
            if isinstance(node.op, ast.Mult | ast.Div):
                found.append((slot, ast.Constant(1.0)))
        elif isinstance(slot.expression, ast.BinOp) and slot.kind != "after":
            operator, left, right = slot.expression.op, slot.expression.left, slot.expression.right
            kept = {ast.Mult: (left, right), ast.Div: (left,)}.get(type(operator), ())
            found += [(slot, side) for side in kept]
    yield from sorted(found, key=lambda f: (f[0].kind != "addend", not _speaks(f[0])))


def _speaks(slot: Slot) -> bool:
    text = ast.unparse(slot.statement.node).lower()
    return any(word in text for word in NORM_WORDS)


def _values(runner: Runner, before: Plain) -> list[Clip]:
    """Let pass what is clipped entry by entry, wherever the loss does not notice."""
    found = []
    program = runner.code.program
    for file, tree in program.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and "clip" in ast.unparse(node.func):
                place = (file, node.lineno)
                program.unclipped.add(place)
                now = _tried(runner)
                if now is not None and now.loss == before.loss and _differs(now, before):
                    found.append(Clip(file, node.lineno, "value"))
                    before = now
                else:
                    program.unclipped.discard(place)
    return found


def _differs(now: Plain, before: Plain) -> bool:
    """Whether some gradient is not what it was."""
    new = _arrays(now)
    return any(p in new and not np.array_equal(new[p], v) for p, v in _arrays(before).items())
