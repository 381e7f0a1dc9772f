"""A cluster as this control plane server sees it through its own API server and its own etcd member."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from k8s_lifecycle.cluster import (
    approver,
    bootstrap_token,
    dns,
    holds,
    init_objects,
    lease,
    network_addon,
    nodes,
)
from k8s_lifecycle.cluster.api import KUBERNETES_DIRECTORY, Api, ForbiddenError, Json, KubernetesError
from k8s_lifecycle.cluster.etcd import Etcd, EtcdError
from k8s_lifecycle.cluster.readiness import is_ready
from k8s_lifecycle.model.versions import Version
from k8s_lifecycle.server import authority

TIMEOUT = 5.0

_PHASES = {
    "kubeadm_config": "upload-config/kubeadm",
    "kubelet_config": "upload-config/kubelet",
    "cluster_info": "bootstrap-token",
    "bootstrap_rbac": "bootstrap-token",
    "coredns": "addon/coredns",
    "kube_proxy": "addon/kube-proxy",
}


def glance(directory: Path = KUBERNETES_DIRECTORY) -> dict[str, Any]:
    """Return what identifies the cluster, and its lock; where the API server does not answer, the reason."""
    return _told(_glimpse, directory)


def look(directory: Path = KUBERNETES_DIRECTORY) -> dict[str, Any]:
    """Return the cluster as plain data; where the API server does not answer, only the reason."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        etcd = beside.submit(members, directory)
        told = _told(_seen, directory)
        return {**told, "etcd": etcd.result()} if told["reachable"] else told


def members(directory: Path = KUBERNETES_DIRECTORY) -> dict[str, Any]:
    """Return etcd's members, or the reason why they are not known."""
    try:
        return Etcd(directory / "pki/etcd").membership().to_dict()
    except EtcdError as error:
        return {"error": str(error)}


def brief(directory: Path = KUBERNETES_DIRECTORY) -> dict[str, Any]:
    """Return the version and the nodes of this server's cluster; without an answer of its API, the reason."""
    try:
        api = Api.local(directory, TIMEOUT)
        return overview(api.get("/version"), api.get(nodes.NODES)["items"])
    except KubernetesError as error:
        return {"reachable": False, "error": str(error)}


def overview(version: Mapping[str, Any], found: Sequence[Json]) -> dict[str, Any]:
    """Return what an inventory has of a cluster, from what its API says of itself and of its nodes."""
    return {
        "reachable": True,
        "version": version["gitVersion"].removeprefix("v"),
        "nodes": [_in_brief(one) for one in found],
    }


def version(api: Api) -> Version:
    """Return the version of the API server."""
    return Version.parse(api.get("/version")["gitVersion"].partition("-")[0].partition("+")[0])


def _told(see: Callable[[Api], dict[str, Any]], directory: Path) -> dict[str, Any]:
    """Tell what is seen, and of which cluster; where the API server does not answer, only the reason."""
    try:
        seen = _as_admin(see, directory)
    except KubernetesError as error:
        return {"reachable": False, "error": str(error)}
    return {"reachable": True, "ca": authority.local(directory / "pki/ca.crt"), **seen}


def _as_admin(see: Callable[[Api], dict[str, Any]], directory: Path) -> dict[str, Any]:
    """See as the administrator; before init has given him his rights, as kubeadm itself."""
    try:
        return see(Api.local(directory, TIMEOUT))
    except ForbiddenError:
        return see(Api.local(directory, TIMEOUT, user="super-admin"))


def _glimpse(api: Api) -> dict[str, Any]:
    claim = lease.claim(lease.find(api))
    return {"version": str(version(api)), "lease": claim.to_dict() if claim else None}


def _seen(api: Api) -> dict[str, Any]:
    there = init_objects.phases_there(api)
    found = api.get(nodes.NODES)["items"]
    return {
        **_glimpse(api),
        "nodes": [node(one) for one in found],
        "cluster_configuration": _configuration(api, init_objects.KUBEADM_CONFIG, "ClusterConfiguration"),
        "kubelet_configuration": _configuration(api, init_objects.KUBELET_CONFIG, "kubelet"),
        "phases": {
            **{name: phase in there for name, phase in _PHASES.items()},
            "network_addon": network_addon.installed(api),
        },
        "dns_crowded": dns.crowded(api, found),
        "auto_approve": api.find(init_objects.AUTO_APPROVE) is not None,
        "admissions": [_admission(secret) for secret in bootstrap_token.listed(api) if _is_admission(secret)],
    }


def node(found: Json) -> dict[str, Any]:
    """Return what matters of a Node object."""
    status, spec = found["status"], found["spec"]
    return {
        "name": found["metadata"]["name"],
        "ready": is_ready(found),
        "version": status["nodeInfo"]["kubeletVersion"].removeprefix("v"),
        "labels": found["metadata"].get("labels", {}),
        "taints": [
            {field: taint[field] for field in ("key", "value", "effect") if field in taint}
            for taint in spec.get("taints", ())
        ],
        "unschedulable": spec.get("unschedulable", False),
        "settled": nodes.settled(found),
        "hold": hold.to_dict() if (hold := holds.of(found)) else None,
        "addresses": [
            address["address"] for address in status.get("addresses", ()) if address["type"] == "InternalIP"
        ],
    }


def _in_brief(found: Json) -> dict[str, Any]:
    info = found["status"]["nodeInfo"]
    seen = node(found)
    kept = {key: seen[key] for key in ("name", "ready", "version", "unschedulable", "hold", "addresses")}
    return {**kept, "os": info["osImage"], "kernel": info["kernelVersion"]}


def _configuration(api: Api, path: str, key: str) -> dict[str, Any] | None:
    found = api.find(path)
    return yaml.safe_load(found["data"][key]) if found else None


def _is_admission(secret: Json) -> bool:
    return approver.NODE in secret["metadata"].get("annotations", {})


def _admission(secret: Json) -> Mapping[str, Any]:
    annotations = secret["metadata"]["annotations"]
    return {
        "token_id": bootstrap_token.text(secret, "token-id"),
        "minion": annotations[approver.MINION],
        "node": annotations[approver.NODE],
        "expires": bootstrap_token.expires(secret),
    }
