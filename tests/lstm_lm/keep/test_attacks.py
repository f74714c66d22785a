"""The scripts that attack runs and checkpoints pass here, and fail where they must."""

import importlib.util
import sys

import pytest
from running import SCRIPTS

from lstm_lm.keep import checkpoint, taking_up
from lstm_spec import InputError


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def run(module, monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *arguments])
    with pytest.raises(SystemExit) as stop:
        module.main()
    return stop.value.code, capsys.readouterr().out


KILLS = ("--kills", "3", "--steps", "150", "--longest", "0.6")


def test_killed_runs(monkeypatch, capsys):
    """The full count, fifty, is in docs/train.md."""
    code, printed = run(script("kill_runs"), monkeypatch, capsys, *KILLS)
    assert code == 0, printed
    assert "PASS" in printed


def test_runs_killed_before_a_file_event(monkeypatch, capsys):
    events = ("--events", "--kills", "3", "--steps", "2", "--every", "1")
    code, printed = run(script("kill_runs"), monkeypatch, capsys, *events)
    assert code == 0, printed
    assert "kills                                      3" in printed


RIVALS = ("--commands", "resume", "--times", "2")


def test_rivals(monkeypatch, capsys):
    code, printed = run(script("rival_runs"), monkeypatch, capsys, *RIVALS)
    assert code == 0, printed
    assert "resume, resume                     1             1       0" in printed


LOCKLESS = """
from lstm_lm import train_cli
from lstm_lm.keep.owner import Owner

Owner.take = lambda owner: None
train_cli.main()
"""


def test_rivals_without_a_lock(monkeypatch, capsys, tmp_path):
    module = script("rival_runs")
    (tmp_path / "train.py").write_text(LOCKLESS)
    monkeypatch.setattr(module, "TRAIN", tmp_path / "train.py")
    code, printed = run(module, monkeypatch, capsys, *RIVALS)
    assert code == 1, printed
    assert "FAIL  resume and resume" in printed


# Checkpoints written as most programs write them: a kill in between leaves half a file.
CARELESS = """
import time
from lstm_lm import train_cli
from lstm_lm.keep.disk import Disk

def write(disk, name, content):
    with open(disk.path / name, "wb", buffering=0) as file:
        file.write(content[:1000])
        time.sleep(1.0 * (name == "last.safetensors"))  # what is staged may be half a file
        file.write(content[1000:])

Disk.write = write
train_cli.main()
"""

# Every resumed run makes other numbers.
FORGETFUL = """
import sys
import time
from lstm_lm import loop, train_cli
from lstm_lm.keep.disk import Disk

if "--resume" in sys.argv:
    loop.learning_rate = lambda *_: 0.123
write = Disk.write
Disk.write = lambda *found: (time.sleep(0.25), write(*found))
train_cli.main()
"""


@pytest.mark.parametrize(
    ("program", "message"), [(CARELESS, "FAIL"), (FORGETFUL, "metrics.jsonl is not")]
)
def test_killed_runs_that_lose_something(program, message, monkeypatch, capsys, tmp_path):
    module = script("kill_runs")
    (tmp_path / "train.py").write_text(program)
    monkeypatch.setattr(module, "TRAIN", tmp_path / "train.py")
    # Seed 0 kills late, when there are checkpoints even on a slow machine.
    late = ("--kills", "2", "--steps", "40", "--longest", "4")
    code, printed = run(module, monkeypatch, capsys, *late)
    assert code == 1, printed
    assert message in printed


DAMAGE = ("--every", "150", "--flips", "5", "--cuts", "3", "--contents", "60")


def test_damaged_runs(monkeypatch, capsys):
    """The full counts are in docs/train.md."""
    code, printed = run(script("damage_runs"), monkeypatch, capsys, *DAMAGE)
    assert code == 0, printed
    assert "PASS  no damage was trained on" in printed


FEW = ("--every", "400", "--flips", "0", "--cuts", "1", "--contents", "10")


def unheld(folder, *_):
    return folder.metrics.read_bytes(), b"", 0


def otherwise_the_best(path, load=checkpoint.load):
    try:
        return load(path)
    except InputError:
        return load(path.with_name("best.safetensors"))


@pytest.mark.parametrize(
    ("module", "name", "instead", "row"),
    [
        (taking_up, "_held", unheld, "metrics.jsonl"),
        (checkpoint, "load", otherwise_the_best, "its contents"),
    ],
)
def test_a_run_that_is_held_to_less_is_found_out(module, name, instead, row, monkeypatch, capsys):
    monkeypatch.setattr(module, name, instead)
    monkeypatch.setattr(taking_up, "_require_best", lambda *_: None)
    code, printed = run(script("damage_runs"), monkeypatch, capsys, *FEW)
    assert code == 1, printed
    assert "FAIL  damage was trained on" in printed
    (counts,) = (line for line in printed.splitlines() if line.startswith(row))
    assert int(counts.split()[-1]) > 0, printed


def test_damaged_checkpoints(monkeypatch, capsys):
    """All bytes are in docs/train.md."""
    code, printed = run(script("damage_checkpoints"), monkeypatch, capsys, "--every", "200")
    assert code == 0, printed
    assert "PASS  no damage was believed" in printed


class Agreeable(str):
    """A digest that is equal to every other."""

    __hash__ = None

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


def test_a_load_that_verifies_nothing_is_found_out(monkeypatch, capsys):
    module = script("damage_checkpoints")
    monkeypatch.setattr(module.checkpoint, "digest", lambda *_: Agreeable("any"))
    code, printed = run(module, monkeypatch, capsys, "--every", "200")
    assert code == 1
    assert "FAIL  damage was believed" in printed
