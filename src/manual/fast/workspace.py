"""The memory of passes over one shape, owned by an explicit object."""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from lstm_spec import Batch, Config, InputError, Params, validate_batch, validate_params
from manual.fast import products, shared, threads
from manual.fast.layer import FusedWeights
from manual.fast.products import Product
from manual.fast.tape import FusedTape
from manual.fast.team import Team
from manual.tape import Tape


class Workspace:
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
            formed in another order than without.

    Attributes:
        threads: of BLAS, among which passes divide their work.

    Raises:
        InputError: `keep_every` is no positive number.
    """

    def __init__(
        self,
        config: Config,
        time: int,
        batch: int,
        keep_every: int | None = None,
        *,
        processes: bool = False,
    ) -> None:
        if keep_every is not None and keep_every < 1:
            raise InputError(f"keep_every: got {keep_every}, expected 1 or more")
        self.config, self.time, self.batch = config, time, batch
        self.threads = threads.blas_threads()
        self.keep_every, self._processes = keep_every, processes and shared.available()

    def fits(self, config: Config, time: int, batch: int) -> bool:
        """Whether this workspace was made for such a pass."""
        return (self.config, self.time, self.batch) == (config, time, batch)

    @cached_property
    def literal(self) -> Tape:
        """For the pass that keeps every intermediate and every adjoint."""
        return Tape(self.config, self.time, self.batch)

    @cached_property
    def team(self) -> Team | None:
        """Processes for the parts after the first, if wanted, where they pay and can be had."""
        shape = self.config, self.time, self.batch
        columns = threads.parts_of_processes(*shape, self.threads)
        if not self._processes or len(columns) == 1:
            return None
        try:
            return Team(self.config, self.time, columns, self.keep_every, self.threads)
        except OSError:  # a limit on the size of files, on processes or on memory
            return None

    @cached_property
    def own(self) -> "Workspace":
        """For the first part, where the others are in processes of their own."""
        assert self.team is not None
        own = Workspace(self.config, self.time, self.team.columns[0].stop, self.keep_every)
        own.threads = self.team.threads
        return own

    @cached_property
    def _kind(self) -> type[Product]:
        return products.kind(self.config, self.batch)

    @cached_property
    def fused(self) -> list[FusedTape]:
        """For the fast pass, one for each part of the batch."""
        parts = threads.parts(self.config.hidden_size, self.batch, self.threads)
        return [FusedTape(self.config, self.time, p, self._kind, self.keep_every) for p in parts]

    @cached_property
    def weights(self) -> list[FusedWeights]:
        """For the fast pass, shared by its parts."""
        layers = range(self.config.num_layers)
        return [FusedWeights(self.config, k, self.batch, self._kind) for k in layers]

    @cached_property
    def pool(self) -> ThreadPoolExecutor | None:
        """Threads for the parts after the first."""
        others = len(self.fused) - 1
        return ThreadPoolExecutor(others, "manual") if others else None


def prepare(
    params: Params,
    batch: Batch,
    workspace: Workspace | None,
    *,
    real: bool = False,
    values: bool = True,
) -> Workspace:
    """Check what a pass is run on, and hand out memory for it.

    Without `values`, shapes and dtypes only.

    Raises:
        InputError: parameters, batch or workspace are malformed or do not fit each other.
    """
    config = validate_params(params, values=values, real=real)
    validate_batch(batch, config, values=values)
    time, size = batch.tokens.shape
    if workspace is None:
        return Workspace(config, time, size)
    if not workspace.fits(config, time, size):
        made_for = (workspace.config, workspace.time, workspace.batch)
        raise InputError(f"workspace: made for {made_for}, expected {(config, time, size)}")
    return workspace
