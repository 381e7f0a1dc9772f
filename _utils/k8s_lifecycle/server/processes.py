"""The processes of a server, from /proc."""

import contextlib
import os
import signal
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

PROC = Path("/proc")
UNIT = "k8s-kubeadm.service"
VERBS = frozenset({"init", "join", "reset", "upgrade"})


def names(proc: Path = PROC) -> frozenset[str]:
    """Return the names of all processes."""
    return frozenset(name for directory in _directories(proc) if (name := _read(directory / "comm").strip()))


def started(wanted: Collection[str], proc: Path = PROC) -> dict[str, float]:
    """Return when processes with these names started, as seconds since the epoch; of several the latest."""
    found: dict[str, float] = {}
    for directory in _directories(proc):
        name = _read(directory / "comm").strip()
        if name in wanted:
            found[name] = max(found.get(name, 0.0), _started(directory, proc))
    return found


def end(wanted: Collection[str], proc: Path = PROC) -> None:
    """Ask processes with these names to end."""
    for directory in _directories(proc):
        if _read(directory / "comm").strip() in wanted:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(directory.name), signal.SIGTERM)


def kubeadm(proc: Path = PROC) -> dict[str, Any] | None:
    """Return the kubeadm that changes this server now, if one does: verb, pid, start, whether it is ours."""
    for directory in _directories(proc):
        program, *arguments = _read(directory / "cmdline").split("\0")
        if Path(program).name != "kubeadm" or _in_container(directory, proc):
            continue
        if arguments and arguments[0] in VERBS:
            return {
                "verb": arguments[0],
                "pid": int(directory.name),
                "since": _started(directory, proc),
                "ours": UNIT in _read(directory / "cgroup"),
            }
    return None


def _in_container(directory: Path, proc: Path) -> bool:
    """Whether a process runs in a container on this server: what it changes is not this server."""
    try:
        return (directory / "ns/pid").readlink() != (proc / "self/ns/pid").readlink()
    except OSError:  # it has ended, or only root may look
        return False


def _started(directory: Path, proc: Path) -> float:
    """Return when a process started, as seconds since the epoch."""
    fields = _read(directory / "stat").rpartition(")")[2].split()
    boot = next(line for line in _read(proc / "stat").splitlines() if line.startswith("btime"))
    ticks = int(fields[19]) if fields else 0
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


def _directories(proc: Path) -> Iterator[Path]:
    return (entry for entry in proc.iterdir() if entry.name.isdigit())


def _read(path: Path) -> str:
    """A process may end while it is looked at."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
