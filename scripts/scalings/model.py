"""A model of a step's time on many devices, its constants fitted to what was measured.

A device with b sequences computes for `fixed + b · each` seconds: the steps of time come one after
another, however few sequences there are. Then gradients are summed over the devices in a ring:
`2 (n − 1) latency + 2 (n − 1)/n · bytes / bandwidth`. Nothing overlaps.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Compute(NamedTuple):
    """Seconds of a pass on one device: `fixed`, and `each` for every sequence."""

    fixed: float
    each: float

    def seconds(self, sequences: float) -> float:
        """Of so many."""
        return self.fixed + sequences * self.each


class Network(NamedTuple):
    """What joins devices: seconds until anything arrives, and bytes a second."""

    latency: float
    bandwidth: float

    def seconds(self, devices: int, size: float) -> float:
        """To sum `size` bytes over so many."""
        hops = devices - 1
        return 2 * hops * self.latency + 2 * hops / devices * size / self.bandwidth


class Model(NamedTuple):
    """One size of model: a pass, the bytes of its gradients, and handing a batch over."""

    compute: Compute
    size: int
    input: float

    def step(self, network: Network, devices: int, sequences: float) -> float:
        """Seconds of a step with so many sequences a device."""
        return self.compute.seconds(sequences) + self.input + network.seconds(devices, self.size)

    def efficiency(self, network: Network, devices: int, sequences: float) -> float:
        """The share of what as many devices alone would do."""
        return self.step(network, 1, sequences) / self.step(network, devices, sequences)


def fit_compute(sequences: Sequence[float], seconds: Sequence[float]) -> Compute:
    """From passes of different width, each as near in proportion; neither constant below zero."""
    return Compute(*_line(sequences, seconds))


def fit_network(sums: Mapping[float, float]) -> Network:
    """From sums of different size over two devices: seconds by bytes."""
    fixed, each = _line(list(sums), list(sums.values()))
    return Network(fixed / 2, 1 / each if each else math.inf)


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """The a and b of y = a + b x, not below zero, by relative errors."""
    columns = np.stack([np.ones(len(x)), np.asarray(x, float)], axis=1) / np.asarray(y)[:, None]
    scale = np.linalg.norm(columns, axis=0)
    both = np.linalg.lstsq(columns / scale, np.ones(len(x)), rcond=None)[0] / scale
    if (both >= 0).all():
        return float(both[0]), float(both[1])
    kept = int(np.argmax(both))  # one of them alone
    alone = float(columns[:, kept].sum() / (columns[:, kept] ** 2).sum())
    return (alone, 0.0) if kept == 0 else (0.0, alone)
