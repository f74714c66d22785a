"""The seconds that a search may take: on a slower machine more of them, so that it finds the same.

They are the process's own, and were set on a machine that needs `REFERENCE` for a little work.
"""

import statistics
import time
from functools import cache

import numpy as np

REFERENCE = 2.7e-3  # seconds
TRIES = 9
SLOWEST = 1.6  # more, and a long search would not end within the minute that a run may take


def now() -> float:
    """Seconds that this process has worked, as the machine of the reference would have."""
    return time.process_time() / slowness()


@cache
def slowness() -> float:
    """How many times as long as the reference this machine takes; quicker ones count as it."""
    taken = statistics.median(_little_work() for _ in range(TRIES))
    return min(max(1.0, taken / REFERENCE), SLOWEST)


def _little_work() -> float:
    start = time.process_time()
    values, total = np.ones((4, 4)), 0.0
    for number in range(2000):
        values = values * 0.5 + 0.5
        total += number * 0.5
    return time.process_time() - start
