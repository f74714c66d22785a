import os
import signal

import pytest
from hypothesis import settings

from lstm_spec.corpus import interpreter_text

# The gate is float64. Set before anything imports JAX; NumPy-only tests never do.
os.environ.setdefault("JAX_ENABLE_X64", "1")

# Compiling a new shape takes a second, so no deadline; examples are the same each run.
settings.register_profile("gradparity", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("gradparity")


@pytest.fixture
def text(tmp_path):
    """A file of English."""
    path = tmp_path / "english.txt"
    path.write_text(interpreter_text()[:20_000], encoding="utf-8")
    return path


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("GRADPARITY_NO_SKIPS"):
        terminalreporter.write_line(f"{len(skipped)} skipped, none allowed here", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Where every oracle is installed, a skip means that something was not tested."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and reporter.stats.get("skipped") and os.environ.get("GRADPARITY_NO_SKIPS"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# A shell's background job ignores interrupts, and so would every program that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
