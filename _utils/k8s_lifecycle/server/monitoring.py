"""What is measured on a server, laid out for the SLS: node_exporter, the metrics made here, the firewall."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from k8s_lifecycle.model.cluster_metrics import PROXIED, USER
from k8s_lifecycle.model.consul import (
    CONTROL_PLANE,
    EXPORTERS,
    HTTP_PORT,
    KUBELET_HEALTH,
    NODE_ROLES,
    Membership,
    exporters,
)
from k8s_lifecycle.model.datacenter import Datacenter, NodeExporter
from k8s_lifecycle.model.hold import ANNOTATION
from k8s_lifecycle.model.prometheus import GOSSIP_PORT
from k8s_lifecycle.model.settings import Repository
from k8s_lifecycle.server import packages

PROGRAM = "/usr/bin/prometheus-node-exporter"
TEXTFILES = "/var/lib/prometheus/node-exporter"
WEB_CONFIG = "/etc/prometheus/node-exporter/web.yml"
KEYRING = "/etc/apt/keyrings/k8s-site.asc"
HIGHSTATE = "/var/lib/k8s-lifecycle/highstate.json"
CONTAINERD = "/run/containerd/containerd.sock"
KUBELET_CONFIG = "/etc/kubernetes/kubelet.conf"
AUTHORITY = Path("/etc/kubernetes/pki/ca.crt")

_AGENTS = ("prometheus-node-exporter",)
_OF_A_NODE = ("containerd", "kubelet")
_PORTS = ("127.0.0.1:10250",)
# Of these, kubeadm leaves one or more on a server that it makes a node, and reset leaves none.
_NODE_FILES = (
    KUBELET_CONFIG,
    "/etc/kubernetes/bootstrap-kubelet.conf",
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/pki/ca.crt",
    "/var/lib/kubelet/config.yaml",
    "/var/lib/etcd/member",
)
_CONTROL_PLANE_PORTS = ("127.0.0.1:2379", "127.0.0.1:6443", "127.0.0.1:10257", "127.0.0.1:10259")
# Pods come and go by the thousand: what each of them mounts and plugs in is the kubelet's to tell.
_NO_MOUNTS = "^/(dev|proc|run|sys|var/lib/(containerd|kubelet/pods))($|/)"
_NO_DEVICES = "^(cali|lxc|veth).*$"
_UNITS = "^(chrony|consul|containerd|haproxy|k8s-.+|keepalived|kubelet|salt-minion|ssh)[.](service|timer)$"


def repository(datacenter: Datacenter, of_cluster: Repository | None) -> dict[str, str] | None:
    """Return the apt source of a datacenter's repository; None where the cluster's is the same."""
    source = datacenter.repository
    if source is None or (of_cluster and (source.url, source.suite) == (of_cluster.url, of_cluster.suite)):
        return None
    return packages.source(source, KEYRING)


def desired(datacenter: Datacenter, server: str, membership: Membership | None) -> dict[str, Any]:
    """Return what the SLS of a server lay out."""
    exporter = datacenter.monitoring.node_exporter
    return {
        "options": options(exporter),
        "web_config": WEB_CONFIG if exporter.tls else None,
        "basic_auth": exporter.basic_auth,
        "textfile": json.dumps(_textfile(datacenter, server, membership), indent=2, sort_keys=True) + "\n",
        "interval": datacenter.monitoring.interval,
        "firewall": _firewall(datacenter, server, membership),
    }


def metrics_proxy(
    datacenter: Datacenter, membership: Membership | None, authority: Path = AUTHORITY
) -> dict[str, Any] | None:
    """Return what the SLS of a control plane lay out for its proxy; None where there is to be none."""
    prometheus = datacenter.monitoring.prometheus
    is_control_plane = membership is not None and membership.role == CONTROL_PLANE and authority.exists()
    if prometheus is None or not is_control_plane:
        return None
    return {"port": prometheus.proxy_port, "user": USER, "asked": PROXIED}


def options(exporter: NodeExporter) -> list[str]:
    """Return node_exporter's options: https://github.com/prometheus/node_exporter"""
    collectors = sorted({*exporter.collectors, "textfile"})
    settings = {
        "filesystem": ("--collector.filesystem.mount-points-exclude", _NO_MOUNTS),
        "netdev": ("--collector.netdev.device-exclude", _NO_DEVICES),
        "systemd": ("--collector.systemd.unit-include", _UNITS),
        "textfile": ("--collector.textfile.directory", TEXTFILES),
    }
    return [
        "--collector.disable-defaults",
        *(f"--collector.{name}" for name in collectors),
        *("=".join(settings[name]) for name in collectors if name in settings),
        f"--web.listen-address=:{exporter.port}",
        *([f"--web.config.file={WEB_CONFIG}"] if exporter.tls else []),
    ]


