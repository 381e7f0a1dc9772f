"""The services of a server, and whether they run with what is on disk."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from k8s_lifecycle.server.command import output
from k8s_lifecycle.wording import last_useful_lines

NOT_INSTALLED = "none"

_ENABLED = ("enabled", "static", "alias", "indirect")
_RELOAD_TIMEOUT = 20.0
_OLDER_PROGRAM = "active with an older program"
_POLL = 0.1


def active(*names: str) -> frozenset[str]:
    """Return which of these services run."""
    # The status says only that some do not run; 4 that systemd does not know some.
    states = output("systemctl", "is-active", *names, accept=(0, 1, 3, 4)).split()
    return frozenset(name for name, state in zip(names, states, strict=True) if state == "active")


def states(*names: str) -> dict[str, str]:
    """Return the state of each of these services, such as `active` or `failed`; NOT_INSTALLED without one."""
    shown = output("systemctl", "show", *names, "--property=LoadState,ActiveState").strip().split("\n\n")
    units = (dict(line.split("=", 1) for line in unit.splitlines()) for unit in shown)
    return {
        name: NOT_INSTALLED if unit["LoadState"] == "not-found" else unit["ActiveState"]
        for name, unit in zip(names, units, strict=True)
    }


def differences(name: str, files: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return what is not as it should be: running, enabled, and (re)started after its files last changed.

    The files' change times are compared with the service's, so a run that was killed between writing a file
    and restarting the service is made up for by the next.
    """
    shown = _show(name)
    found = {}
    if shown["UnitFileState"] not in _ENABLED:
        found["enabled"] = {"old": shown["UnitFileState"] or "no such unit", "new": "enabled"}
    if shown["ActiveState"] != "active":
        found["running"] = {"old": shown["ActiveState"], "new": "active"}
    elif changed := [path for path in files if _changed(path) > _since(shown)]:
        older = (
            _OLDER_PROGRAM if any(os.access(path, os.X_OK) for path in changed) else "active with older files"
        )
        found["running"] = {"old": older, "new": "active with the files on disk"}
    return found


def started_before(name: str, files: Sequence[str]) -> list[str]:
    """Return the files that were put where they are after a process of a service began, reloaded or not."""
    began = _ago(output("systemctl", "show", name, "--property=ExecMainStartTimestampMonotonic", "--value"))
    return [path for path in files if _changed(path) > began]


def converge(name: str, differences: Mapping[str, Mapping[str, str]], reload: bool) -> None:
    """Enable, start, restart or reload a service, as its differences ask for; no reload changes a program."""
    if _show(name)["NeedDaemonReload"] == "yes":
        output("systemctl", "daemon-reload")
    if "enabled" in differences:
        output("systemctl", "enable", name)
    if "running" in differences:
        reload = reload and differences["running"]["old"] != _OLDER_PROGRAM
        output("systemctl", "reload-or-restart" if reload else "restart", name, timeout=120)
        _wait_until_settled(name)


def stop(name: str) -> None:
    """Stop a service, now and at every boot."""
    if states(name)[name] != NOT_INSTALLED:
        output("systemctl", "disable", "--now", name, timeout=120)


def last_lines(name: str) -> str:
    """Return the last lines of a service's journal."""
    lines = output("journalctl", f"--unit={name}", "--no-pager", "--output=cat", "--lines=20")
    return last_useful_lines(lines, 5)


def _wait_until_settled(name: str) -> None:
    """A reload goes on after `systemctl` has returned."""
    deadline = time.monotonic() + _RELOAD_TIMEOUT
    while _show(name)["ActiveState"] in ("activating", "reloading") and time.monotonic() < deadline:
        time.sleep(_POLL)


def _show(name: str) -> dict[str, str]:
    properties = "ActiveState,UnitFileState,NeedDaemonReload,StateChangeTimestampMonotonic"
    lines = output("systemctl", "show", name, f"--property={properties}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def _since(shown: dict[str, str]) -> float:
    """Return when a service was last started or reloaded, in seconds since the epoch."""
    return _ago(shown["StateChangeTimestampMonotonic"])


def _ago(monotonic: str) -> float:
    """Return systemd's monotonic time, in microseconds, in seconds since the epoch."""
    return time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - int(monotonic) / 1e6)


def _changed(path: str) -> float:
    """Return when a file was put where it is; its modification time may be that of a package's build."""
    try:
        return Path(path).stat().st_ctime
    except FileNotFoundError:
        return 0.0
