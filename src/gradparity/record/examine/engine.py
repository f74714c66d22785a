"""From a subject to a verdict, and from a wrong one to the lines that make it so."""

import numpy as np

from gradparity.record.examine.examination import Examination
from gradparity.record.examine.guards import same_as_differences, same_as_plain
from gradparity.record.examine.held import hold
from gradparity.record.examine.lstm import Equations
from gradparity.record.examine.meaning import meanings
from gradparity.record.examine.remarks import clipped, leftovers, manners, missing
from gradparity.record.examine.seek import Seeker
from gradparity.record.graph.rules import Rules
from gradparity.record.graph.truth import Truth, close, scale_of
from gradparity.record.locate.case import Case
from gradparity.record.locate.search import certain, explained, rescaled
from gradparity.record.locate.suspects import suspects
from gradparity.record.locate.trials.grants import Grant
from gradparity.record.locate.trials.repairs import Explanation
from gradparity.record.run.claims import claim
from gradparity.record.run.clipping import without_clipping
from gradparity.record.run.hidden import hidden_by
from gradparity.record.run.runs import Record, Runner
from lstm_spec import InputError

BROKE_OFF = "one way to look for the line broke off"
OTHER_SEED = 1009


def examine(runner: Runner, rules: Rules | None = None) -> Examination:
    """Record, differentiate, compare, and find what is wrong.

    Args:
        runner: runs the subject.
        rules: derivatives known from before.

    Raises:
        RecordError: the subject cannot be followed, or was followed wrongly.
        InputError: no gradient was found.
    """
    rules = rules or Rules()
    plain = runner.plain()
    if not runner.sources.found and runner.form.look_around():
        plain = runner.plain()
    claimed = claim(runner, plain, rules)
    if not runner.sources.found:
        raise InputError(
            "no gradient was found: expected them returned, kept under the parameters' names "
            "(dW, gradW, W_grad, grads['W']), or in an update of the parameters, which a learning "
            "rate of 0 hides"
        )
    clips = without_clipping(runner)
    watched = runner.plain(runner.hooks())
    record = runner.recorded()
    truth = Truth.of(record.graph, record.seeds, rules)
    found = Examination()
    found.true = {p: truth.adjoints[record.parameters[p]] for p in runner.sources.found}
    found.got = watched.gradients
    same_as_plain(record, watched.gradients)
    same_as_differences(runner, record, truth)
    scale = scale_of(found.true.values())
    for path, truly in found.true.items():
        right = close(watched.gradients[path], truly, scale)
        (found.right if right else found.wrong).append(path)
    found.notes = [
        *manners(runner, plain.changed), *claimed, *missing(runner, record, truth),
        *(clipped(clips) or leftovers(runner, plain, watched)),
    ]  # fmt: skip
    found.hidden = hidden_by(runner, record)
    found.held, found.unheld = hold(runner, record, truth)
    if found.wrong:
        with np.errstate(all="ignore"):  # a change that overflows when it is tried is no warning
            _locate(found, runner, record, truth, rules, watched.loss)
    return found


def _locate(
    found: Examination, runner: Runner, record: Record, truth: Truth, rules: Rules, loss: float
) -> None:
    """Look for the wrong lines; an explanation counts if it holds on other numbers as well."""
    seek = Seeker(found, runner, record, truth, rules, loss)
    case, factor = seek.case(), seek.factor
    explanation = explained(case)
    if factor != 1.0:
        found.notes.append(
            f"the backward pass is {factor:.6g} times the gradient of this loss where it begins"
        )
        if len(explanation.right) == len(found.true):
            case, alone = seek.case(1.0), not explanation.trials
            trials = [t.over(factor) if isinstance(t, Grant) else t for t in explanation.trials]
            explanation = explanation if alone else rescaled(case, trials)
            if alone or not explanation.complete:
                explanation = explained(case, explanation.trials)
    if case.failures:
        found.notes.append(f"{BROKE_OFF} ({case.failures[0]}): please report it")
    granted = any(isinstance(t, Grant) for t in explanation.trials)
    if explanation.complete and (granted or _confirmed(runner, case, explanation, rules)):
        found.explanation = explanation
    else:
        kept = certain(case, explanation.trials)
        found.explanation = case.court.evaluated(kept) if kept else None
        found.suspects = suspects(case, kept)
        found.notes.append(
            "the backward pass is held to the forward pass as it is written: where these lines are "
            "as you meant them, look there"
        )
    if found.explanation:
        repairs = found.explanation.trials
        after, _ = case.recorded_with(repairs)
        found.meanings = meanings(
            repairs, seek.record, after, seek.truth, seek.table, runner, seek.both
        )
        equations = Equations(seek.record.graph, seek.truth)
        for number, meaning in found.meanings.items():
            named = (equations.of(q) for q in meaning.quantities)
            found.equations[number] = next(filter(None, named), "")


def _confirmed(runner: Runner, case: Case, explanation: Explanation, rules: Rules) -> bool:
    """Whether the changes put the gradients right on another set of random numbers."""
    other = runner.reseeded(OTHER_SEED)
    record = other.recorded()
    truth = Truth.of(record.graph, record.seeds, rules)
    version = case.court.version(explanation.trials)
    hooks = other.hooks(version.patches, version.codes)
    plain = other.plain(hooks)
    right = {p: truth.adjoints[record.parameters[p]] for p in other.sources.found}
    scale = scale_of(right.values())
    return all(close(plain.gradients.get(p), v, scale) for p, v in right.items())
