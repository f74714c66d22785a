"""Explanations beyond those that the deltas suggest: one mistake of the table more, or alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from gradparity.lstm.equations import EQUATIONS, Mistake, known_mistakes
from gradparity.returned.search.bank import Written
from gradparity.returned.search.explanation import B10, B11, Explanation
from gradparity.returned.search.replay import Replay


@dataclass(frozen=True)
class Repairs:
    """Changes to explanations, tried against everything that a subject returned."""

    replay: Replay

    def singles(self) -> Iterator[Explanation]:
        """Each mistake of the table alone."""
        shortest = sorted(self.replay.close, key=lambda c: c.probe.time)[-2:-1] or self.replay.close
        for mistake in known_mistakes():
            explanation = alone(mistake)
            if self.replay.reproduces(explanation, shortest):
                yield explanation

    def with_one_more(self, proposed: Sequence[Explanation]) -> Iterator[Explanation]:
        """What was proposed, with another mistake of the table in place of what is unknown."""
        shortest = sorted(self.replay.close, key=lambda c: c.probe.time)[-2:-1] or self.replay.close
        for base in proposed[:2]:
            known = replace(base, unknown=(), given={}, parts=())
            for mistake in _not_yet(known):
                explanation = known.joined(alone(mistake))
                if self.replay.reproduces(explanation, shortest):
                    yield explanation

    def replaced(self, proposed: Sequence[Explanation]) -> Iterator[Explanation]:
        """What was proposed, with another form in the place of one mistake.

        Of deltas that left hardly a trace, short sequences show several forms alike.
        """
        for base in proposed[:4]:
            for mistake in base.mistakes:
                rest = [m for m in base.mistakes if m != mistake]
                for form in EQUATIONS[mistake.key].slot(mistake.slot).forms[1:]:
                    explanation = Explanation()
                    for m in (*rest, replace(mistake, form=form)):
                        explanation = explanation.joined(alone(m))
                    if form != mistake.form and self.replay.reproduces(explanation):
                        yield explanation

    def repaired(self, proposed: Sequence[Explanation]) -> Iterator[Explanation]:
        """What was proposed, with what only the gradients by the inputs can show: B10, B11."""
        inner = tuple(k for k in self.replay.close[0].grads if k not in ("dx", "dh0", "dC0"))
        for base in [e for e in proposed if self.replay.reproduces(e, leaves=inner)][:3]:
            for carried in self._fitting(base, ("dC0",), "B11"):
                yield from self._fitting(carried, ("dh0", "dx"), "B10")
            yield self._freed(base)

    def _freed(self, base: Explanation) -> Explanation:
        """What was proposed, the gradients by the inputs that it does not reproduce left free."""
        freed = base
        for leaf, key in (("dx", B10), ("dh0", B10), ("dC0", B11)):
            if not self.replay.reproduces(base, leaves=(leaf,)):
                freed = freed.joined(Explanation(unknown=(key,), parts=(leaf,)))
        return freed

    def _fitting(
        self, base: Explanation, leaves: tuple[str, ...], number: str
    ) -> Iterator[Explanation]:
        """The explanation, with up to two mistakes more in an equation, if some leaves need it."""
        if self.replay.reproduces(base, self.replay.close, leaves):
            yield base
            return
        singles = [m for m in _not_yet(base) if m.number == number]
        for some in (1, 2):
            fit = False
            for mistakes in combinations(singles, some):
                if len({(m.key, m.slot) for m in mistakes}) < some:
                    continue
                longer = base
                for mistake in mistakes:
                    longer = longer.joined(alone(mistake))
                if self.replay.reproduces(longer, self.replay.close[:1], leaves):
                    fit = True
                    yield longer
            if fit:
                return


def alone(mistake: Mistake) -> Explanation:
    """An explanation of one mistake."""
    return Explanation({mistake.key: (Written((mistake,)),)})


def _not_yet(base: Explanation) -> list[Mistake]:
    """Mistakes of the table in places where there is none yet."""
    taken = {(m.key, m.slot) for m in base.mistakes}
    return [m for m in known_mistakes() if (m.key, m.slot) not in taken]
