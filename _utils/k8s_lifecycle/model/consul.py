"""Consul's own configuration: what an agent is told, in its version's form, and what it registers.

Forms: https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.model.datacenter import Check, Consul, Datacenter
from k8s_lifecycle.model.settings import names

CONFIG = "/etc/consul.d"
DATA = "/var/lib/consul"
AUTHORITY, CERTIFICATE, KEY = (f"{CONFIG}/tls/{name}.pem" for name in ("authority", "server", "server-key"))
HTTP_PORT, DNS_PORT = 8500, 8600

NODE_EXPORTER, KUBERNETES = "node-exporter", "kubernetes"
PROMETHEUS, ALERTMANAGER, CENTRAL = "prometheus", "alertmanager", "prometheus-central"
OWN_SERVICES = ("consul", NODE_EXPORTER, KUBERNETES, PROMETHEUS, ALERTMANAGER, CENTRAL)
# Exporters of services by their kind: the name in Consul, and the port.
EXPORTERS = {"redis": ("redis-exporter", 9121), "mysqld": ("mysqld-exporter", 9104)}
# It needs no exporter: https://docs.couchbase.com/server/current/manage/monitor/set-up-prometheus-for-monitoring.html
COUCHBASE, COUCHBASE_METRICS = "couchbase", "couchbase-metrics"
KUBELET_PORT, KUBELET_HEALTH = 10250, "http://127.0.0.1:10248/healthz"
CONTROL_PLANE = "control-plane"
NODE_ROLES = (CONTROL_PLANE, "worker")

# Who has no token may look up nodes and services, and nothing else: that is what DNS answers with, and what
# other datacenters ask, whose tokens are worth nothing here.
CATALOGUE_POLICY = "k8s-lifecycle-catalogue"
CATALOGUE_RULES = 'node_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" }\n'

# What a control plane may write for the Services of its cluster: the one node that stands for the cluster,
# and the names that are the cluster's. No server is called like that node: no host name has an underscore.
CLUSTER_POLICY = "k8s-lifecycle-cluster-"
CLUSTER_NODE = "k8s_"

# Where pods ask for names of `consul.`: on their own server, wherever they run. Nothing outside reaches it.
PODS_DNS = "169.254.20.53"

# As long as Consul lets one wait for a server that is off, before it forgets it: ten years.
_NEVER = "87600h"

# What autopilot is told: a Consul server that is off is no reason to forget it, as with all others.
AUTOPILOT = {"CleanupDeadServers": False}

# What the management token is called in a Consul server's configuration, since 1.11 and before.
MANAGEMENT = ("initial_management", "master")

_NAMESPACE = uuid.UUID("5b1f4a0e-5d0c-4b43-9d5b-8d3c6a6d1b0f")
_TLS_SECTION = (1, 12, 0)
_INITIAL_MANAGEMENT = (1, 11, 0)
_GRPC_TLS = (1, 14, 0)


@dataclass(frozen=True)
class Membership:
    """A server's place in a cluster: `cluster`, `role` and `pool`, as the pillar `k8s` has them."""

    cluster: str
    environment: str
    role: str
    pool: str | None


def agent(
    datacenter: Datacenter,
    server: str,
    address: str,
    peers: Mapping[str, Sequence[str]],
    membership: Membership | None = None,
) -> dict[str, Any]:
    """Return an agent's configuration but for its secrets and services.

    address: the one that other servers reach. peers: the Consul servers of the other datacenters.
    """
    consul = _consul(datacenter)
    is_server = server in consul.servers
    others = [other for name, other in consul.servers.items() if name != server]
    return {
        "datacenter": datacenter.name,
        "node_name": server,
        # With another one, a server that comes back with an empty disk would find its name taken.
        "node_id": _id(f"node/{datacenter.name}/{server}"),
        "data_dir": DATA,
        "bind_addr": address,
        "client_addr": "127.0.0.1",
        **({"addresses": {"dns": f"127.0.0.1 {PODS_DNS}"}} if answers_pods(datacenter, membership) else {}),
        "ports": {"grpc": -1, **({"grpc_tls": -1} if consul.version >= _GRPC_TLS else {})},
        "retry_join": others,
        "acl": {"enabled": True, "default_policy": "deny", "down_policy": "extend-cache"},
        "disable_update_check": True,
        # A server that reboots is missing until it is back; it is forgotten only when somebody says so. By
        # itself Consul would forget it after three days, and with it what Prometheus misses.
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": True,
        "reconnect_timeout": _NEVER,
        **_tls(consul.version, is_server),
        **(_server(consul, peers) if is_server else {"auto_encrypt": {"tls": True}}),
    }


