"""Power cuts: after each of a run's writes, whatever of it has reached the disk, a run is there.

Every change of a file is recorded. What a power cut may leave is then built for each prefix of the
record: of the names that were changed since the folder was flushed any subset, of a file that is
added to any length beyond what was flushed, or as many zeros. Each must be the run at its last
commit, or at the one that was being made.
"""

import itertools
import os

import numpy as np
import pytest

from lstm_lm.config.options import Options
from lstm_lm.engines.schedule import Course
from lstm_lm.keep import disk
from lstm_lm.keep.folder import RunFolder
from lstm_lm.keep.taking_up import take_up
from lstm_lm.loop import beginning
from lstm_lm.tasks.table import AnBn
from lstm_spec import InputError
from lstm_spec.tree import leaves, tree_map

MOST_PENDING = 6


class Record:
    """Every change of a file, as `Disk` and `Log` make it."""

    def __init__(self, monkeypatch):
        self.changes = []
        for kind, name in (("_create", "create"), ("_rename", "rename"), ("_unlink", "unlink"),
                           ("_sync_folder", "sync"), ("cut", "cut")):  # fmt: skip
            self._watch(monkeypatch, disk.Disk, kind, name)
        self._watch(monkeypatch, disk.Log, "append", "append")
        self._watch(monkeypatch, disk.Log, "flush", "flush")
        self._watch(monkeypatch, disk.Log, "__init__", "open")

    def _watch(self, monkeypatch, owner, method, name):
        whole = getattr(owner, method)

        def watched(this, *arguments):
            self.changes.append((name, *arguments))
            return whole(this, *arguments)

        monkeypatch.setattr(owner, method, watched)


