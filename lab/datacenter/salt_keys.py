"""Salt's keys, made before the servers are, so that who trusts whom is settled when they boot."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from .command import run
from .errors import LabError
from .layout import MASTER, Server
from .paths import KEYS

_MASTER_KEYS = "etc/salt/pki/master"
_MINION_KEYS = "etc/salt/pki/minion"
_KEY_BITS = "2048"


def install_master(tree: Path, root: Path, minions: Iterable[Server]) -> None:
    """Write the master's keys and those of the minions that it accepts into its file tree."""
    _install_pair(MASTER, tree / _MASTER_KEYS, "master")
    accept(tree, root, minions)
    for path in [tree / _MASTER_KEYS, *(tree / _MASTER_KEYS).rglob("*")]:
        os.chown(path, *_salt_user(root))


def accept(tree: Path, root: Path, minions: Iterable[Server]) -> None:
    """Put the minions' keys among those the master accepts; the root knows the numbers of its users."""
    for minion in minions:
        key = tree / _MASTER_KEYS / "minions" / minion.id
        if not key.exists():
            _copy(_public_key(minion.id), key, mode=0o644)
            os.chown(key, *_salt_user(root))


def protect(directory: Path, root: Path) -> None:
    """Let nobody but the master's user read a directory, which is shown to it as it is."""
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, *_salt_user(root))
        path.chmod(0o700 if path.is_dir() else 0o400)


def install_minion(tree: Path, server: Server) -> None:
    """Write a minion's keys, and the key by which it knows its master, into its file tree."""
    _install_pair(server.id, tree / _MINION_KEYS, "minion")
    _copy(_public_key(MASTER), tree / _MINION_KEYS / "minion_master.pub", mode=0o644)


def _public_key(owner: str) -> Path:
    """Return the public key of the master or of a minion, made now if it has none."""
    public = KEYS / f"{owner}.pub"
    if not public.exists():
        KEYS.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = KEYS / f"{owner}.new"
        run("openssl", "genrsa", "-traditional", "-out", KEYS / f"{owner}.pem", _KEY_BITS)
        run("openssl", "rsa", "-in", KEYS / f"{owner}.pem", "-pubout", "-out", draft)
        draft.rename(public)
    return public


def _install_pair(owner: str, directory: Path, name: str) -> None:
    public = _public_key(owner)
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
