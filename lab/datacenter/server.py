"""One server: an overlay on a root, booted by systemd-nspawn with systemd as its first process.

A server runs if its control group has a first process; no file says so. Its mounts live in a mount
namespace of its own and its network port in the fabric, so both end with its processes.
"""

import os
import shlex
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from . import control_groups, network
from .command import failure
from .deadline import wait_until
from .errors import LabError
from .layout import DOMAIN, Layout, Server
from .paths import SERVERS

BOOT_SECONDS = 90
STOP_SECONDS = 120
_POWER_OFF = signal.SIGRTMIN + 4  # systemd's signal for `systemctl poweroff`
# What a kubelet and containerd call beyond systemd-nspawn's default.
_SYSTEM_CALLS = "@keyring @privileged @mount bpf add_key keyctl request_key"
_PROPAGATE = Path("/run/systemd/nspawn/propagate")
_BOOT = Path(__file__).with_name("boot_server")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def directory(server: Server) -> Path:
    """Return where the server's disk, its console log and its name of a root are."""
    return SERVERS / server.id


def tree(server: Server) -> Path:
    """Return the writable layer of the server's disk."""
    return directory(server) / "upper"


def writable(server: Server, path: str) -> Path:
    """Return where a file of the server can be changed from outside, through its mount while it runs."""
    first = leader(server)
    return (Path(f"/proc/{first}/root") if first else tree(server)) / path


def root(server: Server) -> Path:
    """Return the root that the server's disk was made on; it must stay the same for the disk's life."""
    return (directory(server) / "lower").resolve()


def is_prepared(server: Server) -> bool:
    """Say whether the server has a disk."""
    return (directory(server) / "prepared").exists()


def prepare(server: Server, layout: Layout, lower: Path) -> None:
    """Make the server's disk with its identity; a half-made one is made again."""
    place = directory(server)
    if place.exists():
        shutil.rmtree(place)
    for name in ("upper/etc", "work", "root", "containerd"):
        (place / name).mkdir(parents=True)
    (place / "lower").symlink_to(lower)
    etc = tree(server) / "etc"
    prefix = layout.network(server).prefixlen
    (etc / "hostname").write_text(f"{server.id}\n")
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (etc / "hosts").write_text(hosts(layout))
    # Nothing serves names; an address that refuses at once is what containers' resolvers need to see.
    (etc / "resolv.conf").write_text(f"nameserver {layout.gateway(server)}\n")
    (etc / "lab-server.env").write_text(
        f"LAB_ADDRESS={server.address}/{prefix}\nLAB_GATEWAY={layout.gateway(server)}\n"
    )


def mark_prepared(server: Server) -> None:
    """Record that the disk is complete."""
    (directory(server) / "prepared").touch()


def hosts(layout: Layout) -> str:
    """Return /etc/hosts: every server under its name and its name in the domain, then the layout's names."""
    lines = ["127.0.0.1 localhost"]
    lines += [f"{server.address} {server.id}.{DOMAIN} {server.id}" for server in layout.servers.values()]
    lines += [f"{address} {name}" for name, address in layout.names.items()]
    return "\n".join(lines) + "\n"


def update_hosts(server: Server, layout: Layout) -> None:
    """Let a server that has its disk already resolve what came after; its own changes to the file stay."""
    file = writable(server, "etc/hosts")
    present = file.read_text()
    new = [line for line in hosts(layout).splitlines() if line not in present.splitlines()]
    if new:
        with file.open("a") as appended:
            appended.write("\n".join(new) + "\n")


def leader(server: Server) -> int | None:
    """Return the process id, as the machine sees it, of the server's first process; None if it is off."""
    for pid in control_groups.processes(server.id):
        if _pids_by_namespace(pid)[1:] == ["1"]:
            return pid
    return None


def is_booted(server: Server) -> bool:
    """Say whether systemd has started all it had to start, whatever came of it."""
    answer = capture(server, ["systemctl", "is-system-running"], timeout=20)
    return answer.stdout.strip() in ("running", "degraded")