def _textfile(datacenter: Datacenter, server: str, membership: Membership | None) -> dict[str, Any]:
    """Return what the metrics made here look at."""
    role = membership.role if membership else ""
    is_node = role in NODE_ROLES
    ports = (*(_PORTS if is_node else ()), *(_CONTROL_PLANE_PORTS if role == CONTROL_PLANE else ()))
    consul_servers = datacenter.consul.servers if datacenter.consul else {}
    agents = (*_AGENTS, *(("consul",) if datacenter.consul else ()))
    return {
        "certificate_files": list(datacenter.monitoring.certificate_files),
        "certificate_ports": list(datacenter.monitoring.certificate_ports),
        "node_files": list(_NODE_FILES),
        "node_ports": list(ports),
        "services": [*agents, *(_OF_A_NODE if is_node else ())],
        "kubelet": KUBELET_HEALTH if is_node else None,
        "containerd": CONTAINERD if is_node else None,
        "node": {"name": server.lower(), "kubeconfig": KUBELET_CONFIG, "hold": ANNOTATION}
        if is_node
        else None,
        "consul": f"http://127.0.0.1:{HTTP_PORT}/v1" if server in consul_servers else None,
        "highstate": HIGHSTATE,
        "interval": datacenter.monitoring.interval,
    }


def _firewall(datacenter: Datacenter, server: str, membership: Membership | None) -> str | None:
    """Return a table of our own for nft, which touches nothing of others; None if it is empty."""
    rules = list(_closed(datacenter, server, membership))
    if not rules:
        return None
    return (
        "table inet k8s_monitoring\n"
        "delete table inet k8s_monitoring\n"
        "table inet k8s_monitoring {\n"
        "  chain input {\n"
        "    type filter hook input priority filter - 5; policy accept;\n"
        '    iifname "lo" accept\n'
        f"{''.join(_rule(*rule) for rule in rules)}"
        "  }\n"
        "}\n"
    )


def _closed(
    datacenter: Datacenter, server: str, membership: Membership | None
) -> Iterator[tuple[str, int, list[str]]]:
    """Yield the ports of a server that only some may reach: protocol, port, their networks."""
    exporter, prometheus = datacenter.monitoring.node_exporter, datacenter.monitoring.prometheus
    central = datacenter.monitoring.central
    askers = [f"{address}/32" for address in prometheus.servers.values()] if prometheus else []
    if exporter.allow_from is not None:
        yield "tcp", exporter.port, [*exporter.allow_from, *askers]
    for kind in exporters(datacenter, server) if datacenter.consul else ():
        yield "tcp", EXPORTERS[kind][1], askers
    if prometheus and membership and membership.role == CONTROL_PLANE:
        yield "tcp", prometheus.proxy_port, askers
    if central and server in central.servers:
        yield "tcp", central.port, [*central.allow_from, *askers]
    if prometheus and server in prometheus.servers:
        for port in (prometheus.port, prometheus.alertmanager.port):
            yield "tcp", port, [*prometheus.allow_from, *askers]
        yield "tcp", GOSSIP_PORT, askers
        yield "udp", GOSSIP_PORT, askers


def _rule(protocol: str, port: int, networks: list[str]) -> str:
    # nft refuses networks that overlap, and a set of none.
    allowed = ", ".join(map(str, ipaddress.collapse_addresses(map(ipaddress.IPv4Network, networks))))
    accepted = f"    {protocol} dport {port} ip saddr {{ {allowed} }} accept\n" if allowed else ""
    return f"{accepted}    {protocol} dport {port} drop\n"
