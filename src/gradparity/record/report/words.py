"""What a repair says was wrong, in words and in the subject's own names."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.trials.grants import Grant
from gradparity.record.locate.trials.probe import Trial
from gradparity.record.locate.trials.repairs import Repair

LONGEST = 60


def cause_of(repair: Repair) -> str:
    """The mistake in a sentence; nothing where only the right value is known."""
    if isinstance(repair, Grant):
        return ""
    if isinstance(repair, StatementEdit):
        return _of_statement(repair)
    return _of_expression(repair)


def _of_expression(trial: Trial) -> str:
    kind, *rest = trial.change.key if trial.change.key[0] != "everywhere" else trial.change.key[1:]
    old = _short(trial.targets[0])
    new = _short(trial.change.build(trial.targets[0]))
    named = {
        "times": lambda: f"the factor `{rest[0]}` is missing at `{old}`",
        "over": lambda: f"the division by `{rest[0]}` is missing at `{old}`",
        "plus": lambda: f"the term `{rest[0]}` is missing beside `{old}`",
        "minus": lambda: f"`{rest[0]}` is to be taken from `{old}`",
        "product": lambda: _missing_product(rest, old),
        "@": lambda: f"the product with `{rest[0]}` is missing behind `{old}`",
        "by": lambda: f"the product with `{rest[0]}` is missing before `{old}`",
        "negate": lambda: f"`{old}` has the wrong sign",
        "no sign": lambda: f"`{old}` has a minus too many",
        "only": lambda: f"`{old}` has a part too many: `{new}` belongs there",
        "without": lambda: f"`{old}` has a part too many: `{new}` belongs there",
        "no T": lambda: f"`{old}` is transposed and should not be",
        "transpose": lambda: f"a transpose is missing at `{old}`",
        "no call": lambda: f"`{old}` applies a function too many: `{new}` belongs there",
        "activated": lambda: (
            f"`{old}` takes the derivative at what is activated already: `{new}` belongs there"
        ),
        "sum": lambda: f"a sum is missing at `{old}`",
        "sum keep": lambda: f"a sum is missing at `{old}`",
    }
    found = named.get(kind)
    return found() if found else f"`{old}` where `{new}` belongs"


def _missing_product(rest: list, old: str) -> str:
    what = "factor" if rest[0] == "Mult" else "term"
    return f"the {what} `{rest[1]}` is missing beside `{old}`"


def _of_statement(edit: StatementEdit) -> str:
    if edit.kind[0] == "missing":
        return f"a statement is missing behind it: `{edit.kind[1]}`"
    if edit.kind[0] == "missing before":
        return f"a statement is missing before it: `{edit.kind[1]}`"
    if edit.kind[0] == "length":
        return f"the length that belongs here is `{edit.kind[1]}`"
    if edit.kind[0] in ("named", "name"):
        return f"`{edit.kind[1]}` where `{edit.kind[2]}` belongs"
    if edit.kind[0] == "sibling":
        return f"line {edit.kind[1]} beside it has it otherwise: `{edit.kind[2]}`, likewise"
    if edit.kind[0] == "too early":
        return f"it changes `{edit.kind[1]}` before line {edit.kind[2]} has read it"
    named: dict[str, str] = {
        "assigned": "it adds to what was there and should replace it",
        "added": "it replaces what was there and should add to it",
        "repeated": "entries that occur twice are added once: NumPy's += with an array of indices "
        "writes each place once",
        "exchanged": "it stands in the wrong order with the next statement",
        "no sign": "a sign is too many",
        "left out": "it should not be there",
        "place": "it writes to the wrong place",
        "to": "it adds to the wrong array",
        "names": "two names stand in each other's place",
        "target": "what is unpacked goes to the wrong names",
        "arguments": "two arguments stand in each other's place",
        "value": "two values stand in each other's place",
        "range": "its range ends elsewhere",
        "operator": "the operator is the wrong one",
    }
    return named[str(edit.kind[0])]


def repair_of(repairs: Sequence[Repair]) -> str:
    """A statement as it should be, with all that is to be changed in it; "" if that is unknown."""
    first = repairs[0]
    if any(isinstance(r, Grant) for r in repairs):
        return ""
    if isinstance(first, StatementEdit):
        if first.kind[0] == "too early":
            return f"behind line {first.kind[2]}: {ast.unparse(first.statement.node)}"
        new = first.replaced[first.statement.node]
        if first.kind[0] == "exchanged":
            new = [part for body in first.replaced.values() for part in body]
        return "; ".join(ast.unparse(part) for part in new if not isinstance(part, ast.Pass))
    text = _head(repaired_statement([r for r in repairs if isinstance(r, Trial)]))
    added = [
        ast.unparse(part)
        for r in repairs
        if isinstance(r, StatementEdit) and r.kind[0] == "missing"
        for part in r.replaced[r.statement.node]
        if part is not r.statement.node
    ]
    return "; ".join([text, *added])


def _head(node: Any) -> str:
    """A statement's text; of a loop or a condition the line that it begins with."""
    if isinstance(getattr(node, "body", None), list):
        return ast.unparse(node).split("\n")[0]
    return ast.unparse(node)


def repaired_statement(trials: Sequence[Trial]) -> ast.stmt:
    """The statement of some trials with their changes in it."""
    node: Any = trials[0].statement.node
    for trial in trials:
        if trial.slot.after is not None:
            return _in_place(node, trial)
    return _with_expressions(node, {id(t.root): t.expression() for t in trials})


def _in_place(node: ast.AugAssign, trial: Trial) -> ast.stmt:
    whole: Any = trial.expression()
    same = isinstance(whole, ast.BinOp) and ast.dump(whole.left) == ast.dump(trial.root.left)  # type: ignore[attr-defined]
    if same:
        return _placed(ast.AugAssign(node.target, whole.op, whole.right), node)
    return _placed(ast.Assign([node.target], whole), node)


def _with_expressions(node: ast.stmt, new: Mapping[int, ast.expr]) -> ast.stmt:
    def copied(value: Any) -> Any:
        if id(value) in new:
            return new[id(value)]
        if isinstance(value, ast.AST):
            parts = {name: copied(v) for name, v in ast.iter_fields(value)}
            return ast.copy_location(type(value)(**parts), value)
        return [copied(v) for v in value] if isinstance(value, list) else value

    return ast.fix_missing_locations(copied(node))


def _placed(new: ast.stmt, old: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(new, old))


def _short(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
