"""Which processor this is, as the system describes it."""

import platform
from pathlib import Path

DESCRIBED = Path("/proc/cpuinfo")  # of Linux


def described(path: Path = DESCRIBED) -> dict[str, str]:
    """The first processor's entries; none where the system keeps no such file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def processor(path: Path = DESCRIBED) -> str:
    """Maker, family and model: "GenuineIntel 6 207". A virtual machine may hide a better name."""
    found = described(path)
    numbers = [found[key] for key in ("vendor_id", "cpu family", "model") if key in found]
    return " ".join(numbers) or platform.processor() or platform.machine()
