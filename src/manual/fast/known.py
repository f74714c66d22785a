"""What was measured of the processor's products: in `known.toml`, or once on this machine.

What is measured here is kept in the user's cache folder, by processor, BLAS and shape. A file that
cannot be read or written costs the measuring, nothing else.
"""

import json
import tomllib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from platformdirs import user_cache_path
from threadpoolctl import threadpool_limits

from lstm_spec import Config, InputError
from lstm_spec.files import write_whole
from manual.fast import pieces, threads, trial
from manual.fast.pieces import RULE, Factor, Pieces, times
from manual.fast.processor import processor
from manual.fast.products import Pieces as InPieces
from manual.fast.products import factors, kind

SHIPPED = Path(__file__).with_name("known.toml")
WORTH_IT = 2**22  # multiplications of a step, all gates, from which measuring pays


class Product(NamedTuple):
    """What is measured: a product of `(rows, inner)` and the factor, in a dtype."""

    dtype: str
    rows: int
    factor: Factor

    def __str__(self) -> str:
        return f"{self.dtype} {self.rows} {times(self.factor)}"


class Known(NamedTuple):
    """What is known of a product.

    Attributes:
        piece: as `pieces.py` writes it, or `rule`.
        gain: how many times as fast as by rule; 1 for the rule.
        where: `known.toml` or the file in the cache folder.
    """

    piece: str
    gain: float
    where: Path


def kept_in() -> Path:
    """The file of what this machine's user has measured."""
    return user_cache_path("gradparity") / "products.json"


@cache
def here() -> str:
    """The machine, as far as products depend on it: processor and kernels."""
    return f"{processor()}, {threads.blas_architecture() or 'other BLAS'}"


def products_of(config: Config, time: int, batch: int, processes: bool | int) -> list[Product]:
    """The products of a pass that are worth measuring, as each thread of each process has them."""
    asked = None if isinstance(processes, bool) else processes
    most = threads.blas_threads()
    parts = threads.parts_of_processes(config, time, batch, most, asked) if processes else [None]
    widest = batch if parts[0] is None else max(part.stop - part.start for part in parts)
    own = threads.parts(config.hidden_size, widest, max(1, most // len(parts)))
    rows = max(part.stop - part.start for part in own)
    if kind(config, widest) is not InPieces:
        return []
    wanted = {f: None for k in range(config.num_layers) for f in factors(config, k)}
    return [
        Product(config.dtype, rows, factor)
        for factor in wanted
        if 4 * rows * factor.inner * factor.columns >= WORTH_IT
    ]


def pieces_for(config: Config, time: int, batch: int, *, processes: bool | int = False) -> Pieces:
    """The pieces of a pass's products, measured now (a second, about) where nothing is known.

    Args:
        config: the model's sizes and dtype.
        time, batch: the tokens'.
        processes: as `Workspace` is to be given them.
    """
    found = {p: known(p) or measured(p) for p in products_of(config, time, batch, processes)}
    words = [f"{times(p.factor)}:{k.piece}" for p, k in found.items() if k.piece != RULE]
    return pieces.read(" ".join(words))


def known(product: Product) -> Known | None:
    """What the shipped table or the cache folder says."""
    for path, entries in ((SHIPPED, shipped()), (kept_in(), kept())):
        with suppress(KeyError, TypeError, ValueError, InputError):
            piece, gain = entries[here()][str(product)]
            if piece != RULE:
                pieces.read(f"{times(product.factor)}:{piece}")
            return Known(piece, float(gain), path)
    return None


def measured(product: Product) -> Known:
    """Try it, and keep what was found."""
    with threadpool_limits(1, "blas"):
        piece, gain = trial.quickest(product.rows, product.factor, np.dtype(product.dtype))
    found = Known(RULE if gain == 1 else times(piece), round(gain, 2), kept_in())
    entries = kept()
    entries.setdefault(here(), {})[str(product)] = [found.piece, found.gain]
    _keep(entries)
    return found


def forget() -> None:
    """What was measured on this machine, by this user."""
    entries = kept()
    if entries.pop(here(), None):
        _keep(entries)


def _keep(entries: dict) -> None:
    path = kept_in()
    with suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(entries, indent=1).encode())


@cache
def shipped() -> dict:
    """By machine and product: the piece and its gain."""
    return tomllib.loads(SHIPPED.read_text(encoding="utf-8"))


def kept() -> dict[str, dict]:
    """The same, of the user's own; nothing where there is no such file, or no sense in it."""
    with suppress(OSError, ValueError):
        found = json.loads(kept_in().read_text(encoding="utf-8"))
        if isinstance(found, dict) and all(isinstance(v, dict) for v in found.values()):
            return found
    return {}
