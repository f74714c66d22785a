"""Whether other programs used the processor while something was measured (Linux)."""

import os
import resource
from pathlib import Path

STAT = Path("/proc/stat")
TOLERATED = 0.1  # of one core, on average


class Watch:
    """Counts from here on."""

    def __init__(self) -> None:
        self._all, self._ours, self._start = _busy(), _ours(), _since_boot()

    def disturbed(self) -> bool:
        """Whether others had more than a little of a core's time; False where nobody can tell."""
        if not STAT.exists():
            return False
        others = (_busy() - self._all) - (_ours() - self._ours)
        return others > TOLERATED * (_since_boot() - self._start)


def _busy() -> float:
    """Processor seconds that anybody used."""
    if not STAT.exists():
        return 0.0
    user, nice, system, _idle, _wait, *rest = map(int, STAT.read_text().split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _ours() -> float:
    """Processor seconds that this process and the children it waited for used."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, who))


def _since_boot() -> float:
    return float(Path("/proc/uptime").read_text().split()[0]) if STAT.exists() else 0.0
