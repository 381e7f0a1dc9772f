"""CoreDNS on more than one node: kubeadm starts both replicas on the first, where they would die together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from k8s_lifecycle.cluster.api import Api, Json
from k8s_lifecycle.cluster.readiness import is_ready
from k8s_lifecycle.model.kubeadm_config import CONTROL_PLANE_TAINT

DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
PODS = "/api/v1/namespaces/kube-system/pods"


def spread(api: Api, timeout: float) -> dict[str, Any]:
    """Move one replica of CoreDNS if all sit on one of several nodes.

    Returns whether it did, the nodes, and whether every replica is Ready, for which it waits.

    One pod is deleted, and no rollout started: CoreDNS' anti-affinity keeps the new one away from those that
    stay, while a rollout's new pods only keep away from the old ones, and meet again elsewhere.
    """
    if not crowded(api, api.get("/api/v1/nodes")["items"]):
        return {"changed": False, "nodes": sorted(_nodes(api)), "whole": True}
    moved = _pods(api)[0]["metadata"]
    api.delete(f"{PODS}/{moved['name']}")
    whole = _whole_within(api, moved["uid"], timeout)
    return {"changed": True, "nodes": sorted(_nodes(api)), "whole": whole}


def crowded(api: Api, nodes: Sequence[Json]) -> bool:
    """Whether all replicas of CoreDNS sit on one of several nodes that they could share."""
    deployment = api.find(DEPLOYMENT)
    if deployment is None or deployment["spec"]["replicas"] < 2:  # noqa: PLR2004
        return False
    taken = _nodes(api)
    return len(taken) == 1 and _room(nodes, taken)


def _pods(api: Api) -> list[Json]:
    pods = api.get(PODS, labelSelector="k8s-app=kube-dns")["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def _nodes(api: Api) -> set[str]:
    return {pod["spec"]["nodeName"] for pod in _pods(api) if pod["spec"].get("nodeName")}


def _room(nodes: Sequence[Json], taken: set[str]) -> bool:
    """Whether there is another node that CoreDNS, which tolerates control planes, may run on."""
    return any(
        is_ready(node)
        and node["metadata"]["name"] not in taken
        and not node["spec"].get("unschedulable")
        and {taint["key"] for taint in node["spec"].get("taints", ())} <= {CONTROL_PLANE_TAINT}
        for node in nodes
    )


def _whole_within(api: Api, moved: str, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not (whole := _whole(api, moved)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return whole


def _whole(api: Api, moved: str) -> bool:
    pods = _pods(api)
    ready = [pod for pod in pods if is_ready(pod) and pod["metadata"]["uid"] != moved]
    return len(ready) >= int(api.get(DEPLOYMENT)["spec"]["replicas"])
