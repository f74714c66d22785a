"""Mistakes made by machine in the subjects, and how well the lines that were named fit them."""

import ast
import contextlib
import io
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from gradparity.record.examine.engine import BROKE_OFF, examine
from gradparity.record.examine.passes import backward_slots
from gradparity.record.graph.rules import Rules
from gradparity.record.graph.truth import Truth, close, scale_of
from gradparity.record.report.explain import recording_of
from gradparity.record.report.findings import Finding
from gradparity.record.run.runs import Plain, Runner
from record.mutants import Mutant, Source, combined, mutants
from record.subject_files import FOLDER, brought, loaded

RULES = Rules()
SECONDS_TO_DRAW = 5
SAME = 1e-5  # a mutant that changes no gradient by more than this is set aside


@dataclass(frozen=True)
class Planted:
    """A subject with mistakes in it; without any, a right one."""

    name: str
    mistakes: tuple[Mutant, ...] = ()
    seed: int = 0
    text: str = ""


@dataclass
class Score:
    """How a planted subject was judged.

    Attributes:
        verdict: as returned, or what went wrong instead.
        blamed: for each mistake whether its statement was named.
        only: nothing besides was named.
        cause: "right", "elsewhere" (what is told puts the gradients right at another line),
            "not known", "wrong".
        repaired: the suggestions, put into the source, lead to right gradients.
        seconds: it took.
        told: the findings in short.
    """

    verdict: str
    blamed: list[bool] = field(default_factory=list)
    only: bool = False
    cause: str = "not known"
    repaired: bool = False
    seconds: float = 0.0
    told: list[str] = field(default_factory=list)


class TooLongError(BaseException):
    """A subject took longer than it may."""


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise `TooLongError` inside after some seconds."""

    def stop(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def runner_of(text: str, name: str, seed: int = 0) -> Runner:
    """Runs a subject whose source is this text."""
    folder = Path(tempfile.mkdtemp(prefix="subject_"))
    (folder / name).write_text(text, encoding="utf-8")
    return Runner(brought(loaded(folder / name)), seed)


def original(name: str) -> str:
    """A subject's source."""
    return (FOLDER / name).read_text(encoding="utf-8")


def backward_lines(name: str) -> set[int]:
    """The lines that compute what the loss does not depend on."""
    runner = runner_of(original(name), name)
    runner.plain()
    record = runner.recorded()
    truth = Truth.of(record.graph, record.seeds, RULES)
    slots = runner.code.program.slots
    return {slots[n].statement.line for n in backward_slots(runner, record, truth)}


def drawn(name: str, singles: int, pairs: int, fives: int, seed: int) -> list[Planted]:
    """Random mistakes in a subject that change its gradients, alone and together."""
    rng, text = random.Random(f"{name} {seed}"), original(name)
    lines = backward_lines(name)
    right = runner_of(text, name).plain()
    waiting = mutants(text, lines, rng)
    rng.shuffle(waiting)
    found: list[Planted] = []
    known: list[Mutant] = []
    enough = max(singles, 3 * pairs, 8 * fives)
    for mutant in waiting:
        if len(known) >= enough:
            break
        if _differs(mutant.text, name, right):
            known.append(mutant)
    found += [Planted(name, (m,), seed, m.text) for m in known[:singles]]
    for count, most in ((2, pairs), (5, fives)):
        found += _together(name, text, known, count, most, rng, right)
    return found


def _together(
    name: str, text: str, known: Sequence[Mutant], count: int, most: int, rng: random.Random,
    right: Plain,
) -> Iterator[Planted]:  # fmt: skip
    made = 0
    for _ in range(20 * most):
        if made >= most or len(known) < count:
            return
        chosen = tuple(rng.sample(list(known), count))
        try:
            both = combined(text, chosen)
        except ValueError:
            continue
        if _differs(both, name, right) and _all_matter(chosen, name, text, right):
            made += 1
            yield Planted(name, chosen, 0, both)


def _all_matter(chosen: Sequence[Mutant], name: str, text: str, right: Plain) -> bool:
    """Whether the gradients go on being wrong, and change, when any mistake is put right."""
    whole = _gradients(combined(text, chosen), name)
    for left in chosen:
        others = combined(text, [m for m in chosen if m is not left])
        fewer = _gradients(others, name)
        if fewer is None or whole is None or _alike(fewer, whole) or _alike(fewer, right):
            return False
    return True


def _gradients(text: str, name: str) -> Plain | None:
    try:
        with at_most(SECONDS_TO_DRAW), np.errstate(all="ignore"):
            return runner_of(text, name).plain()
    except (Exception, TooLongError):
        return None


def _differs(text: str, name: str, right: Plain) -> bool:
    """Whether a mutant runs, computes the same loss and other gradients, all finite."""
    got = _gradients(text, name)
    if got is None or set(got.gradients) != set(right.gradients):
        return False
    if not abs(got.loss - right.loss) <= 1e-12 * abs(right.loss):
        return False
    if any(v is None or not np.isfinite(v).all() for v in got.gradients.values()):
        return False
    return not _alike(got, right)