class Machine:
    """What is on the disk for sure, and what may be."""

    def __init__(self):
        self.names, self.pending = {}, []  # names for sure; changes of names since
        self.contents, self.flushed = {}, {}  # by inode
        self.inodes, self.log = itertools.count(), None

    def apply(self, kind, *arguments):
        if kind == "create":
            number = next(self.inodes)
            self.contents[number] = self.flushed[number] = bytes(arguments[1])
            self.pending.append(("link", arguments[0], number))
        elif kind in ("rename", "unlink"):
            self.pending.append((kind, *arguments))
        elif kind == "sync":
            self.names, self.pending = self.after(self.pending), []
        elif kind == "open":
            name = os.path.basename(arguments[0])
            if name not in self.after(self.pending):
                number = next(self.inodes)
                self.contents[number] = self.flushed[number] = b""
                self.pending.append(("link", name, number))
            self.log = self.after(self.pending)[name]
        elif kind == "append":
            self.contents[self.log] += bytes(arguments[0])
        elif kind == "flush":
            self.flushed[self.log] = self.contents[self.log]
        elif kind == "cut":
            number = self.after(self.pending)[arguments[0]]
            self.contents[number] = self.flushed[number] = self.contents[number][: arguments[1]]

    def after(self, changes):
        names = dict(self.names)
        for kind, *arguments in changes:
            if kind == "link":
                names[arguments[0]] = arguments[1]
            elif kind == "unlink":
                names.pop(arguments[0], None)
            elif arguments[0] in names:
                names[arguments[1]] = names.pop(arguments[0])
        return names

    def states(self):
        """Names with contents, all that a power cut may leave."""
        seen = set()
        pending = self.pending[-MOST_PENDING:]
        before = self.pending[:-MOST_PENDING]
        for chosen in itertools.product((False, True), repeat=len(pending)):
            kept = [c for c, there in zip(pending, chosen, strict=True) if there]
            names = self.after(before + kept)
            for ending in ("flushed", "half", "all", "zeros"):
                state = {name: self._left(number, ending) for name, number in names.items()}
                key = tuple(sorted(state.items()))
                if key not in seen:
                    seen.add(key)
                    yield state

    def _left(self, number, ending):
        whole, sure = self.contents[number], len(self.flushed[number])
        length = {"flushed": sure, "half": (sure + len(whole)) // 2}.get(ending, len(whole))
        if ending == "zeros":
            return whole[:sure] + bytes(len(whole) - sure)
        return whole[:length]


def started(path, **options):
    settings = {"hidden": 1, "layers": 1, "batch": 1, "out": path} | options
    resolved = Options(**settings).resolved()
    return beginning(resolved, AnBn(resolved))


def moved(found, step, course):
    training = tree_map(lambda leaf: leaf + 1 if np.ndim(leaf) else step, found.training)
    return found._replace(step=step, training=training, course=course)


def updated(folder, steps):
    for step in steps:
        folder.append({"step": step, "loss": 1.0, "norm": 1.0, "rate": 0.1})


def history(path):
    """A run's life: commits, and after which change each of them was wanted."""
    folder, found = RunFolder(path), started(path)
    yield "begin", found
    folder.begin(found)
    course = Course()
    for step, loss in ((2, 0.9), (4, 0.8), (6, 0.85), (8, 0.7)):
        updated(folder, range(step - 1, step + 1))
        folder.append({"step": step, "validation": loss})
        course = course.after(loss, step, found.options)
        found = moved(found, step, course)
        yield f"commit {step}", found
        folder.commit(found, best=course.best_step == step)
    longer = found._replace(options=started(path, steps=6000).options)
    yield "reconfigure", longer
    folder.reconfigure(longer, folder.committed)
    afresh = started(path, seed=7, overwrite=True)
    folder.release()
    yield "overwrite", afresh
    folder = RunFolder(path)
    folder.begin(afresh)
    updated(folder, range(1, 3))
    folder.append({"step": 2, "validation": 0.5})
    found = moved(afresh, 2, Course().after(0.5, 2, afresh.options))
    yield "commit after overwriting", found
    folder.commit(found, best=True)
    folder.release()


def same(one, other):
    a, b = leaves(one.training), leaves(other.training)
    fields = ("options", "step", "course", "fingerprint")
    return all(getattr(one, f) == getattr(other, f) for f in fields) and all(
        np.array_equal(a[path], b[path]) for path in a
    )


def test_what_a_power_cut_leaves_is_a_run(tmp_path, monkeypatch):
    record = Record(monkeypatch)
    phases = []
    for name, wanted in history(tmp_path / "run"):
        phases.append((len(record.changes), name, wanted))
    changes = list(record.changes)
    machine, old, count = Machine(), None, 0
    ends = [*(p[0] for p in phases[1:]), len(changes)]
    position = 0
    for (_, name, wanted), end in zip(phases, ends, strict=True):
        while position < end:
            machine.apply(*changes[position])
            position += 1
            for state in machine.states():
                count += 1
                found = revived(tmp_path / f"crash-{count}", state)
                assert found is not None or old is None, (name, changes[position - 1][:2])
                ways = [w for w in (old, wanted) if w is not None]
                assert found is None or any(same(found, w) for w in ways), (name, position)
        assert same(revived(tmp_path / f"whole-{position}", next(last(machine))), wanted)
        old = wanted
    assert count > 100


def last(machine):
    """The state that has everything."""
    names = machine.after(machine.pending)
    yield {name: machine.contents[number] for name, number in names.items()}


def revived(path, state):
    """What is taken up of a folder, and once more; None if there is nothing to go on from."""
    path.mkdir()
    for name, content in state.items():
        (path / name).write_bytes(content)
    found = []
    for _ in range(2):
        folder = RunFolder(path)
        folder.take()
        try:
            found.append(take_up(folder).start)
        except InputError as error:
            if "there is nothing to go on from" not in str(error):
                raise
            return None
        finally:
            folder.release()
    assert same(*found)
    return found[0]


@pytest.mark.parametrize("order", ["best last", "nothing flushed"])
def test_another_order_of_writing_is_found_out(order, tmp_path, monkeypatch):
    """A best that takes its place before it is committed, and names that are never flushed."""
    if order == "best last":
        monkeypatch.setattr("lstm_lm.keep.folder.next_best", lambda best: "best.safetensors")
        monkeypatch.setattr("lstm_lm.keep.taking_up.next_best", lambda best: "best.safetensors")
    else:
        monkeypatch.setattr(disk.Disk, "flush", lambda this, whatever=False: None)
    with pytest.raises((AssertionError, InputError)):
        test_what_a_power_cut_leaves_is_a_run(tmp_path, monkeypatch)
