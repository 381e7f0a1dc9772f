"""What the machine must have. What it lacks is said all together; Debian packages are installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from . import control_groups, debian
from .command import run
from .errors import LabError
from .paths import BUILD
from .progress import Say

PACKAGES = ("iproute2", "kmod", "mmdebstrap", "nftables", "openssl", "systemd-container", "util-linux")
_GIB = 2**30
_DISK_FOR_ROOTS = 4 * _GIB
_MEMORY = 4 * _GIB
# Numbers of the capabilities in linux/capability.h.
_CAPABILITIES = {"NET_ADMIN": 12, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "MKNOD": 27}
_TRY_OVERLAY = (
    'cd "$1"; mkdir lower upper work root; '
    "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root; umount root"
)
_TRY_NETWORK = "ip link add b0 type bridge && ip link add v0 type veth peer name v1 && nft add table bridge t"


def require_root() -> None:
    """Raise unless this process runs as root."""
    if os.geteuid() != 0:
        raise LabError("needs root: servers are namespaces, mounts and control groups; run it with sudo")


def prepare(say: Say, compiling: bool) -> None:
    """Raise with everything that is missing; install the Debian packages if nothing else is."""
    lacks = [*_lacks(), *(_compiler_lacks() if compiling else [])]
    if lacks:
        raise LabError("\n  ".join(["this machine lacks:", *lacks]))
    _install_packages(say)
    _try_kernel()


def _lacks() -> Iterator[str]:
    if not shutil.which("apt-get"):
        yield "apt-get: the lab's servers are Debian, built with this machine's own apt; use a Debian machine"
    elif not debian.sources():
        yield f"an apt source of Debian {debian.CODENAME}; add one, then: apt-get update"
    hierarchies = control_groups.missing_hierarchies()
    if hierarchies:
        names = ", ".join(hierarchies)
        yield f"control groups (version 1, hybrid) mounted under {control_groups.MOUNT}: {names}"
    effective = _capabilities()
    absent = [name for name, number in _CAPABILITIES.items() if not effective >> number & 1]
    if absent:
        yield f"the capabilities {', '.join(absent)}; run in a virtual machine or a privileged container"
    BUILD.mkdir(exist_ok=True)
    free = shutil.disk_usage(BUILD).free
    if free < _DISK_FOR_ROOTS:
        yield f"disk: {free / _GIB:.1f} GiB free under {BUILD}, {_DISK_FOR_ROOTS / _GIB:.0f} needed"
    available = _available_memory()
    if available < _MEMORY:
        yield f"memory: {available / _GIB:.1f} GiB available, {_MEMORY / _GIB:.0f} are the least"


def _compiler_lacks() -> Iterator[str]:
    from site_build import compilers  # noqa: PLC0415 - long to import, and seldom needed

    for check in (compilers.go_version, compilers.require_disk):
        try:
            check()
        except LabError as error:
            yield str(error)


def _install_packages(say: Say) -> None:
    missing = [package for package in PACKAGES if not _is_installed(package)]
    if not missing:
        return
    say(f"installing Debian packages: {' '.join(missing)}")
    run("apt-get", "update", timeout=300)
    install = ["apt-get", "install", "--yes", "--no-install-recommends"]
    run(*install, *missing, timeout=600, environment={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _try_kernel() -> None:
    """Make, in namespaces that end at once, one of each thing that servers are made of."""
    import tempfile  # noqa: PLC0415 - long to import, and seldom needed

    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        for script in (_TRY_NETWORK, _TRY_OVERLAY):
            try:
                run("unshare", "--net", "--mount", "--", "sh", "-ec", script, "sh", scratch)
            except LabError as error:
                raise LabError(f"this machine cannot carry the lab's servers:\n  {error}") from error


def _is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


def _capabilities() -> int:
    return int(_kernel_value("/proc/self/status", "CapEff"), 16)


def _available_memory() -> int:
    return int(_kernel_value("/proc/meminfo", "MemAvailable")) * 1024


def _kernel_value(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
