"""Diagnoses of subjects written as code: right, planted, edited, and badly behaved ones."""

import json
import random

import numpy as np
import pytest

from gradparity import InputError, Layout, diagnose
from gradparity.cli import main
from gradparity.returned.call.layout_arrays import encode
from gradparity.returned.call.layouts import LAYOUTS
from gradparity.returned.call.returned import SubjectError
from lstm_spec import LayerParams
from returned.planting.plant import (
    TEMPLATES,
    function,
    pairs,
    returned,
    run,
    score,
    score_edit,
    write,
)

ALL = pytest.mark.parametrize("name", TEMPLATES)


@ALL
def test_right_ones_are_never_blamed(name):
    template = TEMPLATES[name]
    subject = function(write(template))
    for seed in range(0, 20_000, 1000):
        found = diagnose(subject, template.kind, layout=template.layout, seed=seed)
        assert (found.verdict, found.findings) == ("right", ())


@ALL
def test_every_mistake_that_is_planted_runs(name):
    template = TEMPLATES[name]
    for group in template.mistakes()[::5]:
        assert returned(template, write(template, group)), group


def require_named(template, groups):
    found = score(template, groups)
    if found is not None:  # None: what is planted changes nothing
        assert found.verdict, groups
        assert found.blamed, groups
        assert found.named, groups


@ALL
def test_mistakes_of_the_table_are_named(name):
    template = TEMPLATES[name]
    for group in random.Random(7).sample(template.mistakes(), 10):
        require_named(template, [group])


@ALL
def test_pairs_of_mistakes_are_named(name):
    template = TEMPLATES[name]
    mistakes = template.mistakes()
    for numbers in pairs(template, 4, random.Random(11)):
        require_named(template, [mistakes[n] for n in numbers])


@ALL
def test_blind_edits_are_blamed_on_their_equation(name):
    template = TEMPLATES[name]
    for edit in template.edits[::4]:
        found = score_edit(template, edit)
        assert found.verdict
        assert found.blamed, edit


def planted(name, *replacements):
    """A right source with some text replaced."""
    source = write(TEMPLATES[name])
    for old, new in replacements:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def test_the_line_is_found():
    source = planted("notebook model", ("df = dC * C_prev", "df = dC * C_s[t]"))
    (finding,) = run(TEMPLATES["notebook model"], source).findings
    assert (finding.equation, finding.gate) == ("B8", "f")
    assert finding.mistake == "C[t] for C[t-1]"
    assert finding.location is not None
    assert finding.location.text == "df = dC * C_s[t]"


def test_one_factor_over_all_leaves_is_a_scale_and_in_one_gate_a_mistake():
    name = "notebook model"
    everywhere = planted(name, ("(y_s[t] - targets[t]) / T", "(y_s[t] - targets[t])"))
    found = run(TEMPLATES[name], everywhere)
    assert (found.verdict, found.scale) == ("scaled", "T")
    assert found.passes(allow_scale=True)
    assert not found.passes(allow_scale=False)
    one_gate = planted(name, ("df = dC * C_prev", "df = 1.5 * dC * C_prev"))
    assert run(TEMPLATES[name], one_gate).verdict == "wrong"
    sign = planted(name, ("(y_s[t] - targets[t]) / T", "(targets[t] - y_s[t]) / T"))
    assert run(TEMPLATES[name], sign).verdict == "wrong"


def test_truncation_is_a_note():
    source = planted(
        "notebook model", ("        dv = dv_s[t]\n", "        dv = dv_s[t]\n        if t % 2:\n"
                           "            dh_next, dC_next = 0 * h0, 0 * C0\n"),
    )  # fmt: skip
    found = run(TEMPLATES["notebook model"], source)
    assert found.verdict == "right"
    assert "truncated" in " ".join(found.notes)


