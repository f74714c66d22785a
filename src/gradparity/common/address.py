"""`FILE.py:NAME` at the command line: a file that is imported, and what it names in it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from lstm_spec import InputError


def parse(text: str) -> tuple[Path, str]:
    """Take `FILE.py:NAME` apart.

    Raises:
        InputError: it is no such thing, or there is no such file.
    """
    file, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier() or not file:
        raise InputError(f"subject: got {text!r}, expected FILE.py:FUNCTION")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"{file}: no such file, expected Python source with {name}")
    return path, name


def imported(file: Path) -> ModuleType:
    """Import a file by its path, with its folder on the path as Python would have it.

    Raises:
        InputError: it is no Python file.
    """
    path = file.resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def named(module: ModuleType, name: str, file: Path, what: str = "") -> Any:
    """What a module calls so.

    Raises:
        InputError: nothing; what it has is listed.
    """
    if hasattr(module, name):
        return getattr(module, name)
    names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
    raise InputError(f"{file}: no {what}{name}, expected one of {', '.join(names) or 'none'}")
