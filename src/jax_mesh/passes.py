"""Loss and gradients of a batch that lies on a mesh.

Where every device has all weights, each computes the mean over its own sequences, and one sum over
devices makes the whole: XLA would put a sum behind every time step of `jax.grad`'s loop. Otherwise
XLA cuts the program for one device by what lies where.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.sharding import PartitionSpec

from jax_mesh.grid import DATA, MODEL
from jax_mesh.place import Place
from lstm_spec import Backend, Batch, LossAndGrads, Params


def loss_and_grads(
    backend: Backend, place: Place, params: Params, batch: Batch, **options: Any
) -> LossAndGrads:
    """As the backend's, for arrays of `place`; to be called inside a jit.

    Args:
        backend: "jax" or "jax-manual".
        place: where the arrays lie.
        params, batch: as `Place` puts them there.
        options: of the backend's function.
    """
    if place.mesh.shape[MODEL] == 1 and batch.cotangents is None:
        return _by_device(backend, place, params, batch, options)
    found = backend.loss_and_grads(params, batch, **options)
    grads = jax.tree.map(
        lambda g: jax.lax.with_sharding_constraint(g, place.by_row(g)), found.grads
    )
    return found._replace(grads=grads)


def _by_device(
    backend: Backend, place: Place, params: Params, batch: Batch, options: dict[str, Any]
) -> LossAndGrads:
    whole: Any = PartitionSpec()
    cut = jax.tree.map(lambda leaf: place.by_sequence(leaf).spec, batch)
    states: Any = PartitionSpec(None, None, DATA)
    mapped = jax.shard_map(
        partial(_mean_of_means, backend, options), mesh=place.mesh, in_specs=(whole, cut),
        out_specs=LossAndGrads(whole, whole, states, states), check_vma=False,
    )  # fmt: skip
    return mapped(params, batch)


def _mean_of_means(
    backend: Backend, options: dict[str, Any], params: Params, batch: Batch
) -> LossAndGrads:
    """One device's part: its mean counts by its share of the positions."""
    mask = batch.mask
    if mask is None:
        share: Any = 1 / jax.lax.psum(1, DATA)
    else:
        counted = jnp.count_nonzero(mask)
        share = counted / jax.lax.psum(counted, DATA)
        mask = jnp.where(counted, mask, jnp.ones_like(mask))  # a mean over none is no number
    found = backend.loss_and_grads(params, batch._replace(mask=mask), **options)

    def weighed(leaf: Any) -> Any:
        return leaf * jnp.asarray(share, leaf.dtype)

    mean, grads = _summed(jax.tree.map(weighed, (found.loss, found.grads)))
    return LossAndGrads(
        mean, grads, jax.tree.map(weighed, found.initial_state_grads), found.final_state
    )


def _summed(tree: Any) -> Any:
    """Over all devices, in one message: one for each array would wait for the network each time."""
    flat, back = ravel_pytree(tree)
    return back(jax.lax.psum(flat, DATA))
