"""Parts of a batch in processes of their own: the same numbers, whatever happens to a process."""

import os
import resource
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from drawing import draw_batch, draw_params

import manual
from gradparity import compare
from lstm_spec import Batch, Config, InputError, State, config_of
from lstm_spec.tree import leaves, tree_map
from manual import model
from manual.fast import cut, member, parts, shared, team, threads
from manual.fast.desk import Request, sketch

TIME, BATCH = 7, 5

pytestmark = pytest.mark.skipif(not shared.available(), reason="only Linux has such memory")


@pytest.fixture
def cut_into(monkeypatch):
    """Cut every batch into this many parts, whatever pays."""

    def cut(number):
        monkeypatch.setattr(threads, "blas_threads", lambda: number)
        monkeypatch.setattr(threads, "NARROW", 1)
        monkeypatch.setattr(threads, "ENOUGH_PASS", 1)

    return cut


def drawn(layers=1, vocab=7, dtype="float64", **options):
    params = draw_params(layers=layers, vocab=vocab, hidden=6, dtype=dtype)
    sizes = {"layers": layers, "vocab": vocab, "hidden": 6, "time": TIME, "batch": BATCH}
    return params, draw_batch(**sizes, dtype=dtype, **options)


def workspace_for(params, **options):
    return manual.Workspace(config_of(params), TIME, BATCH, processes=True, **options)


def processes_of(workspace):
    return [member.process for member in workspace.team._members]


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("vocab", [7, 60])
@pytest.mark.parametrize("keep_every", [None, 3])
def test_processes_find_what_the_equations_say(cut_into, number, vocab, keep_every):
    cut_into(number)
    params, _ = drawn(2, vocab)
    workspace = workspace_for(params, keep_every=keep_every)
    for seed in (0, 1):  # nothing of one batch stays for the next
        _, batch = drawn(2, vocab, seed=seed)
        expected = model.loss_and_grads(params, batch)
        for _ in range(2):
            compare(manual.loss_and_grads(params, batch, workspace), expected, rtol=1e-9)
            found = manual.loss(params, batch, workspace)
            compare(found.loss, expected.loss, rtol=1e-9)
            compare(found.final_state, expected.final_state, rtol=1e-9)
    assert len(processes_of(workspace)) == number - 1


def test_a_plain_batch_of_small_integers(cut_into):
    cut_into(2)
    params, batch = drawn()
    plain = Batch(batch.tokens.astype(np.uint8), batch.targets.astype(np.int16))
    found = manual.loss_and_grads(params, plain, workspace_for(params))
    compare(found, model.loss_and_grads(params, plain), rtol=1e-9)


def test_a_part_whose_sequences_are_all_masked(cut_into):
    cut_into(2)
    params, batch = drawn()
    for masked in (slice(0, 3), slice(2, BATCH)):
        batch.mask[...] = True
        batch.mask[:, masked] = False
        found = manual.loss_and_grads(params, batch, workspace_for(params))
        compare(found, model.loss_and_grads(params, batch), rtol=1e-9)


def test_parts_are_those_of_one_process_bit_for_bit(cut_into):
    """A process computes what this one would."""
    cut_into(2)
    params, batch = drawn(2, 60, dtype="float32")
    workspace = workspace_for(params)
    found = manual.loss_and_grads(params, batch, workspace)
    counted, results = int(np.count_nonzero(batch.mask)), []
    for columns in workspace.team.columns:
        own = parts.Parts(config_of(params), TIME, columns.stop - columns.start, None, 1)
        part = cut.columns(batch, columns)
        with threads.share.among(2):
            results.append(parts.loss_and_grads(params, part, counted, own))
    for path, leaf in leaves(found.grads).items():
        np.testing.assert_array_equal(leaf, sum(leaves(r.grads)[path] for r in results), path)
    again = manual.loss_and_grads(params, batch, workspace_for(params))
    for path, leaf in leaves(again).items():
        np.testing.assert_array_equal(leaf, leaves(found)[path], path)


def test_complex_step_across_processes(cut_into):
    cut_into(2)
    params, batch = drawn()
    batch = Batch(batch.tokens, batch.targets, batch.mask)
    step = 1e-30
    bent = params._replace(b_v=params.b_v + step * 1j * np.eye(len(params.b_v))[2])
    bent = tree_map(lambda leaf: leaf.astype(complex), bent)
    slope = manual.loss(bent, batch, workspace_for(bent)).loss.imag / step
    np.testing.assert_allclose(slope, model.loss_and_grads(params, batch).grads.b_v[2], rtol=1e-9)


