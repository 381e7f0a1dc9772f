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
    "/etc/k8s-metrics-proxy/*.pem",
    "/etc/prometheus/k8s/clusters/*.crt",
)
# Of Prometheus, by the names that rules and people know.
JOBS = (
    "alertmanager", "apiserver", "cadvisor", "central", "coredns", "couchbase", "etcd",
    "kube-controller-manager", "kube-scheduler", "kubelet", "mysqld", "node", "prometheus", "redis",
)  # fmt: skip
# How many samples a target may show, and how large its answer may be: several times what was ever seen.
USUAL_LIMIT = (20_000, "32MB")
LARGER_LIMITS = {
    "apiserver": (200_000, "256MB"),
    "cadvisor": (200_000, "128MB"),
    "couchbase": (100_000, "64MB"),
    "kubelet": (50_000, "64MB"),
}
# What dashboards show of all datacenters at once, and that each is there. What else one wants to know of a
# server is asked where it is: sent on, it would be many times as much.
SENT_ON = (
    "ALERTS", "up", "*:*", "k8s_*",
    "node_boot_time_seconds", "node_cpu_seconds_total", "node_disk_io_time_seconds_total",
    "node_disk_read_bytes_total", "node_disk_written_bytes_total", "node_load1", "node_load15",
    "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", "node_memory_SwapFree_bytes",
    "node_memory_SwapTotal_bytes", "node_netstat_Tcp_RetransSegs", "node_network_receive_bytes_total",
    "node_network_receive_drop_total", "node_network_receive_errs_total", "node_network_transmit_bytes_total",
    "node_network_transmit_drop_total", "node_network_transmit_errs_total", "node_os_info",
    "node_pressure_cpu_waiting_seconds_total", "node_pressure_io_waiting_seconds_total",
    "node_pressure_memory_waiting_seconds_total", "node_timex_maxerror_seconds", "node_timex_offset_seconds",
    "node_uname_info", "prometheus_sd_file_mtime_seconds",
)  # fmt: skip


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
    allow_from: tuple[str, ...] | None = setting(
        ListOf(kinds.CIDR),
        "The networks that may reach its port, and the Prometheus servers; the firewall refuses others.",
        default=None,
        derived="everybody",
    )


@settings
class Email:
    """Whom alerts are sent to as e-mail. The relay must know this server: there is no password."""

    to: str = setting(kinds.EMAIL, "The address that gets it.")
    sender: str = setting(kinds.EMAIL, "The address that it comes from.")
    relay: str = setting(kinds.ADDRESS_PORT, "The mail server that takes it, with STARTTLS.")


@settings
class Alertmanager:
    """Who is told of alerts: at least one of `webhook` and `email`."""

    port: int = setting(kinds.whole(1, 65535), "The port that it listens on.", default=9093)
    webhook: str | None = setting(
        kinds.WEB_URL, "The URL that alerts are posted to, with nothing secret in it.", default=None
    )
    email: Email | None = setting(Section(Email), "Whom alerts are sent to as e-mail.", default=None)
    watchdog: str | None = setting(
        kinds.WEB_URL,
        "The URL that is posted to every minute, always: who misses it knows that alerts do not arrive.",
        default=None,
    )


def _limits(which: int) -> str:
    larger = ", ".join(f"{job} {limit[which]}" for job, limit in LARGER_LIMITS.items())
    return f"{USUAL_LIMIT[which]}; {larger}"


@settings
class Limit:
    """How much each target of a job of Prometheus may say. One that says more counts as down."""

    samples: int | None = setting(
        kinds.whole(1, 10_000_000),
        "How many samples, without those that are not kept anyway.",
        default=None,
        derived=_limits(0),
    )
    size: str | None = setting(
        kinds.SIZE,
        "How large its answer may be.",
        default=None,
        derived=_limits(1),
    )


