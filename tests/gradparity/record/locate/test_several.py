"""Several mistakes at once, of which each hides the next."""

import ast

import pytest
from record.scoring import original, runner_of
from record.small_subjects import RULES, blamed, judged, line_with, planted

from gradparity.record.examine.engine import BROKE_OFF, examine
from gradparity.record.locate import refine
from gradparity.record.locate.trials.grants import Grant
from gradparity.record.report.explain import recording_of
from gradparity.record.report.words import cause_of, repair_of

CHAIN = """
def forward(x, w, v):
    logits = x @ w
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return np.log(p @ v), (x, w, v, p)

def backward(dout, cache):
    x, w, v, p = cache
    dmix = dout / (p @ v)
    dv = p.T @ dmix
    dp = dmix @ v.T
    inner = np.sum(dp * p, axis=1, keepdims=True)
    dlogits = p * (dp - inner)
    dw = x.T @ dlogits
    dx = dlogits @ w.T
    return dx, dw, dv

def case():
    return (forward, backward), numbers(5, 3), numbers(3, 4), np.abs(numbers(4, 2)) + 0.1
"""

FLAT = """
def parts(theta):
    return theta[:12].reshape(3, 4), theta[12:28].reshape(4, 4), theta[28:].reshape(4, 2)

def loss_and_grad(theta, x, y):
    w, u, v = parts(theta)
    h = np.tanh(x @ w)
    k = np.tanh(h @ u)
    r = k @ v - y
    grad = np.zeros_like(theta)
    dw, du, dv = parts(grad)
    dv += k.T @ r
    dk = (r @ v.T) * (1 - k * k)
    du += h.T @ dk
    dh = (dk @ u.T) * (1 - h * h)
    dw += x.T @ dh
    return 0.5 * np.sum(r * r), grad

def case():
    return loss_and_grad, numbers(36), numbers(5, 3), numbers(5, 2)
"""

EXCHANGED = (
    "    dOut[:, 2*nMix:] = dCentres.reshape(nBatch, nMix*nDim)",
    "    dOut = dOut*dNll[:, None]",
)

SEVERAL = {
    "a chain": (CHAIN, {
        "dmix = dout / (p @ v)": "dmix = -dout / (p @ v)",
        "dlogits = p * (dp": "dlogits = dp * (dp",
        "dw = x.T @": "dw = 2 * x.T @",
        "dx = dlogits @": "dx = -dlogits @",
    }),
    "two of them side by side": (CHAIN, {
        "dp * p, axis": "dp * dp, axis",
        "dlogits = p * (dp - inner)": "dlogits = p * (dp - inner) * p",
    }),
    "pieces of one vector": (FLAT, {
        "dk = (r @ v.T) * (1 - k * k)": "dk = (r @ v.T) * (1 - k)",
        "dh = (dk @ u.T) * (1 - h * h)": "dh = (dk @ u.T)",
        "du += h.T": "du -= h.T",
    }),
    "the first of them beyond every edit": (CHAIN, {
        "dp = dmix @ v.T": "dp = np.cos(p) + dmix.sum() * np.sin(p)",
        "dlogits = p * (dp": "dlogits = p * p * (dp",
        "dw = x.T @": "dw = 0.5 * x.T @",
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", SEVERAL)
def test_every_line_is_named_and_no_other(name, tmp_path):
    text, mistakes = SEVERAL[name]
    for right, wrong in mistakes.items():
        text = planted(text, right, wrong)
    found = judged(text, tmp_path)
    assert blamed(found) == sorted(line_with(text, wrong) for wrong in mistakes.values()), str(
        found
    )


@pytest.mark.parametrize("text", [CHAIN, FLAT])
def test_they_are_right_as_they_stand(text, tmp_path):
    assert judged(text, tmp_path).ok


def test_what_was_granted_first_is_mended_when_nothing_else_is_wrong(tmp_path):
    text, mistakes = SEVERAL["the first of them beyond every edit"]
    for right, wrong in mistakes.items():
        text = planted(text, right, wrong)
    found = {f.line: f for f in judged(text, tmp_path).findings}
    first = found[line_with(text, "np.cos")]
    assert first.repair == "dp = dmix @ v.T"
    assert first.should_be == "the gradient by `p`, set in line 16"


def test_a_repair_without_which_another_cannot_be_run(monkeypatch):
    """`priors` gets the shape that a later repair needs; the look for better ones goes on."""
    monkeypatch.setattr(refine, "ALL_SECONDS", 0.0)  # another look, and a long one
    name = "b_mdn_head.py"
    text = planted(original(name), "dCentres = diff*(post", "dCentres = 0.5*diff*(post")
    head, tail = (line + "\n" for line in EXCHANGED)
    runner = runner_of(planted(text, head + tail, tail + head), name)
    found = recording_of(examine(runner, RULES), runner)
    assert found.verdict == "wrong"
    assert not any(BROKE_OFF in note for note in found.notes), found.notes


def test_a_granted_value_has_no_words():
    grant = Grant(None, (), ast.parse("x", mode="eval").body)
    assert cause_of(grant) == ""
    assert repair_of([grant]) == ""
