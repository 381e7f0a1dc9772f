"""Read from the host and the network what the preflight checks compare."""

import gzip
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import listeners, network, packages, processes, swap
from k8s_lifecycle.server.command import output
from k8s_lifecycle.server.preflight import ROOM, ROOM_ON_CONTROL_PLANE, Disk, Observation
from k8s_lifecycle.server.sources import Source, package_indexes, sources

ANSWER_TIMEOUT = 5.0


def observe(spec: Spec, role: str) -> Observation:
    """Return what this server and the sources that it needs are like now."""
    now = time.time()
    errors, offered = _sources(spec, role)
    version, controllers = _control_groups()
    return Observation(
        machine_id=machine_id(),
        clock=now,
        python=sys.version_info[:2],
        cpus=len(os.sched_getaffinity(0)),
        memory=_memory(),
        swaps=swap.active(),
        listeners=listeners.by_port(),
        disks={path: _disk(Path(path)) for path in (*ROOM, *ROOM_ON_CONTROL_PLANE)},
        cgroup_version=version,
        controllers=controllers,
        processes=processes.names(),
        interfaces=frozenset(name for _, name in socket.if_nameindex()),
        default_interface=network.default_interface(),
        installed=frozenset(packages.installed((*packages.KUBERNETES, *packages.CONTAINERD))),
        endpoint=_resolved(spec.control_plane.endpoint.host),
        errors=errors,
        offered=offered,
    )


def machine_id() -> str:
    """Return the id that systemd gave this installation."""
    return Path("/etc/machine-id").read_text(encoding="ascii").strip()


def in_container(mark: Path = Path("/run/systemd/container")) -> bool:
    """Whether this is a container: systemd says so in a file."""
    return mark.exists()


def _memory(table: Path = Path("/proc/meminfo")) -> int:
    total = next(
        line for line in table.read_text(encoding="ascii").splitlines() if line.startswith("MemTotal:")
    )
    return int(total.split()[1]) * 1024


def _disk(path: Path) -> Disk:
    """Return the file system of a directory, or of its nearest parent while it does not exist."""
    while not path.exists():
        path = path.parent
    usage = shutil.disk_usage(path)
    while not path.is_mount():
        path = path.parent
    return Disk(str(path), usage.total, usage.free)


def _control_groups(root: Path = Path("/sys/fs/cgroup")) -> tuple[int, frozenset[str]]:
    unified = root / "cgroup.controllers"
    if unified.exists():
        return 2, frozenset(unified.read_text(encoding="ascii").split())
    return 1, frozenset(entry.name for entry in root.iterdir() if entry.is_dir())


def _resolved(host: str) -> frozenset[str] | str:
    try:
        return frozenset(
            str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        )
    except OSError as error:
        return error.strerror or str(error)


def _sources(spec: Spec, role: str) -> tuple[dict[Source, str], dict[str, frozenset[str]]]:
    """Ask every source at once; return the error of each that failed, and what the apt repository offers."""
    repository = spec.packages.repository
    architecture = output("dpkg", "--print-architecture").strip()
    indexes = package_indexes(repository, architecture) if repository else []
    others = list(sources(spec, role))
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = dict(zip((*indexes, *others), pool.map(_ask, (*indexes, *others)), strict=True))
    texts = []
    for index in indexes:
        if isinstance(answer := answers[index], bytes):
            try:
                texts.append(gzip.decompress(answer).decode())
            except (OSError, EOFError, ValueError, zlib.error) as error:  # a portal's page, say
                answers[index] = f"it is no Packages.gz: {error}"
    errors = {source: answer for source, answer in answers.items() if isinstance(answer, str)}
    names = packages.pinned(spec)
    return errors, packages.offered("\n".join(texts), names) if texts else {}


def _ask(source: Source) -> bytes | str:
    """Return what the first URL that answers says, or why each of them did not."""
    errors = []
    for url in source.urls:
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT) as answer:  # noqa: S310 - the spec allows http(s)
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code in source.accept:
                return b""
            errors.append(f"it answers {error.code} {error.reason}")
        except (OSError, ValueError) as error:
            errors.append(str(getattr(error, "reason", error)))
    return "; ".join(errors)
