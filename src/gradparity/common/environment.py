"""What a result depends on besides the code."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version


def environment() -> dict[str, str]:
    """Versions of Python, gradparity and of the libraries whose arithmetic is compared."""
    found = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    for package in ("gradparity", "numpy", "jax", "jaxlib", "torch"):
        if package in ("gradparity", "numpy") or package in sys.modules:
            found[package] = _version(package)
    return found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"
