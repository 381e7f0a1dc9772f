"""What an inventory knows of one server, and of one cluster: from what they said, each field optional.

A server of older code leaves fields out, one that was taken over writes what it likes: nothing is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.certificates import Certificate
from k8s_lifecycle.model.description import PLACE, described
from k8s_lifecycle.model.hold import Hold

MOST_NODES = 10_000
_LOOPBACK = ("127.", "::1")


@dataclass(frozen=True)
class Disk:
    """One disk; its size in bytes."""

    name: str
    size: float


@dataclass(frozen=True)
class Hardware:
    """What a server is made of; memory in bytes. virtual: `physical`, or what it runs on."""

    cores: int | None = None
    memory: float | None = None
    disks: tuple[Disk, ...] = ()
    virtual: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""

    @classmethod
    def read(cls, said: Any) -> Hardware:
        """Return what `k8s_server.inventory` tells."""
        told = untrusted.mapping(said)
        cores = untrusted.number(told.get("cores"))
        disks = (untrusted.mapping(disk) for disk in untrusted.items(told.get("disks")))
        return cls(
            None if cores is None else int(cores),
            untrusted.number(told.get("memory")),
            tuple(Disk(untrusted.text(d.get("name")), untrusted.number(d.get("size")) or 0) for d in disks),
            *(untrusted.text(told.get(name)) for name in ("virtual", "manufacturer", "model", "serial")),
        )


@dataclass(frozen=True)
class Highstate:
    """The last highstate of a server, as `server/highstate.py` notes it."""

    ended: float | None
    states: int
    failures: int
    failed: tuple[str, ...]
    unfinished: float | None
    running: bool

    @classmethod
    def read(cls, said: Any) -> Highstate | None:
        """Return what `k8s_server.inventory` tells; None where nothing was noted."""
        told = untrusted.mapping(said)
        ended, unfinished = (untrusted.moment(told.get(name)) for name in ("ended", "unfinished"))
        if ended is None and unfinished is None:
            return None
        states, failures = (int(untrusted.number(told.get(name)) or 0) for name in ("states", "failures"))
        running = told.get("running") is True
        return cls(ended, states, failures, untrusted.texts(told.get("failed")), unfinished, running)


@dataclass(frozen=True)
class Node:
    """One Node object, in brief."""

    name: str
    ready: bool
    version: str
    unschedulable: bool
    hold: Hold | None
    addresses: tuple[str, ...]
    os: str
    kernel: str

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Node:
        """Return what `k8s_api.overview` tells of a node."""
        return cls(
            untrusted.text(said.get("name")),
            said.get("ready") is True,
            untrusted.text(said.get("version")),
            said.get("unschedulable") is True,
            _hold(said.get("hold")),
            untrusted.texts(said.get("addresses")),
            untrusted.text(said.get("os")),
            untrusted.text(said.get("kernel")),
        )


@dataclass(frozen=True)
class Overview:
    """A cluster, in brief. error: why nothing is known of it; empty if something is."""

    version: str = ""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    error: str = ""

    @classmethod
    def read(cls, said: Any) -> Overview:
        """Return what `k8s_api.overview` tells."""
        told = untrusted.mapping(said)
        if told.get("reachable") is not True:
            return cls(error=untrusted.text(told.get("error")) or "it said nothing")
        found = (untrusted.mapping(node) for node in untrusted.items(told.get("nodes"), MOST_NODES))
        nodes = (Node.read(node) for node in found)
        return cls(untrusted.text(told.get("version")), {node.name: node for node in nodes if node.name})


@dataclass(frozen=True)
class Description:
    """What is known of one server. Empty is what is not known.

    consul_services: what Consul has of it; None where it was not asked.
    differences, system: where a node itself says that it differs from its spec.
    """

    code: str = ""
    clock: float | None = None
    machine_id: str = ""
    grains: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    os: str = ""
    kernel: str = ""
    hardware: Hardware = field(default_factory=Hardware)
    versions: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    consul: str = ""
    consul_detail: str = ""
    consul_services: tuple[str, ...] | None = None
    highstate: Highstate | None = None
    differences: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    overview: Overview | None = None
    errors: tuple[str, ...] = ()

    @classmethod
    def read(cls, said: Any) -> Description:
        """Return what `k8s_server.inventory` tells."""
        told = untrusted.mapping(said)
        consul, differences = (untrusted.mapping(told.get(name)) for name in ("consul", "differences"))
        services = consul.get("services")
        found = (_certificate(untrusted.mapping(one)) for one in untrusted.items(told.get("certificates")))
        return cls(
            code=untrusted.text(told.get("code")),
            clock=untrusted.moment(told.get("clock")),
            machine_id=untrusted.text(told.get("machine_id")),
            grains=_texts_by_name(told.get("grains")),
            addresses=untrusted.texts(told.get("addresses")),
            os=untrusted.text(told.get("os")),
            kernel=untrusted.text(told.get("kernel")),
            hardware=Hardware.read(told.get("hardware")),
            versions=_texts_by_name(told.get("versions")),
            services=_texts_by_name(told.get("services")),
            certificates=tuple(one for one in found if one),
            consul=untrusted.text(consul.get("state")),
            consul_detail=untrusted.text(consul.get("detail")),
            consul_services=None if services is None else untrusted.texts(services),
            highstate=Highstate.read(told.get("highstate")),
            differences=untrusted.texts(differences.get("spec")),
            system=untrusted.texts(differences.get("system")),
            overview=Overview.read(told["api"]) if told.get("api") else None,
            errors=untrusted.texts(told.get("errors")),
        )

    @classmethod
    def remembered(cls, grains: Any) -> Description:
        """Return what the master's cache of grains tells of a server that does not."""
        told = untrusted.mapping(grains)
        about = described(told)
        addresses = untrusted.texts(told.get("ipv4"))
        return cls(
            grains={name: untrusted.text(told[name]) for name in PLACE if name in told},
            addresses=tuple(one for one in addresses if not one.startswith(_LOOPBACK)),
            os=untrusted.text(about["os"]),
            kernel=untrusted.text(about["kernel"]),
            hardware=Hardware.read(about["hardware"]),
            versions={"salt": untrusted.text(about["salt"])},
        )


