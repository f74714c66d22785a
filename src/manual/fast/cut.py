"""Parts of a batch: some of its steps, some of its sequences."""

from typing import Any

from lstm_spec import Batch, Cotangents, State


def columns(batch: Batch, part: slice) -> Batch:
    """Some sequences, with all that belongs to them."""
    return batch._replace(
        tokens=batch.tokens[:, part],
        targets=batch.targets[:, part],
        mask=_last(batch.mask, part),
        initial_state=batch.initial_state and State(*(_last(s, part) for s in batch.initial_state)),
        cotangents=batch.cotangents and Cotangents(*(_last(c, part) for c in batch.cotangents)),
        dropout=_last(batch.dropout, part),
    )


def steps(batch: Batch, start: int, end: int) -> Batch:
    """Some time steps; the states and cotangents before and after the whole stay as they are."""
    given = batch.cotangents or Cotangents()
    on_h = None if given.h is None else given.h[:, start:end]
    return batch._replace(
        tokens=batch.tokens[start:end],
        targets=batch.targets[start:end],
        mask=None if batch.mask is None else batch.mask[start:end],
        cotangents=given._replace(h=on_h),
        dropout=None if batch.dropout is None else batch.dropout[:, start:end],
    )


def _last(array: Any, part: slice) -> Any:
    return None if array is None else array[..., part]
