"""The processes of a run, as the training loop sees them. Most runs have one."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

Made = TypeVar("Made")


class Peers(Protocol):
    """What the loop asks of the other processes; `jax_mesh.group.Group` is several."""

    how_to_go_on: str

    @property
    def leads(self) -> bool:
        """Whether this process reads and writes the run's folder."""

    def agreed(self, number: int) -> int:
        """The largest of all processes' numbers."""

    def shared(self, make: Callable[[], Made]) -> Made:
        """What the leading process makes."""

    def watched(self) -> AbstractContextManager[None]:
        """Notices where another process is gone."""


class Alone:
    """One process."""

    leads = True
    how_to_go_on = ""

    def agreed(self, number: int) -> int:
        """Its own."""
        return number

    def shared(self, make: Callable[[], Made]) -> Made:
        """Its own."""
        return make()

    def watched(self) -> AbstractContextManager[None]:
        """Nobody can be gone."""
        return nullcontext()
