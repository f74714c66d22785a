"""The memory of passes over one shape, owned by an explicit object."""

from functools import cached_property

from lstm_spec import Batch, Config, InputError, Params, validate_batch, validate_params
from manual.fused import FusedTape
from manual.tape import Tape


class Workspace:
    """Every array that a pass over `(time, batch)` tokens needs; reuse it for the next pass.

    The literal and the fast passes keep their own arrays, made when first needed.
    """

    def __init__(self, config: Config, time: int, batch: int) -> None:
        self.config, self.time, self.batch = config, time, batch

    def fits(self, config: Config, time: int, batch: int) -> bool:
        """Whether this workspace was made for such a pass."""
        return (self.config, self.time, self.batch) == (config, time, batch)

    @cached_property
    def literal(self) -> Tape:
        """For the pass that keeps every intermediate and every adjoint."""
        return Tape(self.config, self.time, self.batch)

    @cached_property
    def fused(self) -> FusedTape:
        """For the fast pass."""
        return FusedTape(self.config, self.time, self.batch)


def prepare(
    params: Params, batch: Batch, workspace: Workspace | None, *, real: bool = False
) -> Workspace:
    """Check what a pass is run on, and hand out memory for it.

    Raises:
        InputError: parameters, batch or workspace are malformed or do not fit each other.
    """
    config = validate_params(params, real=real)
    validate_batch(batch, config)
    time, size = batch.tokens.shape
    if workspace is None:
        return Workspace(config, time, size)
    if not workspace.fits(config, time, size):
        made_for = (workspace.config, workspace.time, workspace.batch)
        raise InputError(f"workspace: made for {made_for}, expected {(config, time, size)}")
    return workspace