def test_another_forward_pass_is_named_and_judged_by_differences():
    name = "notebook model"
    source = planted(name, ("m = np.tanh(C)", "m = C"), ("(1 - m_s[t]**2)", "1"))
    found = run(TEMPLATES[name], source)
    assert found.verdict == "right"
    assert not found.standard
    assert "C is not squashed" in found.forward
    wrong = source.replace("df = dC * C_prev", "df = dC * C_s[t]")
    found = run(TEMPLATES[name], wrong)
    assert found.verdict == "wrong"
    assert "f" in {finding.gate for finding in found.findings}


def right(params, inputs, targets):
    return function(write(TEMPLATES["pytorch-like model"]))(params, inputs, targets)


def without_a_leaf(params, inputs, targets):
    loss, grads = right(params, inputs, targets)
    return loss, {name: g for name, g in grads.items() if name != "bias"}


def transposed(params, inputs, targets):
    loss, grads = right(params, inputs, targets)
    return loss, grads | {"weight": grads["weight"].T}


def not_a_number(params, inputs, targets):
    loss, grads = right(params, inputs, targets)
    return loss, grads | {"bias": grads["bias"] * np.nan}


def zeros(params, inputs, targets):
    loss, grads = right(params, inputs, targets)
    return loss, {name: 0 * g for name, g in grads.items()}


FORMS = {
    without_a_leaf: "bias: no gradient was returned",
    transposed: "weight: its gradient has shape (9, 11), expected (11, 9)",
    not_a_number: "the gradient of b_v holds NaN or infinity",
}


@pytest.mark.parametrize("subject", FORMS)
def test_wrong_forms_are_findings(subject):
    found = diagnose(subject, layout="pytorch")
    assert found.verdict == "wrong"
    assert FORMS[subject] in [finding.mistake for finding in found.findings]


def test_all_zero_gradients_are_wrong():
    found = diagnose(zeros, layout="pytorch")
    assert found.verdict == "wrong"
    assert [finding.mistake for finding in found.findings] == ["every gradient is zero"]


def single(params, inputs, targets):
    rounded = {name: p.astype(np.float32) for name, p in params.items()}
    loss, grads = right(rounded, inputs, targets)
    return np.float32(loss), {name: g.astype(np.float32) for name, g in grads.items()}


def noisy(params, inputs, targets):
    print("epoch 1", "x" * 10_000)
    return right(params, inputs, targets)


def changing(params, inputs, targets):
    result = right(params, inputs, targets)
    params["bias"] += 1
    return result


CALLS = []


def remembering(params, inputs, targets):
    CALLS.append(1)
    loss, grads = right(params, inputs, targets)
    return loss, {name: g * (1 + 1e-12 * len(CALLS)) for name, g in grads.items()}


def test_manners(capsys):
    for subject in (single, noisy):
        assert diagnose(subject, layout="pytorch").verdict == "right"
    assert capsys.readouterr().out == ""
    assert "it changes its arguments: bias" in diagnose(changing, layout="pytorch").notes
    notes = " ".join(diagnose(remembering, layout="pytorch").notes)
    assert "remembers its last call" in notes


def updating(params, inputs, targets):
    loss, grads = right(params, inputs, targets)
    for name, grad in grads.items():
        params[name] -= 0.01 * grad
    return loss