def _alike(got: Plain, right: Plain) -> bool:
    for path, value in right.gradients.items():
        mine = got.gradients[path]
        if mine is None or value is None or mine.shape != value.shape:
            return False
        size = max(float(np.abs(value).max(initial=0.0)), 1e-9)
        if np.abs(mine - value).max(initial=0.0) > SAME * size:
            return False
    return True


def scored(planted: Planted, limit: int = 60) -> Score:
    """Judge a planted subject, and hold what is named to what was planted."""
    start = time.perf_counter()
    text = planted.text or original(planted.name)
    try:
        with at_most(limit):
            runner = runner_of(text, planted.name, planted.seed)
            found = recording_of(examine(runner, RULES), runner)
    except (Exception, TooLongError) as error:
        told = [f"{type(error).__name__}: {error}"[:150]]
        return Score("failed", [False] * len(planted.mistakes), seconds=limit, told=told)
    broken = any(BROKE_OFF in note for note in found.notes)
    score = Score("failed" if broken else found.verdict, seconds=time.perf_counter() - start)
    score.told = [f"{f.line}: {f.repair or (f.line, *f.alternatives)}" for f in found.findings]
    if planted.mistakes:
        _hold(score, planted, text, found.findings)
    return score


def _hold(score: Score, planted: Planted, text: str, findings: Sequence[Finding]) -> None:
    source = Source(original(planted.name), random.Random(0))
    fitting = [_fitting(source, m) for m in planted.mistakes]
    meant = set().union(*fitting)
    named = set()
    for finding in findings:
        there = statements_at(source, finding.line)
        named.add(next((s for s in there if s in meant), there[0] if there else None))
    score.blamed = [bool(named & one) for one in fitting]
    score.only = bool(named) and named <= meant
    causes = [f for f in findings if f.repair]
    score.repaired = len(causes) == len(findings) > 0 and _leads_to_right(text, planted, findings)
    if score.repaired:
        score.cause = "right" if all(score.blamed) and score.only else "elsewhere"
    elif causes and len(planted.mistakes) == 1:
        score.cause = "wrong"


def _fitting(source: Source, mistake: Mutant) -> set[ast.stmt | None]:
    """The statements that may be named for a mistake."""
    own = [source.statements[n] for n, _ in mistake.edits]
    if mistake.kind != "left_out":
        return set(own)
    names = _names(own[0], ast.Store)
    readers = {s for s in source.statements if _simple(s) and names & _names(s, ast.Load)}
    return {*own, source.following(own[0]), *_before(source, own[0]), *readers}


def _names(statement: ast.stmt, context: type) -> set[str]:
    """What is bound or read, `self.h` and `d['h']` as `self` and `d`; a method's object too."""
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, context):
            found.add(node.id)
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, context):
            found.add(ast.unparse(node.value))
        elif context is ast.Store and isinstance(node, ast.Call) and node.args:
            found.add(ast.unparse(node.args[0]))
    return found - {"np", "self"}


def _simple(statement: ast.stmt) -> bool:
    return not hasattr(statement, "body")


def _before(source: Source, statement: ast.stmt) -> set[ast.stmt]:
    return {s for s in source.statements if source.following(s) is statement}


def statements_at(source: Source, line: int) -> list[ast.stmt]:
    """The innermost statements on a line, which may hold several."""
    around = [s for s in source.statements if s.lineno <= line <= (s.end_lineno or s.lineno)]
    sizes = [(s.end_lineno or 0) - s.lineno for s in around]
    return [s for s, size in zip(around, sizes, strict=True) if size == min(sizes)]


def likeness(one: str, other: str) -> float:
    """How alike two texts are, 0 to 1."""
    return SequenceMatcher(None, one, other).ratio()


def _leads_to_right(text: str, planted: Planted, findings: Sequence[Finding]) -> bool:
    """Whether the suggestions, written into the source, make it right."""
    try:
        mended = written_into(text, findings)
        with at_most(30):
            runner = runner_of(mended, planted.name, planted.seed + 1)
            plain = runner.plain(runner.hooks())
            record = runner.recorded()
    except (Exception, TooLongError):
        return False
    truth = Truth.of(record.graph, record.seeds, RULES)
    right = {p: truth.adjoints[record.parameters[p]] for p in runner.sources.found}
    scale = scale_of(right.values())
    return all(close(plain.gradients.get(p), v, scale) for p, v in right.items())


def written_into(text: str, findings: Sequence[Finding]) -> str:
    """A source with the findings' repairs in the place of the statements that they mend."""
    source = Source(text, random.Random(0))
    edits: dict[int, str] = {}
    for finding in findings:
        new = finding.repair
        there = statements_at(source, finding.line)
        statement = max(there, key=lambda s: likeness(ast.unparse(s), new))
        following = source.following(statement)
        number = source.statements.index(statement)
        both = f"{ast.unparse(following)}; {ast.unparse(statement)}" if following else ""
        if new == both:  # the two in the other order
            edits[number] = ast.unparse(following)
            edits[source.statements.index(following)] = ast.unparse(statement)
        else:
            edits[number] = new or "pass"
    with contextlib.redirect_stderr(io.StringIO()):
        return source.written(edits.items())
