"""Metrics of Kubernetes itself: who may ask for them, and whom Prometheus asks in a cluster.

The API server, kubelets and CoreDNS are asked as a user of the cluster that may do this and nothing else.
etcd, controller manager and scheduler listen on loopback, and etcd's metrics are for everybody there, so a
proxy on each control plane asks them for that user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.model.consul import CONTROL_PLANE, KUBELET_PORT, NODE_ROLES
from k8s_lifecycle.model.kubeadm_config import API_SERVER_PORT
from k8s_lifecycle.model.settings import Spec

USER, PROXY_USER = "k8s-lifecycle:prometheus", "k8s-lifecycle:metrics-proxy"
# The proxy's certificate is for this name only: with an address it would pass for the API server's there.
PROXY_NAME = "metrics-proxy.k8s-lifecycle"
# What the proxy asks on its own server, by the name that is also the first part of the path.
PROXIED = {
    "etcd": "127.0.0.1:2381",
    "kube-controller-manager": "127.0.0.1:10257",
    "kube-scheduler": "127.0.0.1:10259",
}
CREDENTIALS = "/etc/prometheus/k8s/clusters"
KEY = f"{CREDENTIALS}/client.key"
DNS_PORT = 9153

_RBAC = "rbac.authorization.k8s.io"
_ADDRESS = r"(.+):\d+"


@dataclass(frozen=True)
class Cluster:
    """A cluster that is asked. api: host and port of its endpoint."""

    name: str
    environment: str
    api: str

    @classmethod
    def of(cls, spec: Spec) -> Cluster:
        """Return what is asked of the cluster of a spec; by its address, which needs no DNS."""
        endpoint = spec.control_plane.endpoint
        return cls(spec.name, spec.environment, f"{endpoint.address or endpoint.host}:{endpoint.port}")

    @property
    def certificate(self) -> str:
        """Return the path of the certificate that Prometheus asks with."""
        return f"{CREDENTIALS}/{self.name}.crt"

    @property
    def authority(self) -> str:
        """Return the path of the certificate of the cluster's CA."""
        return f"{CREDENTIALS}/{self.name}.ca"


def jobs(cluster: Cluster, targets: str, proxy_port: int) -> list[dict[str, Any]]:
    """Return whom Prometheus asks in a cluster.

    targets: the directory of the files that k8s_targets.py makes. proxy_port: of the proxy on control planes.
    """
    nodes, dns = f"{targets}/node.json", f"{targets}/coredns-{cluster.name}.json"
    kubelets = [_keep("role", "|".join(NODE_ROLES)), _port(KUBELET_PORT)]
    control_planes, proxy = [_keep("role", CONTROL_PLANE)], {"server_name": PROXY_NAME}
    return [
        _job(cluster, "kubelet", nodes, kubelets),
        _job(cluster, "cadvisor", nodes, kubelets, path="/metrics/cadvisor"),
        _job(cluster, "apiserver", nodes, [*control_planes, _port(API_SERVER_PORT)]),
        *(
            _job(
                cluster, name, nodes, [*control_planes, _port(proxy_port)], path=f"/{name}/metrics", tls=proxy
            )
            for name in PROXIED
        ),
        # Pods cannot be reached from everywhere, so the API server asks them. Their paths are in the file.
        _job(cluster, "coredns", dns, []),
    ]


def rbac() -> list[dict[str, Any]]:
    """Return the objects by which both users may do what they need."""
    metrics = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    kubelets = {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}
    dns = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]},
    ]
    return [
        *_granted(USER, [metrics, kubelets]),
        *_granted(USER, dns, "kube-system"),
        *_granted(PROXY_USER, [metrics]),
    ]


def _job(
    cluster: Cluster,
    name: str,
    file: str,
    relabelled: Iterable[Mapping[str, Any]],
    *,
    path: str = "/metrics",
    tls: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "job_name": f"{cluster.name}/{name}",
        "scheme": "https",
        "metrics_path": path,
        "tls_config": {
            "ca_file": cluster.authority,
            "cert_file": cluster.certificate,
            "key_file": KEY,
            **(tls or {}),
        },
        "follow_redirects": False,
        "file_sd_configs": [{"files": [file]}],
        "relabel_configs": [
            _keep("cluster", cluster.name),
            *relabelled,
            # A job has a name of its own for each cluster; rules and people know it by this one.
            {"target_label": "job", "replacement": name},
        ],
    }


def _keep(label: str, value: str) -> dict[str, Any]:
    return {"action": "keep", "source_labels": [label], "regex": value}


def _port(port: int) -> dict[str, Any]:
    return {
        "source_labels": ["__address__"],
        "regex": _ADDRESS,
        "target_label": "__address__",
        "replacement": f"${{1}}:{port}",
    }


def _granted(user: str, rules: list[dict[str, Any]], namespace: str = "") -> Iterator[dict[str, Any]]:
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": user, **({"namespace": namespace} if namespace else {})}
    common = {"apiVersion": f"{_RBAC}/v1", "metadata": metadata}
    yield {**common, "kind": kind, "rules": rules}
    yield {
        **common,
        "kind": f"{kind}Binding",
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": user},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
    }
