"""The clock of a search runs as slowly as its machine does."""

import time

import pytest

from gradparity.record.locate import clock


@pytest.fixture
def anew():
    clock.slowness.cache_clear()
    yield
    clock.slowness.cache_clear()


@pytest.mark.parametrize(
    ("taken", "slowness"), [(0.2, 1.0), (1.0, 1.0), (1.5, 1.5), (50.0, clock.SLOWEST)]
)
def test_how_slow_a_machine_is(taken, slowness, anew, monkeypatch):
    monkeypatch.setattr(clock, "_little_work", lambda: taken * clock.REFERENCE)
    assert clock.slowness() == pytest.approx(slowness)
    before = time.process_time()
    assert before / slowness <= clock.now() <= time.process_time() / slowness


def test_work_takes_time():
    assert clock._little_work() > 0
    assert 1 <= clock.slowness() <= clock.SLOWEST
