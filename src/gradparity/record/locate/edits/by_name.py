"""Changes of statements by what their names say."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from gradparity.record.frontend.source import Program, Statement
from gradparity.record.locate.edits.analogy import as_siblings, missing_siblings
from gradparity.record.locate.edits.namings import (
    misnamed,
    other_names,
    twice,
    uncounted,
    unsummed,
)
from gradparity.record.locate.edits.statement_edit import StatementEdit, each
from gradparity.record.locate.edits.unread import names_bound, reading


def misnamings(program: Program, statements: Sequence[Statement]) -> Iterator[StatementEdit]:
    """Names bound to what has another name, and counted ones that nothing reads."""
    yield from each(statements, misnamed)
    yield from each(statements, uncounted)
    yield from each(statements, unsummed)
    for file, tree in program.trees.items():
        held = list(dict.fromkeys(n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)))
        yield from each([s for s in statements if s.file == file], partial(twice, held=held))


def siblings(
    program: Program, statements: Sequence[Statement], mended: Mapping[Statement, ast.stmt]
) -> Iterator[StatementEdit]:
    """Statements as those beside them are written, and such as are missing beside them.

    Args:
        program: the subject's.
        statements: that may be wrong.
        mended: how some of them are to be read.
    """
    yield from each(statements, lambda s: as_siblings(s, program.statements, mended))
    yield from each(statements, lambda s: missing_siblings(s, mended))


def readings(program: Program, unread: Sequence[Statement]) -> Iterator[StatementEdit]:
    """What some statements bind, read behind them."""
    for statement in unread:
        behind = [
            s
            for s in program.statements
            if s.scope is statement.scope and s.file == statement.file and s.line >= statement.line
        ]
        for name in names_bound([statement]):
            others = [s for s in behind if s is not statement]
            yield from each(others, partial(reading, name=name))


def renamings(program: Program, statements: Sequence[Statement]) -> Iterator[StatementEdit]:
    """Other names where none has a real value: what is returned and what is called first."""
    late = [s for s in statements if isinstance(s.node, ast.Return | ast.Expr)]
    yield from each(dict.fromkeys([*reversed(late), *statements]), other_names)
