"""Where a repair belongs: where a name is bound, or where it is read."""

import ast

from gradparity.record.frontend.source import Program, Statement
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.namings import bindings, entry_of
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.trials.probe import Trial

WITH_ANOTHER = ("plus", "minus", "times", "over", "product")  # changes that add an operand


def at_definition(program: Program, trial: Trial) -> StatementEdit | None:
    """The same put in where a name is bound, if it is bound to what is called otherwise.

    Args:
        program: the subject's.
        trial: a change of every use of a name.
    """
    names = {t.id if isinstance(t, ast.Name) else "" for t in trial.targets}
    scope = trial.statement.scope
    if len(names) != 1 or "" in names or scope is None:
        return None
    (name,) = names
    uses = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == name]
    if sum(isinstance(n.ctx, ast.Load) for n in uses) != len(trial.targets):
        return None
    value, statement = _bound_before(program, trial.statement, name)
    if statement is None or value is None:
        return None
    if isinstance(value, ast.BinOp) and trial.targets[0] is trial.root:
        new = trial.change.build(value)  # what lacks a part is made there, and handed on here
    else:
        new = trial.change.build(trial.targets[0])
        holds = ast.unparse(new) in ast.unparse(value)  # with something too many
        if not holds and entry_of(value) in ("", name):
            return None
    edited = write.in_statement(statement.node, value, new)
    kind = ("named", ast.unparse(value), ast.unparse(new))
    return StatementEdit(statement, {statement.node: [edited]}, kind, trial.price)


def at_use(program: Program, trial: Trial) -> StatementEdit | None:
    """The same where a name is read, if that is one place: `x = cache["x"]` names it rightly.

    Args:
        program: the subject's.
        trial: a change of what only gives a forward value a name.
    """
    scope, node = trial.statement.scope, trial.statement.node
    if scope is None or trial.targets != (trial.root,) or not isinstance(node, ast.Assign):
        return None
    if trial.change.key[0] not in WITH_ANOTHER:
        return None
    pairs = bindings(node.targets[0], node.value)
    names = [t.id for t, value in pairs if value is trial.root and isinstance(t, ast.Name)]
    behind = [s for s in program.statements if s.scope is scope and s.line > trial.statement.line]
    uses = [
        (s, n)
        for s in behind
        for n in ast.walk(s.node)
        if isinstance(n, ast.Name) and n.id in names and isinstance(n.ctx, ast.Load)
    ]
    if len(uses) != 1:
        return None
    ((statement, use),) = uses
    new = trial.change.build(use)
    edited = write.in_statement(statement.node, use, new)
    kind = ("named", use.id, ast.unparse(new))
    return StatementEdit(statement, {statement.node: [edited]}, kind, trial.price)


def _bound_before(
    program: Program, statement: Statement, name: str
) -> tuple[ast.expr | None, Statement | None]:
    """The last value that a function binds to a name before a statement, if its text shows it."""
    before = [s for s in program.statements if s.scope is statement.scope]
    for other in reversed([s for s in before if s.line < statement.line]):
        node = other.node
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            for target, value in bindings(node.targets[0], node.value):
                if isinstance(target, ast.Name) and target.id == name:
                    return value, other
    return None, None
