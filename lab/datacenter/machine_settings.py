"""Limits of the machine's kernel that all servers share, raised while the lab is up and put back after.

An administrator raises them on each container host; here one kernel carries all the hosts.
"""

import json
from pathlib import Path

from .paths import OWNER, RUNTIME

_SYSCTL = Path("/proc/sys")
_SAVED = RUNTIME / "limits.json"
_LIMITS = {
    # Every systemd, kubelet and containerd takes about ten, all as the same user; the default is 128.
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 1048576,
}


def raise_limits() -> None:
    """Raise the limits, keeping what they were."""
    before = json.loads(_SAVED.read_text()) if _SAVED.exists() else {}
    for name, wanted in _LIMITS.items():
        present = int((_SYSCTL / name).read_text())
        if present < wanted:
            before.setdefault(name, present)
            # Saved first: a value that was changed must be known to `down`.
            _SAVED.write_text(json.dumps(before))
            (_SYSCTL / name).write_text(str(wanted))


def restore_limits() -> None:
    """Put back what was raised, unless a lab of another name still needs it."""
    others = [owner for owner in RUNTIME.glob("*/owner") if owner != OWNER]
    if others or not _SAVED.exists():
        return
    for name, value in json.loads(_SAVED.read_text()).items():
        (_SYSCTL / name).write_text(str(value))
    _SAVED.unlink()
