"""Arguments near the caller's own, in which no two numbers are alike by accident.

Equal values are how quantities are recognised; zeros, ones and constant arrays would make them
collide. Integers, masks, one-hot rows and labels mean what they are and stay.
"""

import numpy as np

from gradparity.record.graph.nodes import Array

FEW = 2  # distinct values that a mask or one-hot rows have
NOISE = 0.1  # of an array's own scale
ALONE = 0.1  # scale of what is all zero


def says_what_it_means(values: Array) -> bool:
    """Whether an array of floats holds masks, one-hot rows, labels or counts, not measurements."""
    if not values.ndim or values.size < 2:
        return False
    distinct = np.unique(values)
    whole = bool((distinct == np.rint(distinct)).all())
    return (
        whole and len(distinct) > 1 and (len(distinct) <= FEW or len(distinct) * 2 <= values.size)
    )


def made_generic(values: Array, rng: np.random.Generator, always: bool = False) -> Array:
    """An array with noise of its own scale; signs stay, so that a variance stays positive."""
    if not values.size or not np.isfinite(values).all():
        return values.copy()
    if says_what_it_means(values) and not always:
        return values.copy()
    noise = rng.uniform(-1.0, 1.0, values.shape)
    sizes = np.abs(values)
    typical = float(sizes.mean())
    if not typical:
        return ALONE * rng.normal(size=values.shape)
    # An entry that is zero among others is moved a little; one that is not keeps its sign.
    return values + NOISE * noise * np.where(sizes > 0, sizes, typical)
