"""What the SLS lay out on a server for Consul, besides its agent's own configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle import code
from k8s_lifecycle.discovery.cluster import CONFIGURATION, Configuration
from k8s_lifecycle.discovery.situation import membership
from k8s_lifecycle.model import consul
from k8s_lifecycle.model.consul import Membership
from k8s_lifecycle.model.datacenter import Datacenter


def desired(datacenter: Datacenter, server: str, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be laid out. cluster: the pillar `k8s`."""
    place = membership(cluster)
    return {
        "elected": _elected(datacenter, server, place, cluster),
        "path": str(code.UTILS),
        "code": code.fingerprint(),
        "pods_dns": _only_pods(cluster) if consul.answers_pods(datacenter, place) else None,
        **{kind: consul.resolver(datacenter, server, kind) for kind in ("dnsmasq", "resolved")},
    }


def _elected(
    datacenter: Datacenter, server: str, place: Membership | None, cluster: Mapping[str, Any]
) -> str | None:
    if datacenter.consul is None or place is None or place.role != consul.CONTROL_PLANE:
        return None
    names, pods = datacenter.consul.kubernetes.get(place.cluster, ()), datacenter.consul.dns.pods
    if not (names or pods or CONFIGURATION.exists()):
        return None
    address = cluster["spec"]["control_plane"]["endpoint"]["address"]
    return Configuration(server, place.cluster, place.environment, address, tuple(names), pods).text()


def _only_pods(cluster: Mapping[str, Any]) -> str:
    """Return a table of our own for nft: a neighbour could send to the address, too, by this server's MAC."""
    networks = f"{cluster['spec']['networks']['pods']}, {consul.PODS_DNS}"
    return (
        "table inet k8s_consul\n"
        "delete table inet k8s_consul\n"
        "table inet k8s_consul {\n"
        "  chain input {\n"
        "    type filter hook input priority filter - 5; policy accept;\n"
        f"    ip daddr {consul.PODS_DNS} ip saddr != {{ {networks} }} drop\n"
        "  }\n"
        "}\n"
    )