def secrets(
    consul: Consul, gossip_key: str, agent_token: str, management_token: str | None
) -> dict[str, Any]:
    """Return the secret part of an agent's configuration; only Consul servers have a management token."""
    since, before = MANAGEMENT
    first = since if consul.version >= _INITIAL_MANAGEMENT else before
    tokens = {"agent": agent_token, **({first: management_token} if management_token else {})}
    return {"encrypt": gossip_key, "acl": {"tokens": tokens}}


def place(membership: Membership | None) -> dict[str, str]:
    """Return a server's place in a cluster, as its minion id gives it: Prometheus takes it for labels.

    It is the node's, which its own token alone may write; services have names that others may write, too.
    """
    if membership is None:
        return {}
    found = {"environment": membership.environment, "cluster": membership.cluster, "role": membership.role}
    return {**found, "pool": membership.pool} if membership.pool else found


def services(datacenter: Datacenter, server: str, membership: Membership | None) -> list[dict[str, Any]]:
    """Return the service definitions of a server, without the token that registers them."""
    found = [_node_exporter(datacenter), *_monitoring(datacenter, server)]
    if membership and membership.role in NODE_ROLES:
        found.append(_kubernetes(membership))
    for name, service in sorted(_consul(datacenter).services.items()):
        if names(service.servers, server):
            found.append(_definition(name, service.port, service.tags, _check(service.check)))
    for kind in exporters(datacenter, server):
        name, port = EXPORTERS[kind]
        found.append(_definition(name, port, (), _answers(port, "/", tls=False)))
    measured = _measured(datacenter, server)
    if COUCHBASE in measured:
        port = measured[COUCHBASE]
        found.append(_definition(COUCHBASE_METRICS, port, (), _answers(port, "/", tls=True)))
    return found


def exporters(datacenter: Datacenter, server: str) -> dict[str, int]:
    """Return the kinds of exporters on a server, with the ports of the services that they look into."""
    measured = _measured(datacenter, server)
    return {kind: port for kind, port in measured.items() if kind in EXPORTERS}


def has_couchbase(datacenter: Datacenter) -> bool:
    """Whether Prometheus asks any Couchbase."""
    services = datacenter.consul.services.values() if datacenter.consul else ()
    return any(service.exporter == COUCHBASE for service in services)


def _measured(datacenter: Datacenter, server: str) -> dict[str, int]:
    """Return the kinds of services on a server that have metrics, with their ports."""
    return {
        service.exporter: service.port
        for service in _consul(datacenter).services.values()
        if service.exporter and names(service.servers, server)
    }


def service_names(datacenter: Datacenter, server: str, membership: Membership | None) -> list[str]:
    """Return the services that a server may register: by its minion id, nothing it says of itself."""
    return [definition["name"] for definition in services(datacenter, server, membership)]


def answers_pods(datacenter: Datacenter, membership: Membership | None) -> bool:
    """Whether pods run on a server that are to find names of `consul.`."""
    return _consul(datacenter).dns.pods and membership is not None and membership.role in NODE_ROLES


def resolver(datacenter: Datacenter, server: str, kind: str) -> bool:
    """Whether a server resolves names by `dnsmasq` or `resolved`, which is to be told of Consul."""
    return names(getattr(_consul(datacenter).dns, kind), server)


def writes_for(datacenter: Datacenter, membership: Membership | None) -> str | None:
    """Return the cluster whose Services a server may write into the catalogue: its control planes may."""
    if membership is None or membership.role != CONTROL_PLANE:
        return None
    return membership.cluster if membership.cluster in _consul(datacenter).kubernetes else None


def cluster_policy(cluster: str) -> str:
    """Return the name of a cluster's policy."""
    return f"{CLUSTER_POLICY}{cluster}"


def cluster_node(cluster: str) -> str:
    """Return the name of the node that stands for a cluster."""
    return f"{CLUSTER_NODE}{cluster}"


def cluster_policies(datacenter: Datacenter) -> dict[str, str]:
    """Return the rules of the policy of each cluster, by the policy's name."""
    clusters = _consul(datacenter).kubernetes
    return {cluster_policy(name): _cluster_rules(name, may) for name, may in clusters.items()}


def _cluster_rules(cluster: str, names_: Sequence[str]) -> str:
    rules = [f'node "{cluster_node(cluster)}"', *map(_service_rule, names_)]
    return "".join(f'{rule} {{ policy = "write" }}\n' for rule in rules)


def _service_rule(name: str) -> str:
    return f'service_prefix "{name[:-1]}"' if name.endswith("*") else f'service "{name}"'


