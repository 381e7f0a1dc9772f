"""What the machine must have. What is missing is said at once and all together; Debian packages are installed."""

import os

from .errors import LabError


def require_root() -> None:
    """Raise unless this process may make namespaces and mounts."""
    if os.geteuid() != 0:
        raise LabError("needs root: servers are namespaces, mounts and control groups; run it with sudo")


def prepare(say) -> None:
    pass