def test_gradients_are_the_callers_own(cut_into):
    cut_into(2)
    params, batch = drawn()
    workspace = workspace_for(params)
    first = manual.loss_and_grads(params, batch, workspace)
    kept = {path: leaf.copy() for path, leaf in leaves(first).items()}
    manual.loss_and_grads(params, drawn(seed=3)[1], workspace)
    for path, leaf in leaves(first).items():
        np.testing.assert_array_equal(leaf, kept[path], path)


def test_settings_of_numpy_hold_in_every_process(cut_into):
    """Overflow is ignored, a warning here, or an error here, as `np.errstate` says here."""
    cut_into(2)
    params, batch = drawn(dtype="float32")
    columns = np.arange(BATCH) == BATCH - 1  # overflows in the other process only
    state = np.where(columns, np.float32(3e38), np.float32(0)) * np.ones((1, 6, 1), np.float32)
    batch = Batch(batch.tokens, batch.targets, initial_state=State(state, state))
    workspace = workspace_for(params._replace(layers=tuple(_steep(p) for p in params.layers)))
    params = params._replace(layers=tuple(_steep(p) for p in params.layers))
    with np.errstate(all="raise", under="ignore"), pytest.raises(FloatingPointError):
        manual.loss(params, batch, workspace)
    assert processes_of(workspace) == []
    with np.errstate(all="warn", under="ignore"), pytest.warns(RuntimeWarning, match="encountered"):
        manual.loss(params, batch, workspace)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        manual.loss(params, batch, workspace)


def _steep(layer):
    return layer._replace(W_f=layer.W_f * np.float32(1e30))


@pytest.mark.parametrize("moment", ["before it is asked", "while it computes"])
def test_a_process_that_was_killed(cut_into, monkeypatch, moment):
    cut_into(2)
    params, batch = drawn()
    workspace = workspace_for(params)
    expected = manual.loss_and_grads(params, batch, workspace)
    process = processes_of(workspace)[0]
    if moment == "before it is asked":
        process.kill()
        process.wait()
    else:
        compute = stopped_first(process, parts.loss_and_grads)
        monkeypatch.setattr(parts, "loss_and_grads", compute)
    message = f"process {process.pid}, .* ended with exit code -9"
    with pytest.raises(ChildProcessError, match=message):
        manual.loss_and_grads(params, batch, workspace)
    monkeypatch.undo()
    compare(manual.loss_and_grads(params, batch, workspace), expected, rtol=0, atol=0)


def stopped_first(process, function):
    """This process's part, computed after the other was killed."""

    def loss_and_grads(*arguments):
        process.kill()
        return function(*arguments)

    process.send_signal(signal.SIGSTOP)  # so that it has not answered yet
    return loss_and_grads


