"""A file of tensors: its size is held to its header, and both to what fits, before memory is taken.

The format is safetensors': eight bytes that say how long the header is, a JSON header, the bytes of
the tensors. The library reads them; what it is given here has been judged.
"""

import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import safetensors.numpy

from lstm_lm.keep.regular_files import regular
from lstm_spec import InputError

MOST_HEADER = 100_000_000  # bytes; safetensors' own limit
EXPECTED = "a checkpoint (.safetensors)"
SIZES = {"F32": 4, "F64": 8}
METADATA = "__metadata__"


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """What a header says of a tensor."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class TensorFile(msgspec.Struct):
    """A file whose header has been read, and nothing else.

    Attributes:
        path: the file.
        metadata: texts by name.
        entries: tensors by name.
        size: bytes of the file.
    """

    path: Path
    metadata: dict[str, str]
    entries: dict[str, Entry]
    size: int

    def tensors(self) -> dict[str, np.ndarray]:
        """Read the tensors.

        Raises:
            InputError: this machine has not the memory, or the library refuses the file.
        """
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if 2 * self.size > memory:
            size, there = self.size / 2**30, memory / 2**30
            raise InputError(f"{self.path}: {size:.1f} GiB, this machine has {there:.1f} GiB")
        with regular(self.path, EXPECTED) as (file, _):
            content = file.read(self.size)
        try:
            return safetensors.numpy.load(content)
        except BaseException as error:  # a panic of the library is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            raise damaged(self.path, error) from error


def opened(path: Path) -> TensorFile:
    """Read a file's header, and hold its size to it.

    Raises:
        InputError: it is missing, no regular file, or its size is not what its header says.
    """
    with regular(path, EXPECTED) as (file, size):
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, MOST_HEADER):
            raise damaged(path, f"a header of {length:,} bytes in a file of {size:,}")
        header = file.read(length)
    try:
        parts: dict[str, Any] = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(parts.pop(METADATA, b"{}"), type=dict[str, str])
        entries = {name: msgspec.json.decode(raw, type=Entry) for name, raw in parts.items()}
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise damaged(path, error) from error
    for name, entry in entries.items():
        if not _holds(entry):
            raise damaged(path, f"{name!r} is described as {entry}")
    spans = sorted(entry.data_offsets for entry in entries.values())
    ends = [0, *(stop for _, stop in spans)]
    if [start for start, _ in spans] != ends[:-1] or ends[-1] != size - 8 - length:
        said = 8 + length + ends[-1]
        raise damaged(path, f"{size:,} bytes, its header says {said:,}")
    return TensorFile(Path(path), metadata, entries, size)


def damaged(path: Path, reason: Any) -> InputError:
    """What is no checkpoint, in one line."""
    name = f"{type(reason).__name__}: " if isinstance(reason, BaseException) else ""
    text = f"{name}{reason}".splitlines()[0][:300]
    return InputError(f"{path}: not a checkpoint, or cut off or changed ({text})")


def _holds(entry: Entry) -> bool:
    """Whether a tensor's bytes are as many as its shape needs."""
    count = 1
    for length in entry.shape:
        if length < 0:
            return False
        count *= length
    start, stop = entry.data_offsets
    return entry.dtype in SIZES and stop - start == count * SIZES[entry.dtype] and start >= 0
