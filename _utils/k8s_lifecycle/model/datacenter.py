"""What all servers of one datacenter share, members of a cluster or not: monitoring and discovery.

docs/datacenter-reference.md is generated from these classes, so the texts here are written for operators.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.model import kinds
from k8s_lifecycle.model.schema import ListOf, MapOf, Section, plain, setting, settings
from k8s_lifecycle.model.settings import Repository, names

# What a dashboard of a server needs, and nothing that starts programs or walks through directories.
COLLECTORS = (
    "cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo", "netdev", "netstat", "os", "pressure",
    "stat", "systemd", "time", "timex", "uname", "vmstat",
)  # fmt: skip
CERTIFICATE_FILES = (
    "/etc/kubernetes/*.conf",
    "/etc/kubernetes/pki/*.crt",
    "/etc/kubernetes/pki/etcd/*.crt",
    "/var/lib/kubelet/pki/*-current.pem",
    "/etc/consul.d/tls/*.pem",
)


@settings
class NodeExporter:
    """What node_exporter shows, and to whom."""

    port: int = setting(kinds.whole(1, 65535), "The port that it listens on.", default=9100)
    collectors: tuple[str, ...] = setting(
        ListOf(kinds.COLLECTOR),
        "Its collectors, and no others. `textfile`, with the metrics made here, is always there.",
        default=COLLECTORS,
    )
    tls: bool = setting(
        kinds.FLAG,
        "`true`: TLS only. The certificate is a secret of each server: `node_exporter.certificate`.",
        default=False,
    )
    basic_auth: bool = setting(
        kinds.FLAG,
        "`true`: with `tls` only; it asks for a user and password, the secret `node_exporter.users`.",
        default=False,
    )
    allow_from: tuple[str, ...] = setting(
        ListOf(kinds.CIDR),
        "The networks that may reach its port; the server's firewall refuses others.",
        default=(),
        derived="everybody",
    )


@settings
class Monitoring:
    """What is measured on every server."""

    node_exporter: NodeExporter = setting(Section(NodeExporter), "What node_exporter shows.", default={})
    certificate_files: tuple[str, ...] = setting(
        ListOf(kinds.FILE_GLOB),
        "Files whose certificates' expiry is a metric; those that match and exist.",
        default=CERTIFICATE_FILES,
    )
    certificate_ports: tuple[str, ...] = setting(
        ListOf(kinds.ADDRESS_PORT),
        "Addresses that are asked for the certificate that they show, besides the cluster's own.",
        default=(),
    )
    interval: int = setting(
        kinds.whole(15, 3600), "Every how many seconds the metrics made here are made again.", default=60
    )


@settings
class ConsulPackage:
    """The package of Consul."""

    name: str = setting(kinds.PACKAGE, "The name of the package.", default="consul")
    version: str = setting(
        kinds.DEBIAN_VERSION,
        "The exact version; it also decides the form of the configuration. From 1.8.1 on.",
    )


@settings
class Check:
    """How the agent on a service's own server sees that it is well: one of `http` and `tcp`."""

    http: str | None = setting(
        kinds.url("http", "https", example="http://127.0.0.1:8080/health"),
        "The URL that answers with a status from 200 to 299.",
        default=None,
    )
    tcp: str | None = setting(kinds.ADDRESS_PORT, "The address that accepts a connection.", default=None)
    interval: int = setting(kinds.whole(1, 3600), "Every how many seconds.", default=10)
    timeout: int = setting(
        kinds.whole(1, 300), "After how many seconds without an answer it failed.", default=5
    )


@settings
class Service:
    """A service outside Kubernetes, on some servers of the datacenter."""

    servers: tuple[str, ...] = setting(
        ListOf(kinds.MINION_GLOB, minimum=1),
        "The servers that run it: minion ids, or globs with `*` and `?`.",
    )
    port: int = setting(kinds.whole(1, 65535), "Its port.")
    tags: tuple[str, ...] = setting(ListOf(kinds.SERVICE), "Its tags: `TAG.NAME.service.consul`.", default=())
    check: Check = setting(Section(Check), "How to see that it is well.")


@settings
class Consul:
    """The datacenter's Consul."""

    package: ConsulPackage = setting(Section(ConsulPackage), "The package of Consul.")
    servers: Mapping[str, str] = setting(
        MapOf(kinds.MINION, kinds.ADDRESS),
        "The Consul servers, 1, 3 or 5: minion ids, each by name, with the address that the others reach.",
    )
    services: Mapping[str, Service] = setting(
        MapOf(kinds.SERVICE, Section(Service, label="a service")),
        "Services outside Kubernetes. `node-exporter` and `kubernetes` are always there by themselves.",
        default={},
    )

    @property
    def version(self) -> tuple[int, int, int]:
        """Return the version of Consul, of its package's."""
        numbers = re.match(r"(?:\d+:)?(\d+)\.(\d+)\.(\d+)", self.package.version)
        if numbers is None:
            raise ValueError(f"{self.package.version} is no version of Consul")
        major, minor, patch = numbers.groups()
        return int(major), int(minor), int(patch)


@settings
class Datacenter:
    """What all servers of one datacenter share."""

    name: str = setting(
        kinds.IDENTIFIER,
        "The datacenter's name, also in Consul. It is the name of the file; written here too, it must be so.",
        derived="the name of the file",
    )
    servers: tuple[str, ...] = setting(
        ListOf(kinds.MINION_GLOB, minimum=1),
        "Its servers, in clusters or not: minion ids, or globs with `*` and `?`. A server is in one of them.",
    )
    repository: Repository | None = setting(
        Section(Repository),
        "The apt repository with the packages of Consul and node_exporter.",
        default=None,
        derived="the apt sources that the servers have already",
    )
    monitoring: Monitoring = setting(Section(Monitoring), "What is measured on every server.", default={})
    consul: Consul | None = setting(Section(Consul), "The datacenter's Consul.", default=None, derived="none")

    def has(self, server: str) -> bool:
        """Whether a server is in the datacenter, by its minion id."""
        return names(self.servers, server)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, defaults filled in; `datacenters.from_dict` reads it back."""
        data: dict[str, Any] = plain(self)
        return data