def start(server: Server, layout: Layout, binds: Sequence[str] = ()) -> None:
    """Begin to boot the server; `wait_booted` waits for the end of it."""
    control_groups.kill(server.id)
    control_groups.create(server.id)
    network.register(server)
    place = directory(server)
    mounted = place / "root"
    words = [
        *network.enter(), "unshare", "--mount", "--propagation=private", "--cgroup", "--",
        _BOOT, root(server), tree(server), place / "work", mounted, network.port(server),
        *_nspawn_options(server, mounted), f"--network-bridge={server.datacenter}", *binds,
    ]  # fmt: skip
    with (place / "console.log").open("ab") as console:
        subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env={"PATH": _PATH, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"},
            start_new_session=True,
            preexec_fn=lambda: control_groups.join(server.id),  # noqa: PLW1509  no threads hold locks here
        )


def wait_booted(server: Server) -> None:
    """Wait until systemd has started what it had to start."""
    try:
        wait_until(f"{server.id} to boot", lambda: is_booted(server), BOOT_SECONDS, interval=0.3)
    except LabError as error:
        raise LabError(f"{error}\n  {_last_of_console(server)}") from error


def stop(server: Server) -> None:
    """Shut the server down in order, as its power button does."""
    first = leader(server)
    if control_groups.is_frozen(server.id):
        raise LabError(f"{server.id} is frozen and cannot shut down; let it go on: lab/dc thaw {server.id}")
    if first is not None:
        os.kill(first, _POWER_OFF)
        ended = f"{server.id} to shut down (lab/dc kill {server.id} cuts its power)"
        wait_until(ended, lambda: not control_groups.processes(server.id), STOP_SECONDS)


def kill(server: Server) -> None:
    """Cut the server's power: every process ends at once, the disk stays as it is."""
    control_groups.kill(server.id)


def remove_traces(name: str) -> None:
    """Remove what systemd-nspawn leaves on the machine of a server that was killed."""
    if (_PROPAGATE / name).exists():
        (_PROPAGATE / name).rmdir()


def enter(server: Server, command: Sequence[str], environment: dict[str, str] | None = None) -> list[str]:
    """Return the words that run a command inside the server, as root, whether or not Salt works there."""
    first = leader(server)
    if first is None:
        raise LabError(f"{server.id} is off; start it: lab/dc start {server.id}")
    if control_groups.is_frozen(server.id):
        raise LabError(f"{server.id} is frozen and would not answer; let it go on: lab/dc thaw {server.id}")
    variables = {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **(environment or {})}
    settings = [f"{name}={value}" for name, value in variables.items()]
    namespaces = ["--mount", "--uts", "--net", "--ipc", "--pid", "--cgroup"]
    # The working directory is taken from the server, or the command would start in one of the machine's.
    return [
        "nsenter", "--target", str(first), *namespaces, "--root", "--wdns=/", "--",
        "/usr/bin/env", "-i", *settings, *command,
    ]  # fmt: skip


def capture(server: Server, command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command inside the server and return its output, whatever its exit status."""
    words = enter(server, command)
    try:
        return subprocess.run(
            words, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"on {server.id}: {shlex.join(command)} did not end within {timeout:g} s") from error


def run(server: Server, command: Sequence[str], timeout: float = 60) -> str:
    """Run a command inside the server and return its output; raise if it fails."""
    done = capture(server, command, timeout)
    if done.returncode:
        raise LabError(f"on {server.id}: " + failure(command, done.returncode, done.stderr or done.stdout))
    return done.stdout


def become(server: Server, command: Sequence[str]) -> None:
    """Replace this process by a command inside the server: input, output, exit status and terminal are its own."""
    terminal = {"TERM": os.environ.get("TERM", "dumb")}
    words = enter(server, command, terminal)
    control_groups.join(server.id)
    os.execvp(words[0], words)


def _nspawn_options(server: Server, mounted: Path) -> list[str]:
    return [
        f"--directory={mounted}", f"--machine={server.id}", "--boot", "--quiet", "--settings=no",
        "--register=no", "--keep-unit", "--capability=all", f"--system-call-filter={_SYSTEM_CALLS}",
        "--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
        "--bind=/dev/kmsg", f"--bind={directory(server) / 'containerd'}:/var/lib/containerd",
    ]  # fmt: skip


def _pids_by_namespace(pid: int) -> list[str]:
    """Return the process's ids, the machine's first, then one for each process namespace further in."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))


def _last_of_console(server: Server) -> str:
    log = directory(server) / "console.log"
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "\n  ".join(lines)