def accessor(datacenter: str, server: str) -> str:
    """Return the public id of a server's token: always the same, so that a server has one token only."""
    return _id(f"token/{datacenter}/{server}")


def token(datacenter: str, server: str, service_names: Sequence[str]) -> dict[str, Any]:
    """Return a server's token as the ACL system has it: it may register this node and these services."""
    return {
        "AccessorID": accessor(datacenter, server),
        "Description": f"k8s-lifecycle: the agent on {server}",
        "Local": True,
        "NodeIdentities": [{"NodeName": server, "Datacenter": datacenter}],
        "ServiceIdentities": [{"ServiceName": name} for name in service_names],
    }


def cluster_accessor(datacenter: str, server: str) -> str:
    """Return the public id of the token with which a control plane writes for its cluster."""
    return _id(f"cluster-token/{datacenter}/{server}")


def cluster_token(datacenter: str, server: str, cluster: str) -> dict[str, Any]:
    """Return the token with which a control plane writes the Services of its cluster."""
    return {
        "AccessorID": cluster_accessor(datacenter, server),
        "Description": f"k8s-lifecycle: Services of {cluster}, by {server}",
        "Local": True,
        "Policies": [{"Name": cluster_policy(cluster)}],
    }


def _id(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))


def _consul(datacenter: Datacenter) -> Consul:
    if datacenter.consul is None:
        raise ValueError(f"{datacenter.name}.yaml has no `consul`")
    return datacenter.consul


def _server(consul: Consul, peers: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {
        "server": True,
        "bootstrap_expect": len(consul.servers),
        "retry_join_wan": [address for _, addresses in sorted(peers.items()) for address in addresses],
        # Agents get their certificates from the servers, against their ACL token.
        "auto_encrypt": {"allow_tls": True},
        "connect": {"enabled": True},
        "reconnect_timeout_wan": _NEVER,
        # Of the time when Consul begins; later it is kept in Raft: see AUTOPILOT.
        "autopilot": {"cleanup_dead_servers": False},
    }


def _tls(version: tuple[int, int, int], is_server: bool) -> dict[str, Any]:
    """Only who shows a certificate gets in, and only who shows a Consul server's is taken for one."""
    own = {"cert_file": CERTIFICATE, "key_file": KEY} if is_server else {}
    if version < _TLS_SECTION:
        checks = {"verify_incoming_rpc": True, "verify_outgoing": True, "verify_server_hostname": True}
        return {"ca_file": AUTHORITY, **own, **checks}
    rpc = {"verify_incoming": True, "verify_server_hostname": True}
    return {"tls": {"defaults": {"ca_file": AUTHORITY, "verify_outgoing": True, **own}, "internal_rpc": rpc}}


def _node_exporter(datacenter: Datacenter) -> dict[str, Any]:
    exporter = datacenter.monitoring.node_exporter
    return _definition(NODE_EXPORTER, exporter.port, (), _answers(exporter.port, "/", exporter.tls))


def _monitoring(datacenter: Datacenter, server: str) -> list[dict[str, Any]]:
    prometheus, central = datacenter.monitoring.prometheus, datacenter.monitoring.central
    if central and server in central.servers:
        return [_definition(CENTRAL, central.port, (), _answers(central.port, "/", tls=True))]
    if prometheus is None or server not in prometheus.servers:
        return []
    ports = {PROMETHEUS: prometheus.port, ALERTMANAGER: prometheus.alertmanager.port}
    return [
        _definition(name, port, (), _answers(port, "/-/ready", prometheus.tls))
        for name, port in ports.items()
    ]


def _answers(port: int, path: str, tls: bool) -> dict[str, Any]:
    """Behind TLS and a password it is only seen that something listens."""
    where = f"127.0.0.1:{port}"
    check = {"tcp": where} if tls else {"http": f"http://{where}{path}"}
    return {**check, "interval": "15s", "timeout": "5s"}


def _kubernetes(membership: Membership) -> dict[str, Any]:
    tags = [membership.role, membership.cluster, *([membership.pool] if membership.pool else [])]
    check = {"http": KUBELET_HEALTH, "interval": "15s", "timeout": "5s"}
    return _definition(KUBERNETES, KUBELET_PORT, tags, check)


def _definition(name: str, port: int, tags: Sequence[str], check: Mapping[str, Any]) -> dict[str, Any]:
    named = {"id": f"{name}-check", "name": f"{name} is well", **check}
    return {"id": name, "name": name, "port": port, "tags": list(tags), "checks": [named]}


def _check(check: Check) -> dict[str, Any]:
    asked = {"http": check.http} if check.http else {"tcp": check.tcp}
    return {**asked, "interval": f"{check.interval}s", "timeout": f"{check.timeout}s"}
