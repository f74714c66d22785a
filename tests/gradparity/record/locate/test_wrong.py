"""Mistakes in the subjects: the line is named, and the repair is what stood there."""

import pytest
from record.subject_files import brought, written

from gradparity.record.bring import recorded
from gradparity.record.examine.engine import examine
from gradparity.record.locate import case
from gradparity.record.report.explain import recording_of
from gradparity.record.run.runs import Runner

MISTAKES = [
    ("a_01_mlp_tanh.py", "db1 = da1.sum(axis=0)", "db1 = b1.sum(axis=0)"),
    ("a_04_svm_hinge.py", "coeff /= num_train", "coeff /= reg"),
    ("a_14_embedding_bag.py", "avg.T @ dlogits", "params['b'] @ dlogits"),
    ("a_17_mha_causal.py", "dscores *= scale", "dscores *= -scale"),
    ("b_lstm_two_outputs.py", "dW += z", "dW -= z"),
    ("b_vae_elbo.py", "dhe = dmu @ p['mu_w'].T + dlogvar @ p['lv_w'].T", "dhe = dmu @ p['mu_w'].T"),
    (
        "a_24_bilinear.py",
        "dpre = np.dot(self.U, dout[n]) * expit(self.pre[n])",
        "dpre = np.dot(self.U, dout[n])",
    ),
    ("b_mdn_head.py", "(post/sigma**2)", "(post/dOut[:, 0:nMix]**2)"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), MISTAKES)
def test_the_line_is_named_and_repaired(name, right, wrong, tmp_path):
    module = written(name, tmp_path, (right, wrong))
    text = (tmp_path / name).read_text(encoding="utf-8").splitlines()
    (line,) = [n for n, t in enumerate(text, 1) if wrong in t]
    runner = Runner(brought(module))
    found = recording_of(examine(runner), runner)
    assert not found.ok
    assert [f.line for f in found.findings] == [line]
    assert found.findings[0].cause
    repaired = written(
        name, tmp_path, (right, wrong), (text[line - 1].strip(), found.findings[0].repair)
    )
    assert examine(Runner(brought(repaired))).ok


SEVERAL = {
    "a sign that shows in two lines behind it": (
        "a_18_attention_single.py",
        ("['Wk'] = np.matmul(Xt, dK)", "['Wk'] = np.matmul(Xt, dV)"),
        ("dV = np.matmul(self.A", "dV = -np.matmul(self.A"),
    ),
    "a sum that begins as a plain 0": (
        "b_gru_before.py",
        ("dh_next = dh * (1 - z)", "dh_next = 0.5 * (dh * (1 - z))"),
        ("dbz = dbz + daz", "dbz = dbh + daz"),
    ),
}


@pytest.mark.parametrize("what", SEVERAL)
def test_two_at_once(what, tmp_path):
    name, *pairs = SEVERAL[what]
    runner = Runner(brought(written(name, tmp_path, *pairs)))
    found = recording_of(examine(runner), runner)
    wrong = {next(w for _, w in pairs if w in f.text) for f in found.findings}
    assert wrong == {w for _, w in pairs}
    assert len(found.findings) == 2
    assert all(f.cause and f.repair for f in found.findings)


SHAPES = [
    ("b_gcn.py", "d_weight = self.agg.T @ dz", "d_weight = dz"),
    ("a_05_conv_loops.py", "dx = dx_pad[:, :, pad:pad + H, pad:pad + W]", "dx = dx_pad"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), SHAPES)
def test_where_a_wrong_shape_comes_from(name, right, wrong, tmp_path, monkeypatch):
    monkeypatch.setattr(case, "SECONDS", 5.0)  # the line is told without a cause
    runner = Runner(brought(written(name, tmp_path, (right, wrong))))
    found = recording_of(examine(runner), runner)
    assert [f.text for f in found.findings] == [wrong]


def test_a_report_is_an_error_message(tmp_path):
    module = written("a_01_mlp_tanh.py", tmp_path, ("(1 - h ** 2)", "(1 - h)"))
    found = recorded(module.loss_and_grads, module.arguments(), {})
    with pytest.raises(AssertionError, match="is at fault"):
        found.raise_if_wrong()
    assert found.to_json()["findings"][0]["line"] == found.findings[0].line
