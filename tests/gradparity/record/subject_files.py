"""The subjects written for the recorder: their files, and how each is brought."""

import importlib.util
import itertools
import sys
from pathlib import Path

from gradparity.record.subject.forms import form_of

FOLDER = Path(__file__).parent / "subjects"
NAMES = sorted(path.name for path in FOLDER.glob("*.py"))
_count = itertools.count()


def loaded(path):
    """A file as a module of its own, as it stands now.

    Bytecode of a file that was rewritten within a second, to the same length, passes for its own.
    """
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    spec = importlib.util.spec_from_file_location(f"subject_{next(_count)}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def brought(module):
    """A subject with its arguments, in the form that it has."""
    given = module.arguments()
    if module.FORM == 1:
        return form_of(module.loss_and_grads, given, {})
    if module.FORM == 2:
        return form_of(module.forward, given, {}, module.backward)
    return form_of(given[0], given[1:], {})


def written(name, folder, *replacements):
    """A copy of a subject with pieces of its text replaced, as a module."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return loaded(path)
