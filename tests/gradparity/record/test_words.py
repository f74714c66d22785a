"""What is said of a mistake: the words of record/report/words.py, as people read them."""

import pytest

from record.small_subjects import judged, planted

TEXT = """
def loss_and_grads(p, x, y):
    h = np.tanh(x @ p["W"] + p["b"])
    out = h @ p["V"]
    d = (out - y) / len(y)
    dV = h.T @ d
    dh = d @ p["V"].T
    da = dh * (1 - h ** 2)
    return 0.5 * np.sum((out - y) ** 2) / len(y), {"W": x.T @ da, "b": da.sum(0), "V": dV}

def case():
    p = {"W": numbers(3, 4), "b": numbers(4), "V": numbers(4, 4)}
    return loss_and_grads, p, numbers(5, 3), numbers(5, 4)
"""

CAUSES = {
    (
        "d = (out - y) / len(y)",
        "d = out - y",
    ): "the division by `x.shape[0]` is missing at `out - y`",
    ("da = dh * (1 - h ** 2)", "da = dh"): "the factor `(1 - h ** 2)` is missing at `dh`",
    ('d @ p["V"].T', 'd @ p["V"]'): "`d @ p['V']` where `d @ p['V'].T` belongs",
    ("dh * (1 - h ** 2)", "-dh * (1 - h ** 2)"): "`-dh` has a minus too many",
    (
        "d = (out - y)",
        "d = np.tanh(out - y)",
    ): "`np.tanh(out - y)` applies a function too many: `out - y` belongs there",
    ("h.T @ d\n", "out.T @ d\n"): "`out` where `h` belongs",
}


@pytest.mark.parametrize("slip", CAUSES)
def test_a_cause_in_words(slip, tmp_path):
    (finding,) = judged(planted(TEXT, *slip), tmp_path).findings
    assert finding.cause == CAUSES[slip]
