"""Control groups (v1): one tree per server in every hierarchy, which also is the list of its processes.

Two kubelets must not share a tree, and a server's processes must be found, frozen and killed as one,
whatever they forked and however the lab's own commands died.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from .deadline import wait_until
from .paths import LAB_NAME

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
FREEZE_SECONDS, TRY_SECONDS = 30, 1
HIERARCHIES = (*CONTROLLERS, "systemd", "unified")


def missing_hierarchies() -> list[str]:
    """Name the hierarchies that this machine does not have mounted, or not for writing."""
    return [name for name in HIERARCHIES if not os.access(MOUNT / name / "cgroup.procs", os.W_OK)]


def create(server: str) -> None:
    """Make the server's group in every hierarchy; existing ones stay."""
    for hierarchy in HIERARCHIES:
        group = _group(hierarchy, server)
        group.mkdir(parents=True, exist_ok=True)
        if hierarchy == "cpuset":
            _inherit_cpuset(group)


def join(server: str) -> None:
    """Put the calling process, and so what it starts from now on, into all groups of the server."""
    for hierarchy in HIERARCHIES:
        (_group(hierarchy, server) / "cgroup.procs").write_text(str(os.getpid()))


def servers() -> list[str]:
    """Name every server that has a group, whether or not anything runs in it."""
    return sorted({group.name for group in _lab_groups() if group.is_dir()})


def processes(server: str) -> list[int]:
    """List every process of the server, those in groups made by its own systemd and kubelet included."""
    found: set[int] = set()
    for group in _tree(_group("freezer", server)):
        found.update(int(pid) for pid in (group / "cgroup.procs").read_text().split())
    return sorted(found)


def freeze(server: str) -> None:
    """Stop every process of the server where it stands; only the kernel still answers for it."""

    def frozen() -> bool:
        # A program with threads that becomes another one (exec) waits for their end. Where they froze first,
        # the server never is: all go on for a moment, and are stopped again.
        if _freezer(server).read_text().strip() == "FREEZING":
            thaw(server)
        _set_freezer(server, "FROZEN", TRY_SECONDS)
        return True

    wait_until(f"{server} to stop", frozen, FREEZE_SECONDS)


def thaw(server: str) -> None:
    """Let a frozen server go on."""
    _set_freezer(server, "THAWED", FREEZE_SECONDS)


def is_frozen(server: str) -> bool:
    """Say whether the server is frozen."""
    state = _freezer(server)
    return state.exists() and state.read_text().strip() != "THAWED"


def kill(server: str) -> None:
    """End every process of the server at once, as a power cut does."""
    # Frozen first, so that nothing can react to the death of its neighbour.
    if not _group("freezer", server).exists():
        return
    freeze(server)
    for pid in processes(server):
        _kill(pid)
    thaw(server)
    wait_until(f"all processes of {server} to end", lambda: not processes(server), seconds=30)


def remove(server: str) -> None:
    """Remove the empty groups of a server."""
    for hierarchy in HIERARCHIES:
        for group in _tree(_group(hierarchy, server)):
            _remove_group(group)


def remove_lab() -> None:
    """Remove the groups above the servers'."""
    for hierarchy in HIERARCHIES:
        group = MOUNT / hierarchy / LAB_NAME
        if group.exists():
            _remove_group(group)


def _group(hierarchy: str, server: str) -> Path:
    return MOUNT / hierarchy / LAB_NAME / server


def _freezer(server: str) -> Path:
    return _group("freezer", server) / "freezer.state"


def _lab_groups() -> Iterator[Path]:
    for hierarchy in HIERARCHIES:
        parent = MOUNT / hierarchy / LAB_NAME
        if parent.exists():
            yield from parent.iterdir()


def _tree(top: Path) -> Iterator[Path]:
    """Yield a group and all below it, deepest first, the order in which they can be removed."""
    for directory, _, _ in os.walk(top, topdown=False):
        yield Path(directory)


def _inherit_cpuset(group: Path) -> None:
    # A new cpuset is empty and takes no process until both are filled, the parent's first.
    for level in (group.parent, group):
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not (level / name).read_text().strip():
                (level / name).write_text((level.parent / name).read_text())


def _set_freezer(server: str, state: str, seconds: float) -> None:
    file = _freezer(server)
    file.write_text(state)
    reached = f"{server} to be {state}"
    wait_until(reached, lambda: file.read_text().strip() == state, seconds, interval=0.01)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _remove_group(group: Path) -> None:
    def removed() -> bool:
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    wait_until(f"control group {group} to be empty", removed, seconds=10)
