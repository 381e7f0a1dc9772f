"""Salt's configuration and keys on each server, and the question whether it answers."""

import ipaddress
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from . import server
from .command import failure, run
from .errors import LabError
from .layout import DOMAIN, MASTER, Layout, Server
from .paths import KEYS

CODE = "/srv/k8s-lifecycle"
PILLAR = "/srv/pillar"
_MASTER_KEYS = "etc/salt/pki/master"
_KEY_BITS = "2048"
_PUBLISH_PORT = 4505
_TCP_ESTABLISHED = "01"  # as /proc/net/tcp writes it


def master_config(layout: Layout) -> dict[str, Any]:
    """Return the master's configuration: what the lab needs, then what the layout adds."""
    return {
        "user": "salt",
        "module_dirs": [CODE],
        "file_roots": {"base": [f"{CODE}/states"]},
        "pillar_roots": {"base": [PILLAR]},
        **_common(layout),
        **_extra(layout.master_config),
    }


def minion_config(layout: Layout, server: Server) -> dict[str, Any]:
    """Return a minion's configuration; its grains are what the layout says of it."""
    grains = {
        "datacenter": server.datacenter,
        "environment": server.environment,
        "k8s_role": server.role,
        "k8s_pool": server.pool,
    }
    return {
        "id": server.id,
        "master": f"{MASTER}.{DOMAIN}",
        "grains": {name: value for name, value in grains.items() if value is not None},
        **_common(layout),
        **_extra(layout.minion_config),
    }


def install_master(tree: Path, root: Path, layout: Layout) -> None:
    """Write the master's configuration and keys, and the accepted minions' keys, into its file tree."""
    _write_config(tree / "etc/salt/master", master_config(layout))
    _install_key_pair(MASTER, tree / _MASTER_KEYS, "master")
    accept(tree, root, layout.minions)
    for path in [tree / _MASTER_KEYS, *(tree / _MASTER_KEYS).rglob("*")]:
        os.chown(path, *_salt_user(root))
    _enable(tree, "salt-master")


def accept(tree: Path, root: Path, minions: Iterable[Server]) -> None:
    """Put the minions' keys among those the master accepts; the root knows the numbers of its users."""
    for minion in minions:
        key = tree / _MASTER_KEYS / "minions" / minion.id
        if not key.exists():
            _copy(public_key(minion.id), key, mode=0o644)
            os.chown(key, *_salt_user(root))


def install_minion(tree: Path, layout: Layout, server: Server) -> None:
    """Write a minion's configuration and keys into its file tree."""
    _write_config(tree / "etc/salt/minion", minion_config(layout, server))
    pki = tree / "etc/salt/pki/minion"
    _install_key_pair(server.id, pki, "minion")
    _copy(public_key(MASTER), pki / "minion_master.pub", mode=0o644)
    _enable(tree, "salt-minion")


def public_key(owner: str) -> Path:
    """Return the public key of the master or of a minion, made now if it has none."""
    public = KEYS / f"{owner}.pub"
    if not public.exists():
        KEYS.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = KEYS / f"{owner}.new"
        run("openssl", "genrsa", "-traditional", "-out", KEYS / f"{owner}.pem", _KEY_BITS)
        run("openssl", "rsa", "-in", KEYS / f"{owner}.pem", "-pubout", "-out", draft)
        draft.rename(public)
    return public


def connected(master: Server) -> set[str]:
    """Return the addresses of the minions that listen to the master, without costing it anything."""
    first = server.leader(master)
    table = Path(f"/proc/{first}/net/tcp").read_text() if first else ""
    established = [line.split() for line in table.splitlines()[1:] if line.split()[3] == _TCP_ESTABLISHED]
    return {_address(peer) for _, local, peer, *_ in established if int(local[-4:], 16) == _PUBLISH_PORT}


def answering(master: Server, minions: list[str]) -> set[str]:
    """Return which of the minions answer the master now."""
    words = ["salt", "--list", ",".join(minions), "--timeout=5", "--static", "--out=json", "test.ping"]
    done = server.capture(master, words, timeout=60)
    try:
        answers = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise LabError(failure(words, done.returncode, done.stderr or done.stdout)) from error
    return {minion for minion, answer in answers.items() if answer is True}


def _address(hexadecimal: str) -> str:
    """Read an address as /proc/net/tcp writes it: the bytes in the machine's order, then the port."""
    number = int(hexadecimal.partition(":")[0], 16)
    return str(ipaddress.IPv4Address(number.to_bytes(4, sys.byteorder)))


def _common(layout: Layout) -> dict[str, Any]:
    return {
        "log_level_logfile": layout.log_level_logfile,
        # Without DNS each unknown name costs its time-out.
        "enable_fqdns_grains": False,
    }


def _extra(file: Path | None) -> dict[str, Any]:
    return yaml.safe_load(file.read_text()) or {} if file else {}


def _write_config(file: Path, config: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(config, sort_keys=False))


def _install_key_pair(owner: str, directory: Path, name: str) -> None:
    public = public_key(owner)
    _copy(public.with_suffix(".pem"), directory / f"{name}.pem", mode=0o400)
    _copy(public, directory / f"{name}.pub", mode=0o644)


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _salt_user(root: Path) -> tuple[int, int]:
    """Look the user up where it exists: in the server's root, not on this machine."""
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == "salt":
            return int(uid), int(gid)
    raise LabError(f"{root} has no user salt; remove {root} and run: lab/dc build")


def _enable(tree: Path, unit: str) -> None:
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / f"{unit}.service").symlink_to(f"/lib/systemd/system/{unit}.service")
