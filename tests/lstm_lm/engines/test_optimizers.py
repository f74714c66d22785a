"""The optimisers by hand, held to optax step for step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from drawing import draw_params

from gradparity import compare
from lstm_lm.config.options import Options
from lstm_lm.engines.jax_engine import apply_rule, update_rule
from lstm_lm.engines.optimizers import Optimizer, clip, global_norm
from lstm_lm.engines.schedule import Course, learning_rate
from lstm_spec.tree import leaves, tree_map

NAMES = ("sgd", "momentum", "adam", "adamw")


def drawn(seed, scale=1.0):
    return tree_map(lambda leaf: scale * leaf, draw_params(layers=2, seed=seed))


def follow_optax(options, steps=12):
    """Both optimisers' parameters after each of some steps with the same gradients."""
    optimizer, rule = Optimizer(options), update_rule(options)
    ours = theirs = drawn(0)
    moments, theirs_moments = optimizer.init(ours), optimizer.init(ours)
    for step in range(steps):
        grads, rate = drawn(step + 1, 10.0 if step % 3 else 0.1), 0.01 / (step + 1)
        ours, moments = optimizer.update(
            ours, clip(grads, options, global_norm(grads)), moments, rate
        )
        direction, theirs_moments = apply_rule(rule, options, grads, theirs_moments, theirs)
        theirs = jax.tree.map(lambda p, u, r=rate: p + -r * u, theirs, direction)
        yield (ours, moments), (tree_map(np.asarray, theirs), theirs_moments)


@pytest.mark.parametrize("name", NAMES)
def test_exactly_optax_in_float64(name):
    """Not one bit differs, moments included."""
    options = Options(optimizer=name, clip=0)
    for (ours, moments), (theirs, others) in follow_optax(options):
        assert leaves(ours).keys() == leaves(theirs).keys()
        for path, leaf in leaves(ours).items():
            np.testing.assert_array_equal(leaf, leaves(theirs)[path], err_msg=path)
        for kind in ("first", "second"):
            found = leaves(getattr(others, kind))
            for path, leaf in leaves(getattr(moments, kind)).items():
                np.testing.assert_array_equal(leaf, np.asarray(found[path]), err_msg=path)


@pytest.mark.parametrize("clip_by", ["global", "leaf"])
@pytest.mark.parametrize("name", NAMES)
def test_with_clipping(name, clip_by):
    for (ours, _), (theirs, _) in follow_optax(Options(optimizer=name, clip_by=clip_by)):
        compare(ours, theirs, rtol=1e-14)


def test_our_rules_are_optax_optimisers():
    """The chains that both engines use are those of optax.sgd, adam and adamw."""
    params, rate = drawn(0), 0.01
    named = {
        "sgd": optax.sgd(rate),
        "momentum": optax.sgd(rate, momentum=0.9),
        "adam": optax.adam(rate),
        "adamw": optax.adamw(rate, weight_decay=0.01),
    }
    for name, whole in named.items():
        optimizer = Optimizer(Options(optimizer=name, clip=0))
        ours, moments = params, optimizer.init(params)
        theirs, state = jax.tree.map(jnp.asarray, params), whole.init(params)
        for step in range(5):
            grads = drawn(step + 1)
            ours, moments = optimizer.update(ours, grads, moments, rate)
            updates, state = whole.update(grads, state, theirs)
            theirs = optax.apply_updates(theirs, updates)
        compare(ours, theirs, rtol=1e-14)


def test_clipping_by_definition():
    grads = {"large": np.array([30.0, 40.0]), "small": np.array([0.3, 0.4])}
    by_leaf = clip(grads, Options(clip=5.0, clip_by="leaf"), global_norm(grads))
    compare(by_leaf, {"large": np.array([3.0, 4.0]), "small": np.array([0.3, 0.4])})
    together = clip(grads, Options(clip=5.0), global_norm(grads))
    assert global_norm(together) == pytest.approx(5)
    assert together["small"][0] / together["large"][0] == pytest.approx(0.01)
    assert clip(grads, Options(clip=0.0), global_norm(grads)) is grads
    assert clip(grads, Options(clip=51.0), global_norm(grads)) is grads


def test_an_update_changes_nothing_in_place():
    optimizer = Optimizer(Options(optimizer="adamw"))
    params, grads = drawn(0), drawn(1)
    moments = optimizer.init(params)
    before = tree_map(np.copy, (params, grads, moments.first, moments.second))
    optimizer.update(params, grads, moments, 0.1)
    after = (params, grads, moments.first, moments.second)
    for old, new in zip(leaves(before).values(), leaves(after).values(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name):
    optimizer = Optimizer(Options(optimizer=name))
    params = draw_params(dtype="float32")
    new, moments = optimizer.update(params, params, optimizer.init(params), 0.1)
    dtypes = {leaf.dtype.name for leaf in leaves((new, moments.first, moments.second)).values()}
    assert dtypes == {"float32"}


def rates(steps, **options):
    resolved = Options(**options).resolved()
    return [learning_rate(resolved, step, steps, Course()) for step in range(steps)]


def test_schedules():
    warm = rates(10, schedule="constant", warmup=4, learning_rate=1.0)
    assert warm == [0.25, 0.5, 0.75, 1.0, 1, 1, 1, 1, 1, 1]
    cosine = rates(100, schedule="cosine", warmup=0, learning_rate=2.0)
    exact = [float(1 + np.cos(np.pi * step / 100)) for step in range(100)]
    assert cosine == pytest.approx(exact, rel=1e-15)
    joined = rates(100, schedule="cosine", warmup=10, learning_rate=1.0)
    assert max(joined) == joined[9] == joined[10] == 1.0


def test_the_plateau_halves_the_rate_and_patience_runs_out():
    options = Options(
        schedule="plateau", warmup=0, learning_rate=1.0, plateau_patience=2
    ).resolved()
    course, rates_seen = Course(), []
    for step, loss in enumerate([3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 1.0]):
        course = course.after(loss, step, options)
        rates_seen.append(learning_rate(options, step, 100, course))
    assert rates_seen == [1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    assert course == Course(1.0, 6, 0, 2)
