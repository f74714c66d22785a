"""Where a command's findings go: a JSON file, a figure, a workflow's annotations."""

import json as json_format
import os
from pathlib import Path
from typing import Any

import tyro

from gradparity.common.environment import environment
from gradparity.common.figure import FORMATS
from lstm_spec import InputError
from lstm_spec.files import require_writable, write_whole


def otherwise(what: str) -> Any:
    """For an option's help: what is done where the option is not given."""
    return tyro.conf.arg(help_behavior_hint=f"(default: {what})")


def require_outputs(json: Path | None, figure: Path | None) -> None:
    """Refuse files that cannot be written, before any work is done.

    Raises:
        InputError: one cannot be, both are one, or the figure's name says no known format.
    """
    for path in filter(None, (json, figure)):
        require_writable(path)
    if figure and figure.suffix.lstrip(".").lower() not in FORMATS:
        raise InputError(f"--figure {figure}: expected a name in .{', .'.join(FORMATS)}")
    if json and json == figure:
        raise InputError(f"--json and --figure: both are {json}, expected two files")


def require_seed(seed: int) -> None:
    """Refuse a seed below 0.

    Raises:
        InputError: it is.
    """
    if seed < 0:
        raise InputError(f"--seed: got {seed}, expected 0 or more")


def write_json(found: dict[str, Any], path: Path) -> None:
    """Write findings, and what they depend on besides the code.

    Raises:
        InputError: the file cannot be written; nothing is half-written.
    """
    content = found | {"environment": environment()}
    text = json_format.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_whole(path, text.encode())


def annotation(
    message: str, title: str, file: str = "", line: int = 0, level: str = "error"
) -> str:
    """A workflow command that marks a line of a pull request."""
    where = f" file={_property(os.path.relpath(file))},line={line}," if file else " "
    return f"::{level}{where}title={_property(title)}::{_text(message)}"


def _text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
