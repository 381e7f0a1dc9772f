"""CoreDNS on more than one node: kubeadm starts both replicas on the first, where they would die together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.cluster.api import Api, Json
from k8s_lifecycle.cluster.readiness import is_ready
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.kubeadm_config import CONTROL_PLANE_TAINT

DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
PODS = "/api/v1/namespaces/kube-system/pods"


def spread(api: Api, timeout: float) -> dict[str, Any]:
    """Start CoreDNS anew if all of it sits on one of several nodes; return its nodes, and whether it was."""
    if not crowded(api, api.get("/api/v1/nodes")["items"]):
        return {"changed": False, "nodes": sorted(_nodes(api))}
    restarted = {"annotations": {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}}
    api.merge(DEPLOYMENT, {"spec": {"template": {"metadata": restarted}}})
    _wait_until_rolled_out(api, timeout)
    return {"changed": True, "nodes": sorted(_nodes(api))}


def crowded(api: Api, nodes: Sequence[Json]) -> bool:
    """Whether all replicas of CoreDNS sit on one of several nodes that they could share."""
    deployment = api.find(DEPLOYMENT)
    if deployment is None or deployment["spec"]["replicas"] < 2:  # noqa: PLR2004
        return False
    taken = _nodes(api)
    return len(taken) == 1 and _room(nodes, taken)


def _nodes(api: Api) -> set[str]:
    pods = api.get(PODS, labelSelector="k8s-app=kube-dns")["items"]
    return {
        pod["spec"]["nodeName"]
        for pod in pods
        if pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]
    }


def _room(nodes: Sequence[Json], taken: set[str]) -> bool:
    """Whether there is another node that CoreDNS, which tolerates control planes, may run on."""
    return any(
        is_ready(node)
        and node["metadata"]["name"] not in taken
        and not node["spec"].get("unschedulable")
        and {taint["key"] for taint in node["spec"].get("taints", ())} <= {CONTROL_PLANE_TAINT}
        for node in nodes
    )


def _wait_until_rolled_out(api: Api, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not _rolled_out(api.get(DEPLOYMENT)):
        if time.monotonic() > deadline:
            raise HostError(
                f"CoreDNS is not whole {timeout:.0f} s after its restart — look at "
                "`kubectl -n kube-system describe pods -l k8s-app=kube-dns`"
            )
        time.sleep(0.5)


def _rolled_out(deployment: Json) -> bool:
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    return observed and counts == [wanted] * 3
