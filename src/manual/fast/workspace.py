"""The memory of fast passes over one shape, owned by an explicit object."""

from functools import cached_property

from lstm_spec import Config, InputError
from manual.fast import shared, threads
from manual.fast.parts import Parts
from manual.fast.pieces import RULE, read, written
from manual.fast.team import Team
from manual.workspace import LiteralWorkspace


class Workspace(LiteralWorkspace):
    """Every array that a pass over `(time, batch)` tokens needs; reuse it for the next pass.

    The literal and the fast passes keep their own arrays, made when first needed. One pass at a
    time: two threads need a workspace each.

    Args:
        config: the model's sizes.
        time, batch: the tokens'.
        keep_every: let the fast passes keep the states of every so many steps only and recompute
            the others: less memory, a third more operations. None keeps everything.
        processes: compute parts of a batch in processes of their own (`team.py`), where that is
            quicker, from some five million multiplications a pass on, and where the system has
            them to give (Linux). They start with the first pass, in a fifth of a second, and end
            with this object, or with a pass that fails: the next one starts others. Sums are
            formed in another order than without. A number: so many, whether it is quicker or not,
            but no more than sequences.
        pieces: how products are cut, as `pieces.py` writes it: by rule, or as was measured
            (`measured_pieces`).

    Attributes:
        threads: of BLAS, among which passes divide their work.

    Raises:
        InputError: `keep_every` or `processes` is no positive number; `pieces` cannot be read.
    """

    def __init__(
        self,
        config: Config,
        time: int,
        batch: int,
        keep_every: int | None = None,
        *,
        processes: bool | int = False,
        pieces: str = RULE,
    ) -> None:
        if keep_every is not None and keep_every < 1:
            raise InputError(f"keep_every: got {keep_every}, expected 1 or more")
        if processes is not False and processes < 1:
            raise InputError(f"processes: got {processes}, expected 1 or more")
        super().__init__(config, time, batch)
        self.threads, self._pieces = threads.blas_threads(), read(pieces)
        self.keep_every, self._processes = keep_every, processes if shared.available() else False

    @staticmethod
    def measured_pieces(config: Config, time: int, batch: int, processes: bool | int) -> str:
        """`pieces` as measured: once on a machine for a shape, in a second, where it is large."""
        from manual.fast.known import (
            pieces_for,
        )  # start-up time: most who come here measure nothing

        return written(pieces_for(config, time, batch, processes=processes))

    @staticmethod
    def require_pieces(text: str) -> None:
        """Refuse what `pieces` cannot be; an `InputError` says what it can."""
        read(text)

    @cached_property
    def team(self) -> Team | None:
        """Processes for the parts after the first, if wanted, where they pay and can be had."""
        shape = self.config, self.time, self.batch
        asked = None if isinstance(self._processes, bool) else self._processes
        columns = threads.parts_of_processes(*shape, self.threads, asked)
        if not self._processes or len(columns) == 1:
            return None
        try:
            return Team(
                self.config, self.time, columns, self.keep_every, self.threads, self._pieces
            )
        except OSError:  # a limit on the size of files, on processes or on memory
            return None

    @cached_property
    def parts(self) -> Parts:
        """For the sequences that this process computes: all, or the first part of a team's."""
        batch, blas_threads = self.batch, self.threads
        if self.team is not None:
            batch, blas_threads = self.team.columns[0].stop, self.team.threads
        return Parts(self.config, self.time, batch, self.keep_every, blas_threads, self._pieces)
