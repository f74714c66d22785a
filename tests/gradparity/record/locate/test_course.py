"""The course script that the project began from: every mistake named, with its equation."""

from record.mistaken import course_script
from record.small_subjects import RULES

from gradparity.record.examine.engine import examine
from gradparity.record.report.explain import recording_of
from gradparity.record.run.runs import Runner
from gradparity.record.subject.forms import form_of

# What the line says, and the equation that it computes.
WRONG = [
    ("C_prev = C[t - 1]", ""),
    ("dv[np.argmax(targets[t])] -= 1", ""),
    ("W_v_d += np.dot(dv, h[t].T)", "B2"),
    ("do = dh * tanh(C[t])", "B4"),
    ("do = sigmoid(o[t], derivative=True) * do", "B4"),
    ("dC += dh * o[t] * tanh(tanh(C[t]), derivative=True)", "B5"),
    ("dg = tanh(g[t], derivative=True) * dg", "B6"),
    ("di = sigmoid(i[t], True) * di", "B7"),
    ("df = sigmoid(f[t]) * df", "B8"),
    ("dh_prev = dz[:hidden_size, :]", "B10"),
    ("dC_prev = f[t] * dC", "B11"),
]


def test_every_mistake_of_the_course_script_is_named():
    function, *arguments = course_script.case()
    runner = Runner(form_of(function, tuple(arguments), {}))
    found = recording_of(examine(runner, RULES), runner)
    assert [(f.text, f.equation) for f in found.findings] == WRONG, str(found)
    assert all(f.cause and f.repair for f in found.findings)
    assert any("clips the gradients by norm" in note for note in found.notes)
