"""In which order a step of the search looks for one more repair, and what ends it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradparity.record.locate.by_running import (
    fitting_statements,
    granted,
    left_out,
    left_out_of_loops,
    like_siblings,
    named,
    rescaled_arrays,
    unread,
    unused,
    whole_statements,
)
from gradparity.record.locate.by_value import Simpler, couples, local, solved, tried
from gradparity.record.locate.case import Case
from gradparity.record.locate.edits.by_name import misnamings, renamings
from gradparity.record.locate.edits.statement_edit import StatementEdit
from gradparity.record.locate.known.scenery import Scenery
from gradparity.record.locate.known.stages import ANY, FEW, QUITE, Stages
from gradparity.record.locate.trials.repairs import Explanation
from gradparity.record.locate.trials.weigh import Scales

CHEAP = 2.0  # price of a change that solves at which nothing else is looked at
BETTER, MUCH = 0.5, 2.0  # by how much a repair has to improve, and to end a step
CLEARLY, NEVER = 8.0, 1e9  # the same where one mistake is likelier, and where it is taken for sure
FEW_ACTING = 30
FEW_WRONG = 2  # gradients that are still wrong, up to which one mistake is taken for their cause


@dataclass
class Look:
    """One way to look for a repair, and what ends the step behind it.

    Attributes:
        enough: the price up to which a repair that makes all right is taken.
        gain: by how much one that does not has to improve.
        found: explanations with one repair more, as they are asked for.
        rights: how many gradients more the latter has to put right.
        partly: the price up to which it is taken, where that is another one.
    """

    enough: float
    gain: float
    found: Iterator[Explanation]
    rights: int = 0
    partly: float = 0.0


class Looks:
    """All ways to look, the likelier repairs first.

    Args:
        case: the subject.
        now: what explains it so far.
        scenery: of it with these repairs.
        better: what has been found in this step, filled meanwhile.
        alone: one repair more is known to be enough.
    """

    def __init__(
        self, case: Case, now: Explanation, scenery: Scenery, better: Sequence[Explanation],
        alone: bool = False,
    ) -> None:  # fmt: skip
        self.case, self.now, self.scenery, self.better = case, now, scenery, better
        self.alone = alone
        self.scales = Scales(scenery, case.table, case.rules, case.court.scale)
        changed = {t.slot.number for t in now.trials if not isinstance(t, StatementEdit)}
        free = [n for n in case.backward if n not in changed | set(case.runner.base)]
        self.wrong = frozenset(case.right) - now.right
        slots = case.runner.code.program.slots
        self.stages = Stages.of(scenery, slots, free, case.moves, self.wrong)
        # One more mistake is likelier than several, unless several gradients go on being wrong,
        # or no value is one of which just the wrong ones depend.
        explicable = bool(self.stages.fitting or self.stages.misshapen)
        few = not now.trials or len(self.wrong) <= FEW_WRONG
        self.single = alone or (explicable and few)
        self.partly = NEVER if self.single else BETTER
        self.few = len(self.stages.fitting) <= FEW
        self.simpler: Simpler = {}

    def all(self) -> Iterator[Look]:
        """Every way."""
        yield from self._first()
        if self.single:
            yield from self._alone()
        yield from self._unknown()
        if self.single:
            yield from self._at_length()
        yield from self._everywhere()

    def _first(self) -> Iterator[Look]:
        """What costs little to look at."""
        case, now, stages = self.case, self.now, self.stages
        yield Look(CHEAP, MUCH, rescaled_arrays(case, now, self.scenery))
        yield Look(QUITE, NEVER, named(case, now, misnamings, early=True))
        for kind in ("slips", "missing") if stages.misshapen else ():
            yield Look(QUITE, BETTER, self._local(stages.misshapen, kind))
        yield Look(QUITE, self.partly, self._local(stages.zero, "slips"))
        enough = QUITE if self.single else ANY
        yield Look(enough, self.partly, unused(case, now, self.scenery))
        yield Look(QUITE, self.partly, self._tried(stages.silent, "small", hasty=True))

    def _alone(self) -> Iterator[Look]:
        """What may be the one mistake: where exactly the wrong gradients depend on it."""
        stages = self.stages
        gain = NEVER if len(self.wrong) == 1 or not self.few else MUCH
        if self.few:
            yield Look(QUITE, gain, self._tried(stages.nearest, "small", hasty=True), rights=1)
        yield Look(QUITE, NEVER, left_out_of_loops(self.case, self.now))
        wide = [n for n in stages.first if n in stages.fitting or not self.few]
        among = [*stages.acting, *wide]
        yield Look(QUITE, NEVER, solved(self.case, self.now, among, self.scenery))
        fitting = fitting_statements(self.case, self.now, self.scenery)
        yield Look(QUITE, gain, fitting, rights=1)

    def _unknown(self) -> Iterator[Look]:
        """The first values that are no true quantities, and the first that are zero."""
        for kind in ("missing", "twice"):
            yield Look(QUITE, self.partly, self._local(self.stages.unknown, kind))
        yield Look(QUITE, self.partly, like_siblings(self.case, self.now, self.scenery))
        for kind in ("small", "deep"):
            yield Look(QUITE, self.partly, self._tried(self.stages.still, kind))
        if self.single and not self.few:  # before what only helps is taken for all there is
            once = {n: turns for n, turns in self.stages.fits.items() if self._once(n)}
            yield Look(QUITE, NEVER, self._tried(once, "small", hasty=True), rights=1)
        if not self.alone:
            gain = MUCH if self.now.trials or not self.single else CLEARLY
            enough = QUITE if self.single else ANY
            yield Look(enough, gain, iter(()), partly=ANY)
            yield Look(QUITE, BETTER, unread(self.case, self.now, self.scenery))
            if not self.better:  # a change that helps says more than a value that does
                grants = granted(self.case, self.now, self.stages.zero, self.scenery)
                yield Look(enough, gain, grants, partly=ANY)

    def _at_length(self) -> Iterator[Look]:
        """What takes longer; behind it what helps is taken."""
        case, now = self.case, self.now
        yield Look(QUITE, NEVER, self._tried(self.stages.nearest, "deep"))
        yield Look(QUITE, NEVER, named(case, now, renamings))
        yield Look(ANY, NEVER, whole_statements(case, now, self.scenery))
        helps = any(len(e.right) > len(now.right) for e in self.better)
        if not helps:
            yield from self._couples()
        yield Look(ANY, NEVER if len(self.wrong) == 1 else BETTER, iter(()))

    def _everywhere(self) -> Iterator[Look]:
        """Near the first unknown values, then further and further from them."""
        case, now = self.case, self.now
        for stage, (enough, turns, kind) in enumerate(self.stages.all()):
            if turns:
                done = self.single and turns is self.stages.nearest and kind == "deep"
                yield Look(enough, MUCH, iter(()) if done else self._tried(turns, kind))
            if stage == 2:
                yield Look(ANY, MUCH, left_out(case, now, self.scenery))
                if not self.single:
                    yield Look(ANY, MUCH, named(case, now, renamings))
                    yield Look(ANY, MUCH, whole_statements(case, now, self.scenery))
                    yield from self._couples()

    def _once(self, number: int) -> bool:
        """Whether a slot is executed once: what a loop does takes longer to try."""
        place = self.case.runner.code.program.slots[number].place
        return self.scenery.counts.get(place) == 1

    def _couples(self) -> Iterator[Look]:
        acting = self.stages.acting
        if len(acting) <= FEW_ACTING:
            yield Look(ANY, NEVER, couples(self.case, self.now, acting, self.scales))

    def _local(self, turns: dict, kind: str) -> Iterator[Explanation]:
        return local(self.case, self.now, turns, self.scales, kind, self.simpler)

    def _tried(self, turns: dict, kind: str, hasty: bool = False) -> Iterator[Explanation]:
        return tried(self.case, self.now, turns, self.scales, kind, hasty)
