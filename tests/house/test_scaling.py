"""`scripts/scaling.py`: the model is fitted as it says; the processes measure what they should."""

import json
import subprocess
import sys

import pytest
from running import SCRIPTS


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))


def test_constants_are_found_again():
    from scalings.model import Compute, Network, fit_compute, fit_network

    compute = Compute(2e-3, 5e-5)
    found = fit_compute([2, 8, 64], [compute.seconds(b) for b in (2, 8, 64)])
    assert found == pytest.approx(compute)
    network = Network(40e-6, 2e9)
    sums = {size: network.seconds(2, size) for size in (4e3, 1e5, 2e7)}
    assert fit_network(sums) == pytest.approx(network)


@pytest.mark.parametrize(
    ("seconds", "expected"), [([1.0, 1.0, 1.0], (1.0, 0.0)), ([1.0, 2.0, 4.0], (0.0, 1.0))]
)
def test_no_constant_is_below_zero(seconds, expected):
    from scalings.model import fit_compute

    assert fit_compute([1, 2, 4], seconds) == pytest.approx(expected, abs=1e-9)
    falling = fit_compute([1, 2, 4], [4.0, 2.0, 1.0])
    assert min(falling) >= 0


def test_a_ring_sends_everything_twice_but_a_part():
    from scalings.model import Network

    network = Network(1e-3, 1e6)
    assert network.seconds(1, 1e6) == 0
    assert network.seconds(2, 1e6) == pytest.approx(2e-3 + 1)
    assert network.seconds(1000, 1e6) == pytest.approx(2 * 999e-3 + 2 * 0.999)


def test_efficiency_falls_with_devices():
    from scalings.model import Compute, Model, Network

    model, network = Model(Compute(1e-3, 1e-4), 10**6, 0.0), Network(1e-5, 1e9)
    found = [model.efficiency(network, n, 16) for n in (1, 2, 64, 1024)]
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert model.step(network, 2, 16) == pytest.approx(2.6e-3 + 2e-5 + 1e-3)


def scaling(*arguments):
    program = [sys.executable, str(SCRIPTS / "scaling.py"), *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--case", "5x6x8x4"], "--case: 6 sequences, expected a multiple of 8"),
        (["--counts", "1", "4"], "--counts: got (1, 4), expected 1, 2 and others above"),
        (["--figure", "curves.txt"], "--figure curves.txt: expected a name in .png"),
    ],
)
def test_what_cannot_be_measured(arguments, said):
    done = scaling(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_two_processes_are_measured(tmp_path):
    paths = tmp_path / "found.json", tmp_path / "curves.png"
    few = "--case", "5x8x16x6", "--counts", "1", "2", "--seconds", "0.01"
    done = scaling(*few, "--json", paths[0], "--figure", paths[1])
    assert done.returncode == 0, done.stderr
    found = json.loads(paths[0].read_text())
    (one,) = found["cases"]
    for way in ("strong", "weak"):
        for times in one[way].values():
            assert list(times) == ["1", "2"]
            assert all(seconds > 0 for seconds in times.values())
    assert one["bytes"] == 4 * (4 * 16 * (16 + 6 + 1) + 6 * (16 + 1))
    assert one["predicted"]["10 Gb/s Ethernet"]["weak"]["1"] == 1
    assert paths[1].stat().st_size > 10_000
    assert "Efficiency by the model" in done.stdout
