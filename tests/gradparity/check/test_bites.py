"""Test the tester: every planted mistake fails the check and is reported at its equation."""

import inspect
import types
from functools import cache

import numpy as np
import pytest

import manual.cell
import manual.readout
import manual.sequence
import manual.stack
from gradparity.check.blame import attributed, blame
from gradparity.check.cases import Case, Text, draw
from gradparity.check.planted import Planted
from gradparity.check.run import check_case, check_run
from gradparity.lstm.equations import EQUATIONS, NUMBERS, Mistake, known_mistakes
from lstm_spec import load_backend
from lstm_spec.corpus import interpreter_text
from lstm_spec.tree import tree_map

CASES = (
    Case("one layer", "text", 4, 3, 6, masked=True),
    Case("two layers", "text", 4, 3, 6, layers=2, masked=True, dropout=True),
)


@cache
def drawn(case):
    return draw(case, Text.of(interpreter_text()), seed=1)


@cache
def reference(case):
    return load_backend("jax").adjoints(*drawn(case))


def check(subject, case):
    blocks = attributed(check_run(case, *drawn(case), subject, lambda *_: reference(case)))
    return blocks, {found.alternative or found.number for found in blame(blocks)}


def blamed_by(subject, case, number):
    """The numbers blamed; where two explain the failures alike, the one looked for."""
    found = blame(attributed(check_run(case, *drawn(case), subject, lambda *_: reference(case))))
    return {number if number in (b.number, b.alternative) else b.number for b in found}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_simulation_without_mistakes_passes(case):
    blocks, blamed = check(Planted(), case)
    assert all(block.ok for block in blocks)
    assert blamed == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("number", NUMBERS)
def test_every_mistake_of_the_table_is_reported_at_its_equation(number, case):
    mistakes = [m for m in known_mistakes(most_faults=3) if m.number == number]
    assert len(mistakes) >= 10
    blamed = {str(m): blamed_by(Planted([m]), case, number) for m in mistakes}
    assert {name: found for name, found in blamed.items() if found != {number}} == {}


def written(number, gate, slot, code):
    form = next(f for f in EQUATIONS[number, gate].slot(slot).forms if f.code == code)
    return Mistake(number, gate, slot, form)


# The script that the project began from: everything wrong in it, at once.
NOTEBOOK = (
    written("B2", "v", "h", "h[t-1]"),
    written("B4", "o", "m", "m[t-1]"),
    written("B4", "o", "derivative", "sigma(o[t])*(1 - sigma(o[t]))"),
    written("B5", "", "derivative", "(1 - tanh(m[t-1])**2)"),
    written("B6", "g", "derivative", "(1 - tanh(g[t])**2)"),
    written("B7", "i", "derivative", "sigma(i[t])*(1 - sigma(i[t]))"),
    written("B8", "f", "derivative", "sigma(f[t])"),
    written("B8", "f", "C_prev", "C[t-1] (wraps at t = 0)"),
    written("B10", "", "dh_next", "0"),
    written("B11", "", "dC", "0"),
)


@pytest.mark.parametrize("mistake", NOTEBOOK, ids=str)
def test_each_of_the_notebooks_mistakes_alone(mistake):
    assert blamed_by(Planted([mistake]), CASES[0], mistake.number) == {mistake.number}


def test_all_of_the_notebooks_mistakes_at_once():
    blamed = check(Planted(NOTEBOOK), CASES[0])[1]
    assert blamed == {mistake.number for mistake in NOTEBOOK}


# The same in the source of `manual` itself: file, what stands there, what is written instead.
IN_THE_SOURCE = {
    "B1": (manual.readout, "-= 1", "-= 1 - 1e-6"),
    "B2": (manual.readout, "tensordot(dv, h,", "tensordot(dv[1:], h[:-1],"),
    "B3": (manual.readout, "dh[t] = W_v.T @ dv[t]", "dh[t] = 0"),
    "B4": (manual.cell, "d.o * s.o * (1 - s.o)", "d.o * sigmoid(s.o) * (1 - sigmoid(s.o))"),
    "B5": (manual.cell, "(1 - s.m * s.m)", "(1 - np.tanh(s.m) ** 2)"),
    "B6": (manual.cell, "d.g * (1 - s.g * s.g)", "d.g * (1 - np.tanh(s.g) ** 2)"),
    "B7": (manual.cell, "d.i * s.i * (1 - s.i)", "d.i * sigmoid(s.i)"),
    "B8": (manual.cell, "d.f[...] = d.C * s.C_prev", "d.f[...] = d.C * s.C"),
    "B9": (manual.sequence, "tensordot(da, z,", "tensordot(da, np.roll(z, 1, axis=0),"),
    "B10": (manual.sequence, "dh_next = d.z[: len(dh_next)]", "dh_next = 0 * dh_next"),
    "B11": (manual.cell, "return d.C * s.f", "return d.C * s.f**2"),
}


def plant(monkeypatch, module, right, wrong):
    """Run a module's changed source and put its functions in the place of the module's own."""
    source = inspect.getsource(module)
    assert source.count(right) == 1, "the plant no longer fits the source"
    changed = types.ModuleType(module.__name__)
    exec(compile(source.replace(right, wrong), module.__file__, "exec"), changed.__dict__)
    for name, value in vars(changed).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("number", IN_THE_SOURCE)
