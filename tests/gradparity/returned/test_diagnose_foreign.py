"""What people's code does besides the equations, as strangers met it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import ROOT

from gradparity import InputError, diagnose
from gradparity.cli import Version, main
from gradparity.returned.call.layouts import layout_named
from lstm_spec.exits import BROKEN
from returned.planting.plant import TEMPLATES, function, write

EXAMPLE = ROOT / "examples" / "pytorch_layer.py"
EMBEDDED = "weight_ih_l0=ifgo,x weight_hh_l0=ifgo,h b=ifgo emb=e,x weight=v,h bias=v"


def edited(source, *replacements):
    for old, new in replacements:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def template(name, *replacements):
    return function(edited(write(TEMPLATES[name]), *replacements))


def torchlike(*replacements, layout="pytorch"):
    return diagnose(template("pytorch-like model", *replacements), layout=layout)


def layer(*replacements):
    source = edited(EXAMPLE.read_text(encoding="utf-8"), *replacements)
    return diagnose(function(source.replace("def run(", "def subject(")), "layer", layout="pytorch")


UNSQUASHED = ("h = o * np.tanh(c)", "h = o * c")


def test_batches_through_another_forward_pass():
    found = layer(UNSQUASHED, ("m = np.tanh(c)", "m = c"), ("dh * o * (1 - m**2)", "dh * o"))
    assert (found.verdict, found.standard) == ("right", False)
    assert "C is not squashed" in found.forward
    found = layer(UNSQUASHED)
    assert found.verdict == "wrong"


def test_columns_in_another_order_are_named():
    subject = template("notebook model")
    turned = "W_f=f,xh W_i=i,xh W_g=g,xh W_o=o,xh W_v=v,h b_f=f,1 b_i=i,1 b_g=g,1 b_o=o,1 b_v=v,1"
    found = diagnose(
        subject, layout=f"{turned} container=tuple sequence=t,n,1 state=n,1 tokens=t,n,1"
    )
    assert "the columns stand in another order: h comes first" in found.forward


@pytest.mark.parametrize("limit", [1.0, 0.05])
def test_clips_in_the_subjects_own_units_are_notes(limit):
    """Of a summed loss, whose gradients grow with the length."""
    found = torchlike(
        ("return -np.mean(np.log(", "return -np.sum(np.log("),
        ("/ (T * B)", ""),
        ("dh_next, dC_next = np.zeros((B, H)), np.zeros((B, H))",
         "dh_next, dC_next = np.zeros((B, H)), np.zeros((B, H))\n        W_v = self.W_v"),
        ("        return {\n", f"        clip = lambda a: np.clip(a, -{limit}, {limit})\n"
         "        dW_ih, dW_hh, db, dW_v, db_v = map(clip, (dW_ih, dW_hh, db, dW_v, db_v))\n"
         "        return {\n"),
    )  # fmt: skip
    assert (found.verdict, found.findings) == ("right", ())
    assert f"clipped to ±{limit:g}" in " ".join(found.notes)


def test_a_second_bias_that_is_never_filled():
    (finding,) = torchlike(("db.copy()", "0 * db")).findings
    assert finding.mistake == "the second bias of b_f, b_i, b_g, b_o"
    assert "the second is zero" in finding.explanation


def embedded(update, *replacements):
    return torchlike(
        ('params["bias_ih_l0"] + params["bias_hh_l0"]', 'params["b"]'),
        ("self.H = self.W_hh.shape[1]", 'self.H = self.W_hh.shape[1]\n        self.emb = params["emb"]'),
        ("self.x = np.eye(self.W_ih.shape[1])[tokens]", "self.x, self.ids = self.emb[tokens], tokens"),
        ("        for t in range(T):\n", "        demb = np.zeros_like(self.emb)\n        for t in range(T):\n"),
        ("            dh_next = da @ self.W_hh\n", f"            dh_next = da @ self.W_hh\n            {update}\n"),
        ('"bias_ih_l0": db, "bias_hh_l0": db.copy(),', '"b": db, "emb": demb,'),
        *replacements,
        layout=EMBEDDED,
    )  # fmt: skip


ADDED = "np.add.at(demb, self.ids[t], da @ self.W_ih)"


def test_an_embedding_is_judged_by_its_own_name():
    assert embedded(ADDED).ok
    (finding,) = embedded("demb[self.ids[t]] = da @ self.W_ih").findings
    assert finding.mistake == "the gradient of emb"
    assert "occur more than once are not added up" in finding.explanation
    (finding,) = embedded(f"{ADDED[:-1]} * 2)").findings
    assert finding.mistake == "the gradient of emb"
    assert not finding.known


def test_an_embedding_beside_a_wrong_equation():
    wrong = ("dC_next = dC * f_[t]", "dC_next = dC * i_[t]")
    (finding,) = embedded(ADDED, wrong).findings
    assert (finding.equation, finding.mistake) == ("B11", "i[t] for f[t]")
    first, second = embedded("demb[self.ids[t]] = da @ self.W_ih", wrong).findings
    assert (first.equation, second.mistake) == ("B11", "the gradient of emb")


def test_float32_without_a_state_is_blamed_where_it_is_wrong():
    """C before the first step is zero, and so is da_f there, but for rounding."""
    single = ('params["weight_ih_l0"], params["weight_hh_l0"]',
              '(params[k].astype("f4") for k in ("weight_ih_l0", "weight_hh_l0"))')  # fmt: skip
    readout = (
        'params["weight"], params["bias"]',
        '(params[k].astype("f4") for k in ("weight", "bias"))',
    )
    as_single = ("return net.forward(inputs, targets), net.backward()",
                 'loss, grads = net.forward(inputs, targets), net.backward()\n'
                 '    return np.float32(loss), {k: g.astype("f4") for k, g in grads.items()}')  # fmt: skip
    assert torchlike(single, readout, as_single).ok
    smoothed = ("dv_[t] = (y[t] - target[t]) / (T * B)",
                "dv_[t] = (y[t] - 0.9 * target[t] - 0.1 / self.V) / (T * B)")  # fmt: skip
    found = torchlike(single, readout, as_single, smoothed)
    assert {f.equation for f in found.findings} == {"B1"}


def test_dx_may_be_right_where_dh_is_not():
    found = diagnose(
        template(
            "column layer",
            ("dx[t] = dz[H:]", "dx[t] = (W_f.T @ da_f + W_i.T @ da_i + W_g.T @ da_g + W_o.T @ da_o)[H:]"),
            ("            + W_o.T @ da_o\n", ""),
        ),
        "layer",
    )  # fmt: skip
    assert [(f.equation, f.gate) for f in found.findings] == [("B10", "o")]


def test_what_a_model_sends_back_at_the_last_step_only():
    wrong = ("dh = dv @ self.W_v + dh_next", "dh = (dv @ self.W_v if t == T - 1 else 0) + dh_next")
    assert {f.equation for f in torchlike(wrong).findings} == {"B3"}


def test_a_loop_that_leaves_out_the_first_step():
    found = torchlike(("range(T - 1, -1, -1)", "range(T - 1, 0, -1)"))
    assert {(f.equation, f.mistake) for f in found.findings} == {
        ("B2", "t > 0 for +="), ("B9", "t > 0 for +="),
    }  # fmt: skip


def test_gradients_that_are_no_floating_point_numbers():
    (finding, *_) = torchlike(("db_v,\n", "db_v.astype(int),\n")).findings
    assert "its gradient has dtype int64, expected floating point" in finding.mistake


def test_gradients_of_objects_are_told_by_their_dtype():
    def objects(params, inputs, targets):
        return 1.0, {name: value.astype(object) for name, value in params.items()}

    with pytest.raises(InputError, match="W_f: its gradient has dtype object, expected floating"):
        diagnose(objects, "model", layout="gradparity")


def test_a_cause_that_nobody_knows_is_put_in_words():
    unheard_of = ("da_i = dC * g_[t] *", "da_i = dC * np.tanh(3 * g_[t] + 1) *")
    (finding, *_) = torchlike(unheard_of).findings
    assert not finding.known
    assert re.search(r"at a typical entry, .*off by up to [0-9.]+ % of the largest right value",
                     finding.explanation)  # fmt: skip


def test_frames_of_libraries_beside_a_subject_are_not_shown(tmp_path):
    library = tmp_path / "lib" / "site-packages" / "somebody"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("def fail():\n    raise ValueError('no')\n")
    path = tmp_path / "mine.py"
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(library.parent)!r})\nimport somebody\n"
        "def f(params, inputs, targets):\n    somebody.fail()\n"
    )
    result = run_command("diagnose", f"{path}:f", "--kind", "model")
    assert "it raised ValueError: no" in result.stderr
    assert "mine.py:5 in f: somebody.fail()" in result.stderr
    assert "site-packages" not in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("W=ifgo,xhb blah", "expected NAME=AXES for each array, once"),
        ("W=ifgo,xhb W=v,h", "expected NAME=AXES for each array, once"),
        ("W=iifgo,xhb", "'iifgo' has a letter twice"),
    ],
)
def test_layouts_with_a_slip(text, message):
    with pytest.raises(InputError, match=message):
        layout_named(text)


def run_command(*arguments):
    command = [sys.executable, "-m", "gradparity", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("option", "message"),
    [(("--timeout", "1e12"), "expected above 0 and up to 86400"),
     (("--learning-rate", "inf"), "expected a number above 0")],
)  # fmt: skip
def test_numbers_beyond_reason(option, message):
    result = run_command("diagnose", f"{EXAMPLE}:run", "--kind", "layer", *option)
    assert (result.returncode, message in result.stderr) == (2, True)
    assert "Traceback" not in result.stderr


def test_what_it_was_called_with_is_told_and_recursion_is_short(tmp_path):
    path = tmp_path / "deep.py"
    path.write_text("def f(params, inputs, targets):\n    return f(params, inputs, targets)\n")
    result = run_command("diagnose", f"{path}:f", "--kind", "model")
    assert result.returncode == 2
    assert "it was called with params {'W_f': (9, 20)" in result.stderr
    assert "inputs (1, 1)" in result.stderr
    assert len(result.stderr.splitlines()) < 15
    github = run_command("diagnose", f"{path}:f", "--kind", "model", "--format", "github")
    assert github.stdout.startswith("::error title=gradparity::it raised RecursionError")


def test_a_subject_does_not_outlive_a_killed_command(tmp_path):
    path, pid_file = tmp_path / "endless.py", tmp_path / "pid"
    path.write_text(
        f"import os\ndef f(params, inputs, targets):\n    open({str(pid_file)!r}, 'w')"
        ".write(str(os.getpid()))\n    while True: pass\n"
    )
    words = ["diagnose", f"{path}:f", "--kind", "model"]
    command = subprocess.Popen([sys.executable, "-m", "gradparity", *words])
    while not (pid_file.exists() and pid_file.read_text()):
        time.sleep(0.05)
    subject = int(pid_file.read_text())
    command.send_signal(signal.SIGKILL)
    command.wait()
    for _ in range(100):
        time.sleep(0.1)
        try:
            os.kill(subject, 0)
        except ProcessLookupError:
            return
    os.kill(subject, signal.SIGKILL)
    pytest.fail("the subject's process went on")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk():
    where = f"{EXAMPLE}:run"
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "gradparity", "diagnose", where, "--kind", "layer", "--layout", "pytorch"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert (result.returncode, "Traceback" in result.stderr) == (2, False)
    assert "standard output: No space left on device" in result.stderr


def test_an_error_of_the_system_is_no_mismatch(monkeypatch, capsys):
    def broken(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Version, "run", broken)
    with pytest.raises(SystemExit) as stopped:
        main(["version"])
    assert stopped.value.code == BROKEN
    assert "PermissionError" in capsys.readouterr().err
