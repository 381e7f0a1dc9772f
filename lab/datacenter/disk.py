"""A server's disk: a writable layer on a root, with what makes this server itself and no other."""

import dataclasses
import shutil
import uuid
from pathlib import Path

import yaml

from .errors import LabError
from .layout import DOMAIN, Layout, Server
from .paths import SERVERS


def directory(server: Server) -> Path:
    """Return where everything of the server is that survives its power cut."""
    return SERVERS / server.id


def tree(server: Server) -> Path:
    """Return the writable layer."""
    return directory(server) / "upper"


def root(server: Server) -> Path:
    """Return the root below the layer; the same one for the disk's whole life."""
    return (directory(server) / "lower").resolve()


def is_made(server: Server) -> bool:
    """Say whether the server has a complete disk; refuse one made for another entry of the layout."""
    definition = _definition(server)
    if not definition.exists():
        return False
    if yaml.safe_load(definition.read_text()) != dataclasses.asdict(server):
        raise LabError(f"the layout's entry of {server.id} is not what it was made from; first: lab/dc down")
    return True


def make(server: Server, layout: Layout, lower: Path) -> None:
    """Make the disk, and again if it was left half made. `complete` is the last step."""
    place = directory(server)
    if place.exists():
        shutil.rmtree(place)
    for name in ("upper/etc", "work", "root", "containerd"):
        (place / name).mkdir(parents=True)
    (place / "lower").symlink_to(lower)
    prefix, gateway = layout.network(server).prefixlen, layout.gateway(server)
    files = {
        "hostname": f"{server.id}\n",
        "machine-id": f"{uuid.uuid4().hex}\n",
        "hosts": hosts(layout),
        # Nothing serves names there, but containers' resolvers want an address; it refuses at once.
        "resolv.conf": f"nameserver {gateway}\n",
        "lab-server.env": f"LAB_ADDRESS={server.address}/{prefix}\nLAB_GATEWAY={gateway}\n",
    }
    for name, content in files.items():
        (tree(server) / "etc" / name).write_text(content)


def complete(server: Server) -> None:
    """Record what the disk was made from, and so that all of it is there."""
    _definition(server).write_text(yaml.safe_dump(dataclasses.asdict(server)))


def hosts(layout: Layout) -> str:
    """Return /etc/hosts: every server by its name and its name in the domain, then the layout's names."""
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{server.address} {server.id}.{DOMAIN} {server.id}" for server in layout.servers.values()]
    lines += [f"{address} {name}" for name, address in layout.names.items()]
    return "".join(f"{line}\n" for line in lines)


def update_hosts(file: Path, layout: Layout) -> None:
    """Add what a server cannot resolve yet; what the server itself wrote there stays."""
    present = file.read_text().splitlines()
    new = [line for line in hosts(layout).splitlines() if line not in present]
    if new:
        with file.open("a") as appended:
            appended.writelines(f"{line}\n" for line in new)


def _definition(server: Server) -> Path:
    return directory(server) / "server.yaml"