def test_a_mistake_in_the_source(number, case, monkeypatch):
    plant(monkeypatch, *IN_THE_SOURCE[number])
    assert blamed_by(load_backend("numpy-literal"), case, number) == {number}


SUBTLE = {
    "B4": "d.o * s.o.astype(np.float32) * (1 - s.o)",
    "B7": "d.i * s.i.astype(np.float32) * (1 - s.i)",
    "B8": "d.f * s.f.astype(np.float32) * (1 - s.f)",
}


@pytest.mark.parametrize("number", SUBTLE)
def test_a_gate_cached_in_float32(number, monkeypatch):
    """Wrong by 3e-8 only; a tolerance of 1e-6 would let it pass."""
    plant(
        monkeypatch, manual.cell, SUBTLE[number].replace(".astype(np.float32)", ""), SUBTLE[number]
    )
    blocks, blamed = check(load_backend("numpy-literal"), CASES[0])
    assert blamed == {number}
    assert max(block.judgement.max_rel_error for block in blocks) < 1e-6


def test_an_error_is_local_once_and_inherited_from_there_on():
    blocks, _ = check(Planted([written("B8", "f", "C_prev", "C[t]")]), CASES[0])
    local = {block.symbol for block in blocks if block.local}
    inherited = {block.symbol for block in blocks if block.local is False}
    assert local == {"f", "a_f"}
    assert {"z", "h", "C", "W_f", "W_o"} <= inherited


class Changed(Planted):
    """A right backend whose results are changed on their way out."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def adjoints(self, params, batch):
        return self.change(super().adjoints(params, batch))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number(value):
    def spoil(result):
        result.adjoints.layers[0].a_i[2, 0, 0] = value
        return result

    blocks, _ = check(Changed(spoil), CASES[0])
    failed = [block for block in blocks if not block.ok]
    assert [(b.block, b.judgement.status) for b in failed] == [("layers.0.da_i[t=2]", "not finite")]


class InTraining(Planted):
    """Right adjoints, but wrong gradients where training asks for them."""

    def loss_and_grads(self, params, batch):
        result = Planted([written("B9", "i", "h", "h[t]")]).adjoints(params, batch)
        return result._replace(adjoints=None)


def test_the_gradients_that_training_uses_are_the_ones_judged():
    assert check(InTraining(), CASES[0])[1] == {"B9"}


WRONG_FORWARD = {
    "loss": lambda r: r._replace(loss=2 * r.loss),
    "final h": lambda r: r._replace(final_state=r.final_state._replace(h=0 * r.final_state.h)),
}


@pytest.mark.parametrize("what", WRONG_FORWARD)
def test_a_forward_pass_that_differs_is_all_that_is_said(what):
    blocks, blamed = check(Changed(WRONG_FORWARD[what]), CASES[0])
    assert blamed == {"F"}
    assert sum(not block.ok for block in blocks) == 1


class NoBias(Planted):
    """Forgets b_i, so that its forward pass is another function."""

    def adjoints(self, params, batch):
        layers = tuple(layer._replace(b_i=0 * layer.b_i) for layer in params.layers)
        return super().adjoints(params._replace(layers=layers), batch)


class OwnMask(Planted):
    """Uses another mask than it was given."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def adjoints(self, params, batch):
        return super().adjoints(params, batch._replace(mask=self.change(batch.mask)))


def first_column(mask):
    mask = mask.copy()
    mask[:, 0] = True
    return mask


def first_row(mask):
    mask = mask.copy()
    mask[0] = True
    return mask


def by_length(mask):
    return np.arange(len(mask))[:, None] < mask.sum(axis=0)


class Careless(Planted):
    """Changes its arguments."""

    def adjoints(self, params, batch):
        params.W_v[...] = np.round(params.W_v, 1)
        return super().adjoints(params, batch)


@pytest.mark.parametrize(
    "subject",
    [NoBias(), OwnMask(first_column), OwnMask(first_row), OwnMask(by_length), Careless()],
)
def test_another_forward_function_is_blamed_on_the_forward_pass(subject):
    case = Case("masked", "text", 4, 3, 6, masked=True, runs=4)
    text = Text.of(interpreter_text())
    blocks = check_case(case, text, subject, load_backend("jax").adjoints)
    assert {found.number for found in blame(attributed(blocks))} == {"F"}


MALFORMED = {
    "dtype": lambda r: r._replace(grads=r.grads._replace(b_v=r.grads.b_v.astype(np.float32))),
    "shape": lambda r: r._replace(grads=r.grads._replace(b_v=r.grads.b_v[:, None])),
    "missing": lambda r: r._replace(grads=r.grads._replace(b_v=None)),
    "unexpected": lambda r: r._replace(grads={"own": r.grads}),
    "no adjoints": lambda r: r._replace(adjoints=None),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_result_of_another_form_fails(what):
    blocks, blamed = check(Changed(MALFORMED[what]), CASES[0])
    assert blamed == {"F"}
    assert not any(block.ok for block in blocks)
    assert what in {block.judgement.status for block in blocks} or what == "no adjoints"


def test_zeros_that_should_lead_to_zeros_are_held_to_it():
    """Adjoints of zero and doubled gradients: the sums are wrong too."""

    def spoil(result):
        zero = tree_map(np.zeros_like, result.adjoints)
        return result._replace(adjoints=zero, grads=tree_map(lambda g: 2 * g, result.grads))

    _, blamed = check(Changed(spoil), CASES[0])
    assert {"B2", "B9"} <= blamed
