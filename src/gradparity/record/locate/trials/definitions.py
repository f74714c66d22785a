"""A name used wrongly everywhere was bound wrongly: the repair belongs where it is bound."""

import ast

from gradparity.record.frontend.source import Program, Statement
from gradparity.record.locate.edits import write
from gradparity.record.locate.edits.namings import bindings, entry_of
from gradparity.record.locate.edits.statements import StatementEdit
from gradparity.record.locate.trials.probe import Trial


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
