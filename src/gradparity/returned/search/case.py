"""What wrong equations are sought in: a subject's calls, and what follows from them alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gradparity.lstm.film import Film
from gradparity.lstm.simulate import Plan
from gradparity.returned.call.probes import Probe, synthesize
from gradparity.returned.search.bank import Field
from gradparity.returned.search.chain import Bench
from gradparity.returned.search.replay import Call, Replay
from gradparity.returned.search.sums import Sums


@dataclass(frozen=True)
class Case:
    """Everything that a subject returned.

    Attributes:
        calls: all probes.
        tolerance: relative difference that is the subject's own noise.
    """

    calls: Sequence[Call]
    tolerance: float

    @cached_property
    def replay(self) -> Replay:
        """What holds explanations to the calls."""
        return Replay(self.calls, self.tolerance)

    @property
    def close(self) -> list[Call]:
        """The calls in which no token repeats."""
        return self.replay.close

    @cached_property
    def probes(self) -> list[Probe]:
        """Of these."""
        return [call.probe for call in self.close]

    @cached_property
    def films(self) -> list[Film]:
        """Of these; what enters B3 from outside is added to them."""
        return [Film(call.film.params, dict(call.film.values)) for call in self.close]

    @cached_property
    def true(self) -> list[Film]:
        """Of these, with a right backward pass."""
        return [synthesize(call.probe, Plan(), call.film)[1] for call in self.close]

    @cached_property
    def sums(self) -> Sums:
        """How their gradients can have been summed."""
        grads = [call.grads for call in self.close]
        return Sums(self.probes, self.films, grads, self.tolerance)

    @property
    def is_model(self) -> bool:
        """Whether there is a readout."""
        return self.probes[0].W_v is not None

    @cached_property
    def _benches(self) -> dict[int, Bench]:
        return {}

    def bench(self, longest: int) -> Bench:
        """The forms of all equations on the probes up to a length, evaluated once."""
        films = [f for f, p in zip(self.films, self.probes, strict=True) if p.time <= longest]
        if len(films) not in self._benches:
            self._benches[len(films)] = Bench(Field(films, self.tolerance))
        return self._benches[len(films)]