def test_gradients_as_an_update_in_place():
    assert diagnose(updating, layout="pytorch", learning_rate=0.01).verdict == "right"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "it returned None, expected (loss, grads)"),
        ((1.0, None), "gradients: got None, expected weight_ih_l0"),
        ((1.0, {"a": np.ones(2)}), "gradients: got a, expected weight_ih_l0"),
        ((np.nan, {}), "gradients: got none"),
        ((np.ones(3), {"weight": np.ones((11, 9))}), "loss: got an array of shape (3,)"),
    ],
)
def test_what_cannot_be_judged(answer, message):
    with pytest.raises(SubjectError) as error:
        diagnose(lambda params, inputs, targets: answer, layout="pytorch")
    assert message in str(error.value)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_and_back(name):
    from gradparity.returned.call.layout_arrays import decode, shapes

    rng, layout = np.random.default_rng(0), LAYOUTS[name]
    leaf = [rng.standard_normal((4, 9)) for _ in "figo"] + [rng.standard_normal(4) for _ in "figo"]
    layer, W_v, b_v = LayerParams(*leaf), rng.standard_normal((6, 4)), rng.standard_normal(6)
    arrays = encode(layout, layer, W_v, b_v)
    assert {n: a.shape for n, a in arrays.items()} == shapes(layout, 4, 5, 6)
    found = decode(layout, arrays, 4, 5)
    for gate in "figo":
        both = np.hstack([found[f"W_{gate}[h]"], found[f"W_{gate}[x]"]])
        assert np.array_equal(both, getattr(layer, f"W_{gate}"))
        bias = found[f"b_{gate}"] + found.get(f"b_{gate}'", 0)
        assert np.array_equal(bias, getattr(layer, f"b_{gate}"))
    assert np.array_equal(found["W_v"], W_v)


def test_layouts_that_make_no_sense():
    with pytest.raises(InputError, match="no array has the input weights of gate o"):
        Layout({"W": "fig,hx", "U": "o,h"})
    with pytest.raises(InputError, match="array W: got axis 'q'"):
        Layout({"W": "q,hx"})
    with pytest.raises(InputError, match="layout: got 'tensorflow', expected one of gradparity"):
        diagnose(right, layout="tensorflow")


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(["diagnose", *map(str, arguments)])
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def test_command_line(tmp_path, capsys):
    path = tmp_path / "mine.py"
    source = planted("column layer", ("dg = dC * i_s[t]", "dg = dC * h_s[t]"))
    path.write_text(source, encoding="utf-8")
    where = (f"{path}:subject", "--kind", "layer")
    code, out, _ = command(
        capsys, *where, "--json", tmp_path / "d.json", "--figure", tmp_path / "d.png"
    )
    assert code == 1
    assert "B6 is at fault" in out
    assert "wrote h[t], should be i[t]" in out
    assert "mine.py:" in out
    assert max(map(len, out.splitlines())) <= 80
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["verdict"] == "wrong"
    assert found["findings"][0]["location"]["text"] == "dg = dC * h_s[t]"
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = command(capsys, *where, "--format", "github")
    assert code == 1
    assert out.startswith("::error file=")


MISUSED = {
    "def subject(p, x, h, C, d): raise ValueError('no')": "it raised ValueError: no",
    "import time; time.sleep(9)": "importing",
    "x = (": "it raised SyntaxError",
    "import os; os._exit(3)": "the subject's process ended (exit code 3)",
    "def other(): pass": "no function subject, expected one of other",
}


@pytest.mark.parametrize("source", MISUSED)
def test_command_line_with_what_cannot_be_run(source, tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(source, encoding="utf-8")
    code, _, err = command(capsys, f"{path}:subject", "--kind", "layer", "--timeout", "4")
    assert code == 2
    assert MISUSED[source] in err
    assert "Traceback" not in err


def test_gates_in_another_order_than_the_layouts_are_noted():
    exchanged = (
        "np.concatenate([da_i, da_f, da_g, da_o], axis=1)",
        "np.concatenate([da_f, da_i, da_g, da_o], axis=1)",
    )
    template = TEMPLATES["pytorch-like model"]
    found = run(template, planted(template.name, exchanged))
    assert [f.equation for f in found.findings] == ["B7", "B8"]
    assert "gates f and i have each other's gradients" in found.notes[0]


def test_a_cell_that_does_not_read_what_comes_from_later_steps():
    template = TEMPLATES["keras-like cell"]
    unread = ("dC = dh * o * (1 - m**2) + dC_next", "dC = dh * o * (1 - m**2)")
    (finding,) = run(template, planted(template.name, unread)).findings
    assert (finding.equation, finding.mistake) == ("B5", "0 for dC_next")
    assert finding.location.text.startswith("dC = dh * o")
