"""A layout: which datacenters and servers there are. Read from YAML, checked as a whole."""

import dataclasses
import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .errors import LabError

HUB = "hub"
HUB_NETWORK = ipaddress.IPv4Network("10.10.0.0/24")
MASTER = "master"
MIRROR = "mirror"
ROLES = ("control-plane", "worker", "spare")
DOMAIN = "lab"

# Keepalived's addresses: a server there would fight a cluster for its endpoint.
RESERVED_HOSTS = range(100, 111)
_DATACENTER_ID = re.compile(r"[a-z][a-z0-9]{0,13}")
_SERVER_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?")
_PATHS = ("pillar", "master_config", "minion_config")
_LOG_LEVELS = ("error", "warning", "info", "debug", "trace")
_KEYS = ("datacenters", "servers", "names", "log_level_logfile", *_PATHS)
_SERVER_KEYS = ("datacenter", "address", "environment", "role", "pool", "pending")


@dataclasses.dataclass(frozen=True)
class Server:
    """One server: what its administrator knows about it before any software of ours has seen it."""

    id: str
    datacenter: str
    address: str
    environment: str | None = None
    role: str | None = None
    pool: str | None = None
    pending: bool = False  # its key waits for a person to accept it, as a new server's does

    @property
    def is_minion(self) -> bool:
        """The master and the mirror are the site's own and are not managed."""
        return self.id not in (MASTER, MIRROR)


@dataclasses.dataclass(frozen=True)
class Layout:
    """All servers of the lab with what they share."""

    name: str
    networks: Mapping[str, ipaddress.IPv4Network]
    servers: Mapping[str, Server]
    names: Mapping[str, str]
    pillar: Path | None
    master_config: Path | None
    minion_config: Path | None
    log_level_logfile: str

    @property
    def minions(self) -> list[Server]:
        """The servers that Salt manages: all but the site's own, and those whose key is not accepted."""
        return [server for server in self.servers.values() if server.is_minion and not server.pending]

    def network(self, server: Server) -> ipaddress.IPv4Network:
        """Return the network a server is in."""
        return self.networks[server.datacenter]

    def gateway(self, server: Server) -> str:
        """Return the address of the lab's router in the server's network."""
        return str(self.network(server)[1])

    def with_server(self, server: Server) -> "Layout":
        """Return this layout with one more server, checked like the others."""
        problems = [*_server_problems(server, self.networks)]
        _refuse(f"server {server.id}", [*problems, *_duplicate_problems([*self.servers.values(), server])])
        return dataclasses.replace(self, servers={**self.servers, server.id: server})