def test_an_interrupt_leaves_no_answer_behind(cut_into, monkeypatch):
    """What was asked before an interrupt must not be taken for what is asked after it."""
    cut_into(2)
    params, batch = drawn()
    workspace = workspace_for(params)
    manual.loss_and_grads(params, batch, workspace)
    old = processes_of(workspace)[0]

    def loss_and_grads(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(parts, "loss_and_grads", loss_and_grads)
        with pytest.raises(KeyboardInterrupt):
            manual.loss_and_grads(params, batch, workspace)
    assert old.poll() == -signal.SIGKILL
    other = drawn(seed=5)[1]
    found = manual.loss_and_grads(params, other, workspace)
    compare(found, model.loss_and_grads(params, other), rtol=1e-9)


def test_processes_end_with_their_workspace(cut_into):
    cut_into(3)
    params, batch = drawn()
    workspace = workspace_for(params)
    manual.loss(params, batch, workspace)
    members = processes_of(workspace)
    assert [process.poll() for process in members] == [None, None]
    del workspace
    assert [process.poll() for process in members] == [-signal.SIGKILL] * 2


PROGRAM = """
import os, sys
import numpy as np
import manual
from drawing import draw_batch, draw_params
from lstm_spec import config_of
from manual.fast import threads
threads.blas_threads = lambda: 2
threads.NARROW = threads.ENOUGH_PASS = 1
params, batch = draw_params(hidden=6, vocab=7), draw_batch(hidden=6, vocab=7, batch=4, time=3)
workspace = manual.Workspace(config_of(params), 3, 4, processes=True)
manual.loss_and_grads(params, batch, workspace)
print(workspace.team._members[0].process.pid, flush=True)
"""


def run_program(more):
    """A script without the guard that `multiprocessing` asks for."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + more],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def gone(pid, seconds=20):
    """Whether a process ends before long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_processes_end_with_the_program():
    program = run_program("")
    out, err = program.communicate()
    assert (program.returncode, err) == (0, "")
    assert gone(int(out))


def test_processes_end_with_a_program_that_was_killed():
    program = run_program("sys.stdin.read()")
    pid = int(program.stdout.readline())
    os.kill(pid, signal.SIGINT)  # as a terminal's Ctrl-C, which all receive
    program.kill()
    _, err = program.communicate()
    assert (gone(pid), err) == (True, "")


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_program_that_is_killed_in_a_pass(seconds):
    """Its processes find nobody to answer, or an answer that nobody read, and say nothing."""
    program = run_program(f"""
import time
from manual.fast import parts

def loss_and_grads(*arguments):
    time.sleep({seconds})
    os.kill(os.getpid(), 9)

parts.loss_and_grads = loss_and_grads
manual.loss_and_grads(params, batch, workspace)
""")
    out, err = program.communicate()
    assert (program.returncode, err) == (-signal.SIGKILL, "")
    assert gone(int(out))


def test_a_fork_has_processes_of_its_own():
    program = run_program("""
parent = workspace.team._members[0].process.pid
child = os.fork()
manual.loss_and_grads(params, batch, workspace)
own = workspace.team._members[0].process.pid == parent
if child == 0:
    sys.exit(own)
sys.exit(not own or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")
    _, err = program.communicate()
    assert (program.returncode, err) == (0, "")


def test_no_processes_unless_wanted_and_possible(cut_into, monkeypatch):
    cut_into(2)
    config = Config(5, 4)
    assert manual.Workspace(config, 3, 4, processes=True).team is not None
    assert manual.Workspace(config, 3, 4).team is None
    assert manual.Workspace(config, 3, 1, processes=True).team is None
    monkeypatch.setattr(shared, "available", lambda: False)
    assert manual.Workspace(config, 3, 4, processes=True).team is None


def test_no_processes_where_the_system_has_none_to_give(cut_into, monkeypatch):
    cut_into(2)
    params, batch = drawn()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        workspace = workspace_for(params)
        assert workspace.team is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    compare(
        manual.loss_and_grads(params, batch, workspace),
        model.loss_and_grads(params, batch),
        rtol=1e-9,
    )
    assert gone_when_one_cannot_start(monkeypatch, params)


def gone_when_one_cannot_start(monkeypatch, params):
    """Whether the first of two processes ends if the second cannot start."""
    started, start = [], subprocess.Popen

    def one_only(*arguments, **options):
        if started:
            raise BlockingIOError
        started.append(start(*arguments, **options))
        return started[0]

    monkeypatch.setattr(threads, "blas_threads", lambda: 3)
    monkeypatch.setattr(subprocess, "Popen", one_only)
    assert workspace_for(params).team is None
    return started[0].poll() == -signal.SIGKILL


def test_blas_is_shared_among_processes(monkeypatch):
    monkeypatch.setattr(team.Team, "_start", lambda self: None)
    columns = [slice(0, 2), slice(2, 4), slice(4, 6)]
    for number, each in ((1, 1), (3, 1), (8, 2)):
        assert team.Team(Config(5, 4), 3, columns, None, number).threads == each


def desks(params, **options):
    """A member's work, in this process: its parameters, its desk, its workspace, and a request."""
    _, batch = drawn(2, 60, **options)
    config = config_of(params)
    tree = sketch(config, TIME, [2, BATCH])
    with shared.new_file(tree) as file:
        shared_params, (other, desk) = shared.views(file.fileno(), tree)
    shared.copy(params, shared_params)
    shared.copy((batch.tokens, batch.targets), (desk.tokens, desk.targets))
    more = {name: value for name, value in batch._asdict().items() if name[0] != "t"}
    counted = int(np.count_nonzero(batch.mask))
    work = parts.Parts(config, TIME, BATCH, None, threads.blas_threads())
    return batch, shared_params, other, desk, work, counted, more


def test_what_a_member_leaves_on_its_desk():
    params, _ = drawn(2, 60)
    batch, shared_params, other, desk, work, counted, more = desks(params)
    request = Request("loss_and_grads", counted, more, np.geterr())
    assert member._answer(request, shared_params, desk, work) == ([], None)
    expected = model.loss_and_grads(params, batch)
    compare(desk.grads, expected.grads, rtol=1e-9)
    compare(desk.passed.final_state, expected.final_state, rtol=1e-9)
    compare(desk.passed.dstate, expected.initial_state_grads, rtol=1e-9)
    np.testing.assert_allclose(desk.passed.nats / counted, expected.loss, rtol=1e-9)
    assert not any(leaf.any() for leaf in leaves(other).values())


def test_a_member_without_a_backward_pass_leaves_gradients_alone():
    params, _ = drawn(2, 60)
    batch, shared_params, _, desk, work, counted, more = desks(params)
    request = Request("loss", counted, more, np.geterr())
    assert member._answer(request, shared_params, desk, work) == ([], None)
    np.testing.assert_allclose(desk.passed.nats / counted, model.loss(params, batch).loss)
    assert not any(leaf.any() for leaf in leaves(desk.grads).values())


def test_a_member_tells_of_warnings_and_errors():
    params, _ = drawn(2, 60)
    _, shared_params, _, desk, work, counted, more = desks(params)
    shared_params.b_v[:] = np.inf
    for settings, messages, error in (
        ({"invalid": "ignore"}, [], type(None)),
        ({"invalid": "warn"}, ["invalid value encountered in subtract"] * 1, type(None)),
        ({"invalid": "raise"}, [], FloatingPointError),
    ):
        request = Request("loss", counted, more, settings)
        found = member._answer(request, shared_params, desk, work)
        assert found[0] == messages * len(found[0])
        assert bool(found[0]) == bool(messages)
        assert type(found[1]) is error


def test_layers_may_be_a_list(cut_into):
    cut_into(2)
    params, batch = drawn(2)
    listed = params._replace(layers=list(params.layers))
    found = manual.loss_and_grads(listed, batch, workspace_for(params))
    compare(found, model.loss_and_grads(params, batch))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("function", [manual.loss, manual.loss_and_grads])
def test_values_are_checked_with_processes_too(cut_into, function, number):
    """While the others compute; what they find, or fail with, is nobody's."""
    cut_into(number)
    params, batch = drawn()
    workspace = workspace_for(params)
    b_v = np.full_like(params.b_v, np.nan)
    bad = [
        (params._replace(b_v=b_v), batch, "b_v: got nan"),
        (params, batch._replace(tokens=np.full_like(batch.tokens, 7)), "tokens: got token 7"),
        (params, batch._replace(mask=np.zeros_like(batch.mask)), "mask: every position is masked"),
    ]
    for its_params, its_batch, message in bad:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError, match=message):
                function(its_params, its_batch, workspace)
        expected = model.loss_and_grads(params, batch)
        compare(manual.loss_and_grads(params, batch, workspace), expected)


STOPPED = """
import os, signal, threading
import numpy as np
from lstm_spec import Batch, Config, init_params
from manual.fast import parts, pipe, team

pipe.PATIENCE = 0.3
config = Config(9, 8, 1, "float32")
found = team.Team(config, 4, [slice(0, 2), slice(2, 4)], None, 2)
pid = found._members[0].process.pid
os.kill(pid, signal.SIGSTOP)
threading.Timer(1.0, os.kill, (pid, signal.SIGCONT)).start()
tokens = np.zeros((4, 4), dtype=np.int64)
with found.asked(parts.loss, init_params(config, 0), Batch(tokens, tokens), 16) as answers:
    answers()
print("answered")
"""


def test_a_process_that_is_stopped_is_named():
    command = [sys.executable, "-c", STOPPED]
    found = subprocess.run(command, capture_output=True, timeout=60, text=True)
    assert found.stdout == "answered\n", found.stderr
    assert "which computes a part of every batch, has not answered for" in found.stderr
    assert "it is stopped" in found.stderr


@pytest.mark.parametrize("number", [2, 3])
def test_a_pass_that_is_refused_ends_no_process(cut_into, number):
    cut_into(number)
    params, batch = drawn()
    workspace = workspace_for(params)
    right = manual.loss_and_grads(params, batch, workspace)
    before = processes_of(workspace)
    bad = params._replace(b_v=np.full_like(params.b_v, np.nan))
    with pytest.raises(InputError, match="b_v"):
        manual.loss_and_grads(bad, batch, workspace)
    compare(manual.loss_and_grads(params, batch, workspace).grads, right.grads)
    assert processes_of(workspace) == before
    assert len(before) == number - 1
