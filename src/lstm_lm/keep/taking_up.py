"""Take up a run's folder where its last commit left it.

What a commit names is held to it; what was staged for it and not yet put in its place is put
there; what stands behind it is cut off and told. Where something is missing or is not the run's,
nothing is changed, and the ways out are named.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from lstm_lm.config.options import Options
from lstm_lm.keep import checkpoint, metrics
from lstm_lm.keep.checkpoint import Checkpoint
from lstm_lm.keep.contents import Best, Commit, Validated
from lstm_lm.keep.folder import CONFIG, MOST_CONFIG, NEXT, RunFolder, config_text, next_best
from lstm_lm.keep.regular_files import read
from lstm_spec import InputError

Held = tuple[bytes, bytes, int]


class Found(NamedTuple):
    """What a folder held when it was taken up.

    Attributes:
        start: the checkpoint to go on from.
        said: what was put right, one sentence each.
    """

    start: Checkpoint
    said: list[str]


def take_up(folder: RunFolder, forget_best: bool = False) -> Found:
    """Take up a run where its last commit left it; the folder is taken already.

    Args:
        forget_best: go on without the best checkpoint; the next validation makes one.

    Raises:
        InputError: something of the commit is missing, damaged, or of another run.
    """
    try:
        start = checkpoint.load(folder.last)
        commit = _commit_of(start, folder.last)
        _require_best(folder, start, commit)
    except InputError as error:
        raise InputError(f"{error}; {_ways_out(folder)}") from error
    _put_forward_config(folder, start, commit)
    held = _held(folder, start, commit)
    said = [] if forget_best else _put_forward_best(folder, commit)
    found = _taken_up(folder, start, commit, held, said)
    return _without_best(folder, found) if forget_best else found


def take_up_best(folder: RunFolder) -> Found:
    """Take up a run at its best checkpoint; what came after that is put aside.

    Raises:
        InputError: as `take_up`.
    """
    start, sha256 = checkpoint.loaded(folder.best)
    commit = _commit_of(start, folder.best)
    commit = Commit(
        commit.metrics, commit.config, Best(start.step, sha256), forgotten=commit.forgotten
    )
    held = _held(folder, start, commit)
    kept = _put_aside(folder, folder.metrics) + _put_aside(folder, folder.last)
    found = _taken_up(folder, start, commit, held, kept)
    folder.reconfigure(found.start, commit)
    return Found(start._replace(commit=folder.committed), found.said)


def _without_best(folder: RunFolder, found: Found) -> Found:
    """The same run with no best checkpoint."""
    start = found.start
    assert start.commit is not None
    aside = _put_aside(folder, folder.best)
    course = type(start.course)(cuts=start.course.cuts)
    commit = Commit(start.commit.metrics, start.commit.config, None, forgotten=start.step)
    folder.write_last(start._replace(course=course), commit)
    return Found(start._replace(course=course, commit=commit), found.said + aside)


def _taken_up(
    folder: RunFolder, start: Checkpoint, commit: Commit, held: Held, said: list[str]
) -> Found:
    """Go on behind a commit, with the metrics that belong to it."""
    content, tail, cut = held
    if cut:
        folder.disk.cut(folder.metrics.name, commit.metrics.size)
        said += _cut(folder.metrics, start.step, tail, cut)
    folder.committed = commit
    folder.hold_metrics(content)
    return Found(start._replace(commit=commit), said)


def _held(folder: RunFolder, start: Checkpoint, commit: Commit) -> Held:
    """The metrics, as `metrics.committed` gives them, if they are those of the run's updates."""
    held = metrics.committed(folder.metrics, commit.metrics)
    _require_metrics(folder, start, commit, held[0])
    return held


def _require_metrics(folder: RunFolder, start: Checkpoint, commit: Commit, content: bytes) -> None:
    lines = metrics.parsed(content, folder.metrics)
    metrics.require_course(lines, start.step, folder.metrics)
    expected = metrics.course_of(lines, start.options, commit.forgotten)
    validated = bool(lines) and isinstance(lines[-1], Validated)
    if commit.unvalidated and (validated or not start.step):
        raise InputError(f"{folder.last}: waits for a validation that has been made")
    if start.course != expected:
        raise InputError(
            f"{folder.last}: course: got {list(start.course)}, its metrics say {list(expected)}"
        )


def _require_best(folder: RunFolder, start: Checkpoint, commit: Commit) -> None:
    named, measured = commit.best.step if commit.best else 0, start.course.best_step
    if measured and named != measured:
        raise InputError(f"{folder.last}: best: got update {named}, its validations say {measured}")