def load(path: Path) -> Layout:
    """Read and check a layout file; every mistake in it is reported at once."""
    try:
        document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise LabError(f"layout {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise LabError(f"layout {path} is not YAML: {error}") from error
    return parse(document, path)


def parse(document: Any, path: Path) -> Layout:
    """Make a layout of a YAML document; paths in it are relative to the file it came from."""
    _refuse(f"layout {path}", [*_document_problems(document)])
    networks = {HUB: HUB_NETWORK}
    networks.update({name: ipaddress.IPv4Network(cidr) for name, cidr in document["datacenters"].items()})
    servers = [Server(MASTER, HUB, str(HUB_NETWORK[10])), Server(MIRROR, HUB, str(HUB_NETWORK[20]))]
    servers += [Server(id=name, **values) for name, values in document["servers"].items()]
    paths = {key: (path.parent / document[key]).resolve() for key in _PATHS if document.get(key)}
    problems = [f"{key}: {file} does not exist" for key, file in paths.items() if not file.exists()]
    for server in servers:
        problems += _server_problems(server, networks)
    _refuse(f"layout {path}", [*problems, *_duplicate_problems(servers)])
    return Layout(
        name=path.stem,
        networks=networks,
        servers={server.id: server for server in servers},
        names=document.get("names") or {},
        pillar=paths.get("pillar"),
        master_config=paths.get("master_config"),
        minion_config=paths.get("minion_config"),
        log_level_logfile=document.get("log_level_logfile", "debug"),
    )


def _refuse(what: str, problems: list[str]) -> None:
    if problems:
        raise LabError("\n  ".join([f"{what} has {len(problems)} mistake(s):", *problems]))


def _document_problems(document: Any) -> Iterator[str]:
    """Check the shape, so that what follows can read values without asking."""
    if not isinstance(document, dict):
        yield f"it is a {type(document).__name__}; write a mapping with the keys datacenters and servers"
        return
    yield from _unknown_key_problems("", document, _KEYS)
    for key in ("datacenters", "servers"):
        if not isinstance(document.get(key), dict) or not document[key]:
            yield f"{key}: missing or empty; write a mapping of name to value"
            return
    networks: dict[str, ipaddress.IPv4Network] = {HUB: HUB_NETWORK}
    for name, cidr in document["datacenters"].items():
        yield from _datacenter_problems(name, cidr, networks)
    for name, values in document["servers"].items():
        yield from _server_shape_problems(name, values)
    for name, address in (document.get("names") or {}).items():
        if not _is_address(address):
            yield f"names.{name}: {address!r} is no IPv4 address"
    level = document.get("log_level_logfile", "debug")
    if level not in _LOG_LEVELS:
        yield f"log_level_logfile: {level!r}; write one of {', '.join(_LOG_LEVELS)}"


def _unknown_key_problems(where: str, mapping: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    for key in mapping:
        if key not in known:
            yield f"{where}{key}: unknown; known are {', '.join(known)}"


def _datacenter_problems(name: Any, cidr: Any, others: dict[str, ipaddress.IPv4Network]) -> Iterator[str]:
    """Check one network, and against the others, to which it is then added."""
    where = f"datacenters.{name}"
    if name == HUB:
        yield f"{where}: the hub is always there, as {HUB_NETWORK}; choose another name"
    elif not isinstance(name, str) or not _DATACENTER_ID.fullmatch(name):
        yield f"{where}: it names a bridge; write up to 14 small letters and digits, a letter first"
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError:
        yield f"{where}: {cidr!r} is no IPv4 network; write for example 10.11.0.0/24"
        return
    if network.prefixlen > 24:  # noqa: PLR2004
        yield f"{where}: {network} is too small; write a /24 or larger"
    for other, taken in others.items():
        if network.overlaps(taken):
            yield f"{where}: {network} overlaps {other}'s {taken}"
    others[name] = network


def _server_shape_problems(name: Any, values: Any) -> Iterator[str]:
    where = f"servers.{name}"
    if name in (MASTER, MIRROR):
        yield f"{where}: always there by itself; leave it out"
    if not isinstance(values, dict):
        yield f"{where}: write a mapping with at least datacenter and address"
        return
    yield from _unknown_key_problems(f"{where}.", values, _SERVER_KEYS)
    for key in ("datacenter", "address"):
        if key not in values:
            yield f"{where}.{key}: missing"
    if not isinstance(values.get("pending", False), bool):
        yield f"{where}.pending: {values['pending']!r}; write true or false"


def _server_problems(server: Server, networks: Mapping[str, ipaddress.IPv4Network]) -> Iterator[str]:
    where = f"servers.{server.id}"
    if not _SERVER_ID.fullmatch(server.id):
        yield f"{where}: it names a host and an interface; write up to 12 small letters, digits and hyphens"
    if server.role is not None and server.role not in ROLES:
        yield f"{where}.role: {server.role!r}; write one of {', '.join(ROLES)}"
    if server.datacenter not in networks:
        yield f"{where}.datacenter: {server.datacenter!r}; declared are {', '.join(networks)}"
        return
    network = networks[server.datacenter]
    if not _is_address(server.address) or ipaddress.IPv4Address(server.address) not in network:
        yield f"{where}.address: {server.address!r} is not in {server.datacenter}'s {network}"
        return
    host = int(ipaddress.IPv4Address(server.address)) - int(network.network_address)
    if host in (0, 1, network.num_addresses - 1):
        yield f"{where}.address: {server.address} is the network's, the router's or the broadcast address"
    if host in RESERVED_HOSTS:
        yield f"{where}.address: {server.address} is kept for virtual addresses (.100 to .110)"


def _duplicate_problems(servers: list[Server]) -> Iterator[str]:
    for key in ("id", "address"):
        counted = Counter(getattr(server, key) for server in servers)
        for value, times in counted.items():
            if times > 1:
                yield f"servers: {times} servers have the {key} {value}"


def _is_address(value: Any) -> bool:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return isinstance(value, str)
