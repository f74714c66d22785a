"""The processes of a run, as the training loop sees them. Most runs have one."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

Made = TypeVar("Made")


class Peers(Protocol):
    """What the loop asks of the other processes; `jax_mesh.group.Group` is several."""

    how_to_go_on: str

    @property
    def several(self) -> bool:
        """Whether there are any others."""

    @property
    def leads(self) -> bool:
        """Whether this process reads and writes the run's folder."""

    def agreed(self, number: int) -> int:
        """The largest of all processes' numbers."""

    def shared(self, make: Callable[[], Made]) -> Made:
        """What the leading process makes; where it cannot, all raise its InputError."""

    def columns(self, mesh: str, size: int) -> range:
        """Which of so many sequences of a batch this process needs."""

    def watched(self) -> AbstractContextManager[None]:
        """Notices where another process is gone."""


class Alone:
    """One process."""

    several = False
    leads = True
    how_to_go_on = ""

    def agreed(self, number: int) -> int:
        """Its own."""
        return number

    def shared(self, make: Callable[[], Made]) -> Made:
        """Its own."""
        return make()

    def columns(self, mesh: str, size: int) -> range:
        """All."""
        return range(size)

    def watched(self) -> AbstractContextManager[None]:
        """Nobody can be gone."""
        return nullcontext()


ALONE = Alone()