@dataclass(frozen=True)
class Remembered:
    """What the master has of a server in its cache: what its grains were, and when it had them from it."""

    description: Description
    seen: float | None


def _texts_by_name(said: Any) -> dict[str, str]:
    pairs = list(untrusted.mapping(said).items())[: untrusted.MOST]
    return {untrusted.text(name): untrusted.text(value) for name, value in pairs}


def _certificate(said: Mapping[str, Any]) -> Certificate | None:
    """Return one certificate; None where it has no end, nor an error that says why."""
    expires, error = untrusted.moment(said.get("expires")), untrusted.text(said.get("error"))
    if expires is None and not error:
        return None
    return Certificate(
        name=untrusted.text(said.get("name")),
        where=untrusted.text(said.get("where")),
        expires=expires or 0.0,
        fingerprint="",
        subject="",
        issuer="",
        sans=(),
        authority=said.get("authority") is True,
        whole=said.get("whole") is not False,
        error=error,
        begins=untrusted.moment(said.get("begins")) or 0.0,
    )


def _hold(said: Any) -> Hold | None:
    told = untrusted.mapping(said)
    if not told:
        return None
    words = (untrusted.text(told.get(word)) for word in ("operation", "run", "who", "reason", "since"))
    operation, run, who, reason, since = words
    return Hold(operation, run, who, reason, since, _time(told.get("until")))


def _time(said: Any) -> str:
    """Return a time as holds have it; `?` for anything else, as a damaged hold has."""
    try:
        return said if datetime.fromisoformat(said).tzinfo else "?"
    except (TypeError, ValueError):
        return "?"
