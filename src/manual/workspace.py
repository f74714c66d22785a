"""The memory of literal passes over one shape, and what must hold before any pass."""

from functools import cached_property
from typing import TypeVar

from lstm_spec import Batch, Config, InputError, Params, validate_batch, validate_params
from manual.tape import Tape


class LiteralWorkspace:
    """Memory for passes over `(time, batch)` tokens that keep every intermediate.

    `manual.Workspace` is one too, so that either backend may be given it.

    Args:
        config: the model's sizes.
        time, batch: the tokens'.
    """

    def __init__(self, config: Config, time: int, batch: int) -> None:
        self.config, self.time, self.batch = config, time, batch

    def fits(self, config: Config, time: int, batch: int) -> bool:
        """Whether this workspace was made for such a pass."""
        return (self.config, self.time, self.batch) == (config, time, batch)

    @cached_property
    def literal(self) -> Tape:
        """Every intermediate and every adjoint; made when first needed."""
        return Tape(self.config, self.time, self.batch)


Kind = TypeVar("Kind", bound=LiteralWorkspace)


def prepare(
    kind: type[Kind],
    params: Params,
    batch: Batch,
    workspace: Kind | None,
    *,
    real: bool = False,
    values: bool = True,
) -> Kind:
    """Check what a pass is run on, and hand out memory for it: `workspace`, or a new one.

    Without `values`, shapes and dtypes only.

    Raises:
        InputError: parameters, batch or workspace are malformed or do not fit each other.
    """
    config = validate_params(params, values=values, real=real)
    validate_batch(batch, config, values=values)
    time, size = batch.tokens.shape
    if workspace is None:
        return kind(config, time, size)
    if not workspace.fits(config, time, size):
        made_for = (workspace.config, workspace.time, workspace.batch)
        raise InputError(f"workspace: made for {made_for}, expected {(config, time, size)}")
    return workspace