def _put_forward_config(folder: RunFolder, start: Checkpoint, commit: Commit) -> None:
    """Have the configuration that a commit names, or say what is different."""
    staged = folder.path / (folder.config.name + NEXT)
    if _digest(staged) == commit.config:
        folder.disk.rename(staged.name, folder.config.name)
    elif not folder.config.exists() and not folder.config.is_symlink():
        content = config_text(start.options)
        if hashlib.sha256(content).hexdigest() == commit.config:
            folder.disk.write(folder.config.name, content)
    folder.disk.remove(staged.name)
    content = read(folder.config, CONFIG, MOST_CONFIG)
    same = hashlib.sha256(content).hexdigest() == commit.config
    if not same or folder.options().resolved() != start.options:
        difference = _difference(folder.options(), start.options)
        raise InputError(
            f"{folder.config}: is not the configuration of {folder.last.name} ({difference}); "
            "options of a run that goes on are changed on the command line"
        )


def _put_forward_best(folder: RunFolder, commit: Commit) -> list[str]:
    """Have the best checkpoint that a commit names, or say what there is instead."""
    staged = sorted(folder.path.glob("best-*" + NEXT))
    wanted = None if commit.best is None else folder.path / next_best(commit.best)
    if wanted in staged:
        folder.disk.rename(wanted.name, folder.best.name)
    for left in staged:
        folder.disk.remove(left.name)
    if commit.best is None:
        return _put_aside(folder, folder.best)
    try:
        found, sha256 = checkpoint.loaded(folder.best)
        if sha256 != commit.best.sha256:
            raise InputError(
                f"{folder.best}: is not the best model of this run (its update {found.step:,}, "
                f"the run's {commit.best.step:,})"
            )
    except InputError as error:
        raise InputError(
            f"{error}; put the run's own there, or go on without it: "
            f"--resume {folder.path} --forget-best"
        ) from error
    return []


def _put_aside(folder: RunFolder, file: Path) -> list[str]:
    """Keep a file that is not of this run under another name."""
    if not file.exists() and not file.is_symlink():
        return []
    number = 1
    while (aside := file.with_name(f"{file.stem}-before-{number}{file.suffix}")).exists():
        number += 1
    if file == folder.metrics:
        folder.disk.copy(file.name, aside.name)
    else:
        folder.disk.rename(file.name, aside.name)
    folder.disk.flush()
    return [f"{file.name} is kept as {aside.name}"]


def _ways_out(folder: RunFolder) -> str:
    """What there is instead of the last checkpoint, and what can be done with it."""
    there, ways = [], []
    try:
        step = checkpoint.load(folder.best).step
        there.append(f"{folder.best.name} (update {step:,}, whole)")
        ways.append(f"go on from it with --resume {folder.path} --from-best")
    except InputError as error:
        if folder.best.exists():
            there.append(f"{folder.best.name} (unusable: {error})")
    lines = len(folder.records()) if folder.metrics.is_file() else 0
    there += [f"{folder.metrics.name} ({lines:,} lines)"] * bool(lines)
    ways.append("begin anew in another folder with --out")
    held = f"there is {' and '.join(there)}" if there else "there is nothing to go on from"
    return f"nothing was changed; {held}: {', or '.join(ways)}"


def _commit_of(start: Checkpoint, path: Path) -> Commit:
    if start.commit is None:
        raise InputError(f"{path}: written by an earlier version, or outside of a run's folder")
    return start.commit


def _digest(path: Path) -> str:
    """A small file's SHA-256; "" where there is none."""
    if not path.is_file():
        return ""
    return hashlib.sha256(read(path, CONFIG, MOST_CONFIG)).hexdigest()


def _difference(ours: Options, theirs: Options) -> str:
    """The first option in which a configuration is not what the checkpoint has."""
    stored, kept = ours.to_json(), theirs.to_json()
    for name, value in sorted(stored.items(), key=lambda item: item[0] in ("out", "overwrite")):
        if value != kept[name]:
            return f"{name} is {value}, the checkpoint has {kept[name]}"
    return "its text, not its values"


def _cut(path: Path, step: int, tail: bytes, size: int) -> list[str]:
    """What was cut off behind a commit; the test of a finished run goes without saying."""
    lines = tail.splitlines()
    if len(lines) == 1 and b'"test"' in lines[0]:
        return []
    count = f"{len(lines):,} lines" if size == len(tail) else "more"
    return [
        f"{path.name}: {count} ({size:,} bytes) after the checkpoint at update {step:,} cut off"
    ]
