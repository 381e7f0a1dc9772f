"""One server: its disk, booted by systemd-nspawn with systemd as its first process.

A server runs if its control group has a first process; no file says so. Its mounts live in a mount
namespace of its own and its network port in the fabric, so both end with its processes.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import control_groups, disk, network
from .command import LAST_LINES
from .deadline import wait_until
from .errors import LabError, PermanentError
from .layout import Server

BOOT_SECONDS = 180
STOP_SECONDS = 120
_POWER_OFF = signal.SIGRTMIN + 4  # systemd's signal for `systemctl poweroff`
# What a kubelet and containerd call beyond systemd-nspawn's default.
_SYSTEM_CALLS = "@keyring @privileged @mount bpf add_key keyctl request_key"
_BOOT = Path(__file__).with_name("boot_server")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("--mount", "--uts", "--net", "--ipc", "--pid", "--cgroup", "--root")
_PROPAGATE = Path("/run/systemd/nspawn/propagate")


def leader(server: Server) -> int | None:
    """Return the process id, as the machine sees it, of the server's first process; None if it is off."""
    for pid in control_groups.processes(server.id):
        if _pids_by_namespace(pid)[1:] == ["1"]:
            return pid
    return None


def files(server: Server) -> Path:
    """Return where the server's files can be changed from outside: through its own mount while it runs."""
    first = leader(server)
    return Path(f"/proc/{first}/root") if first else disk.tree(server)


def start(server: Server, shared: Sequence[str]) -> None:
    """Begin to boot the server, with more options of systemd-nspawn; then `wait_booted`."""
    control_groups.kill(server.id)
    # A kubelet takes what is left of groups for containers, and waits for each of them to answer.
    control_groups.remove(server.id)
    control_groups.create(server.id)
    network.register(server)
    place = disk.directory(server)
    mounted = place / "root"
    boot = [_BOOT, disk.root(server), disk.tree(server), place / "work", mounted, network.port(server)]
    isolated = ["unshare", "--mount", "--propagation=private", "--cgroup", "--"]
    words = [*network.enter(), *isolated, *boot, *_nspawn_options(server, mounted), *shared]
    with (place / "console.log").open("ab") as console:
        subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env={"PATH": _PATH, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"},
            start_new_session=True,
            preexec_fn=lambda: control_groups.join(server.id),  # noqa: PLW1509  no thread holds a lock here
        )


def wait_booted(server: Server) -> None:
    """Wait until systemd has started what it had to start, whatever came of it."""

    def booted() -> bool:
        if not control_groups.processes(server.id):
            raise PermanentError(f"{server.id} ended while it booted")
        answer = capture(server, ["systemctl", "is-system-running"], timeout=20)
        return answer.stdout.strip() in ("running", "degraded")

    try:
        wait_until(f"{server.id} to boot", booted, BOOT_SECONDS, interval=0.3)
    except LabError as error:
        raise LabError("\n  ".join([str(error), *_last_of_console(server)])) from error


def stop(server: Server) -> None:
    """Shut the server down in order, as its power button does."""
    first = leader(server)
    if first is None:
        return
    _refuse_frozen(server)
    os.kill(first, _POWER_OFF)
    ended = f"{server.id} to shut down (lab/dc kill {server.id} cuts its power)"
    wait_until(ended, lambda: not control_groups.processes(server.id), STOP_SECONDS)


def remove_traces(name: str) -> None:
    """Remove what systemd-nspawn leaves on the machine; another lab, with a server of this name, may have."""
    with suppress(FileNotFoundError):
        (_PROPAGATE / name).rmdir()


def capture(server: Server, command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command inside the server and return its output, whatever its exit status."""
    words = _enter(server, command, {})
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"on {server.id}: {shlex.join(command)} did not end within {timeout:g} s") from error


def become(server: Server, command: Sequence[str]) -> None:
    """Replace this process by a command inside the server; its terminal and exit status are its own."""
    words = _enter(server, command, {"TERM": os.environ.get("TERM", "dumb")})
    control_groups.join(server.id)
    os.execvp(words[0], words)  # noqa: S606


def _enter(server: Server, command: Sequence[str], variables: dict[str, str]) -> list[str]:
    """Return the words that run a command inside the server as root, whether or not Salt works there."""
    first = leader(server)
    if first is None:
        raise LabError(f"{server.id} is off; start it: lab/dc start {server.id}")
    _refuse_frozen(server)
    environment = {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **variables}
    settings = [f"{name}={value}" for name, value in environment.items()]
    enter = ["nsenter", "--target", str(first), *_NAMESPACES, "--wdns=/", "--"]
    return [*enter, "/usr/bin/env", "-i", *settings, *command]


def _refuse_frozen(server: Server) -> None:
    if control_groups.is_frozen(server.id):
        raise LabError(f"{server.id} is frozen and would not answer; let it go on: lab/dc thaw {server.id}")


def _nspawn_options(server: Server, mounted: Path) -> list[str]:
    # containerd's overlays cannot be on the server's own overlay: its directory is a real one.
    # CAP_SYS_TIME would let a server's NTP client set the clock of the machine, and so of all servers.
    containerd = f"{disk.directory(server)}/containerd:/var/lib/containerd"
    return [
        f"--directory={mounted}", f"--machine={server.id}", "--boot", "--quiet", "--settings=no",
        "--register=no", "--keep-unit", "--capability=all", "--drop-capability=CAP_SYS_TIME",
        f"--system-call-filter={_SYSTEM_CALLS}",
        "--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
        "--bind=/dev/kmsg", f"--bind={containerd}", f"--network-bridge={server.datacenter}",
    ]  # fmt: skip


def _pids_by_namespace(pid: int) -> list[str]:
    """Return the process's ids: the machine's first, then one for each process namespace further in."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))


def _last_of_console(server: Server) -> list[str]:
    return (disk.directory(server) / "console.log").read_text(errors="replace").splitlines()[-LAST_LINES:]