@settings
class Prometheus:
    """The datacenter's Prometheus servers, each with an Alertmanager beside it."""

    servers: Mapping[str, str] = setting(
        MapOf(kinds.MINION, kinds.ADDRESS),
        "Minion ids, each by name, with the address that the others reach. Two do the same, each for itself.",
    )
    environment: str = setting(
        kinds.IDENTIFIER, "The environment of what is in no cluster; a node has its cluster's."
    )
    interval: int = setting(
        kinds.whole(5, 300), "Every how many seconds all are asked, and rules looked at.", default=30
    )
    retention: str = setting(kinds.DURATION, "How long what they said is kept.", default="15d")
    retention_size: str | None = setting(
        kinds.SIZE,
        "How large that may become on disk before the oldest goes.",
        default=None,
        derived="no limit",
    )
    port: int = setting(kinds.whole(1, 65535), "The port that Prometheus listens on.", default=9090)
    tls: bool = setting(
        kinds.FLAG,
        "`true`: Prometheus and Alertmanager with TLS only: `prometheus.certificate` of the secrets.",
        default=False,
    )
    basic_auth: bool = setting(
        kinds.FLAG,
        "`true`: with `tls` only; both ask for a user and password, the secret `prometheus.users`.",
        default=False,
    )
    allow_from: tuple[str, ...] = setting(
        ListOf(kinds.CIDR),
        "The networks that may reach both, besides the Prometheus servers; the firewall refuses others.",
        default=(),
        derived="the Prometheus servers only",
    )
    proxy_port: int = setting(
        kinds.whole(1, 65535),
        "The port of control planes on which Prometheus, and nobody else, is shown the metrics of etcd, "
        "controller manager and scheduler.",
        default=10280,
    )
    remote_write: str | None = setting(
        kinds.url("https", example="https://central.example:9090/api/v1/write"),
        "The URL of the central Prometheus that figures are sent on to, as the user DATACENTER.",
        default=None,
        derived="they stay here",
    )
    remote_write_metrics: tuple[str, ...] = setting(
        ListOf(kinds.METRIC_GLOB, minimum=1),
        "The metrics that are sent on: names, in which `*` stands for anything. `['*']`: all.",
        default=SENT_ON,
        derived="what dashboards show, and what rules record",
    )
    limits: Mapping[str, Limit] = setting(
        MapOf(kinds.JOB, Section(Limit, label="a limit")),
        f"How much a target may say, by the name of its job: {', '.join(JOBS)}.",
        default={},
    )
    apiserver_histograms: bool = setting(
        kinds.FLAG,
        "`true`: the histograms of API servers are kept, which are most of what they show. No rule or "
        "dashboard here uses them.",
        default=False,
    )
    alertmanager: Alertmanager = setting(Section(Alertmanager), "Who is told of alerts.")


@settings
class Central:
    """The central Prometheus, which others send their figures on to; with TLS and a password only."""

    servers: Mapping[str, str] = setting(
        MapOf(kinds.MINION, kinds.ADDRESS),
        "Minion ids, each by name, with its address; servers of this datacenter without a Prometheus.",
    )
    retention: str = setting(kinds.DURATION, "How long what was sent is kept.", default="90d")
    retention_size: str | None = setting(
        kinds.SIZE,
        "How large that may become on disk before the oldest goes.",
        default=None,
        derived="no limit",
    )
    port: int = setting(kinds.whole(1, 65535), "The port that it listens on.", default=9090)
    allow_from: tuple[str, ...] = setting(
        ListOf(kinds.CIDR), "The networks that may reach it; the firewall refuses others.", default=()
    )


@settings
class Monitoring:
    """What is measured on every server, and who asks."""

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
    prometheus: Prometheus | None = setting(
        Section(Prometheus), "The datacenter's Prometheus servers.", default=None, derived="none"
    )
    central: Central | None = setting(
        Section(Central),
        "The central Prometheus, in one of the datacenters.",
        default=None,
        derived="elsewhere, or none",
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
    exporter: str | None = setting(
        kinds.choice("redis", "mysqld", "couchbase"),
        "What makes metrics of it for Prometheus, beside it on each of its servers. Couchbase does so "
        "itself, and `port` is its administration port with TLS, 18091.",
        default=None,
        derived="nothing",
    )


@settings
class Dns:
    """Who finds names of `consul.` by the usual way, besides who asks Consul's own port on a server."""

    pods: bool = setting(
        kinds.FLAG,
        "`true`: pods, through CoreDNS, of the clusters whose control planes are in the datacenter.",
        default=False,
    )
    dnsmasq: tuple[str, ...] = setting(
        ListOf(kinds.MINION_GLOB),
        "Servers that resolve names by their dnsmasq, which is told of Consul: minion ids, or globs.",
        default=(),
    )
    resolved: tuple[str, ...] = setting(
        ListOf(kinds.MINION_GLOB),
        "The same for systemd-resolved, where the other name servers are those of links.",
        default=(),
    )


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
        "Services outside Kubernetes. Those of servers, nodes and monitoring are there by themselves.",
        default={},
    )
    kubernetes: Mapping[str, tuple[str, ...]] = setting(
        MapOf(kinds.CLUSTER_NAME, ListOf(kinds.SERVICE_GLOB, minimum=1)),
        "Clusters whose annotated Services are in Consul, each with the names that these may have there, "
        "such as `[shop, 'pay-*']`: `*` stands for any end. A name is a cluster's or servers', never both.",
        default={},
    )
    dns: Dns = setting(Section(Dns), "Who finds names of `consul.` by the usual way.", default={})

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
        "The apt repository with the packages of Consul and of monitoring.",
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
