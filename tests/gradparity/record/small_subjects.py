"""Small subjects as source text: written to a file, with a mistake or without, and examined."""

import itertools

from gradparity.record.examine.engine import BROKE_OFF, examine
from gradparity.record.graph.rules import Rules
from gradparity.record.report.explain import recording_of
from gradparity.record.run.runs import Runner
from gradparity.record.subject.forms import form_of
from record.subject_files import loaded

RULES = Rules()
_count = itertools.count()
HEAD = """
import math
import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy import signal

RNG = np.random.default_rng(5)

def numbers(*shape):
    return RNG.normal(size=shape)

"""


def judged(text, folder):
    """What is found about a source whose `case()` is what `gradparity diagnose` takes."""
    path = folder / f"subject_{next(_count)}.py"
    path.write_text(HEAD + text, encoding="utf-8")
    subject, *arguments = loaded(path).case()
    backward = None
    if isinstance(subject, tuple):
        subject, backward = subject
    runner = Runner(form_of(subject, tuple(arguments), {}, backward))
    found = recording_of(examine(runner, RULES), runner)
    assert not any(BROKE_OFF in note for note in found.notes), found.notes
    return found


def planted(text, right, wrong):
    """A source with one piece of it replaced."""
    assert text.count(right) == 1, (right, text.count(right))
    return text.replace(right, wrong)


def blamed(found):
    """Every line that is named, as the cause or as one that may be it."""
    return [line for f in found.findings for line in (f.line, *f.alternatives)]


def line_with(text, piece):
    """The number of the line in which a piece of a source's text stands."""
    (line,) = [n for n, line in enumerate((HEAD + text).splitlines(), 1) if piece in line]
    return line
