"""Nodes of the cluster: settle one, wait for one, delete one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from k8s_lifecycle.cluster.api import Api, ConflictError, Json
from k8s_lifecycle.cluster.readiness import is_ready
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.kubeadm_config import STARTUP_TAINT

NODES = "/api/v1/nodes"
SETTLED = "k8s-lifecycle/settled"
ATTEMPTS = 10

Taint = Mapping[str, str]


def settle(
    api: Api, name: str, labels: Mapping[str, str], taints: Sequence[Taint], *, remove_startup_taint: bool
) -> bool:
    """Give a node exactly these labels and taints of its pool; return whether that changed it."""
    _, changed = change(
        api,
        name,
        "its labels and taints were",
        lambda node: settlement(node, labels, taints, remove_startup_taint=remove_startup_taint),
    )
    return changed


def change(api: Api, name: str, what: str, patch_of: Callable[[Json], Json | None]) -> tuple[Json, bool]:
    """Change a node as it is in that moment; return it as it is then, and whether that changed it.

    patch_of: returns the patch for a Node object; None where nothing is to be done. what: what is written,
    for the error of a node that others change all the time.
    """
    path = f"{NODES}/{name}"
    for _ in range(ATTEMPTS):
        node = api.get(path)
        patch = patch_of(node)
        if patch is None:
            return node, False
        version = {"resourceVersion": node["metadata"]["resourceVersion"]}
        try:
            return api.merge(path, {**patch, "metadata": {**patch.get("metadata", {}), **version}}), True
        except ConflictError:  # the kubelet and controllers write to it, too
            continue
    raise HostError(f"node {name} changed {ATTEMPTS} times while {what} written: try again")


def settlement(
    node: Json, labels: Mapping[str, str], taints: Sequence[Taint], *, remove_startup_taint: bool
) -> Json | None:
    """Return the patch that gives a node these labels and taints; None where it has them.

    What a pool no longer asks for is removed, what others put on the node stays: an annotation remembers
    which is which.
    """
    metadata = node["metadata"]
    before = settled(node) or {"labels": [], "taints": []}
    have = node["spec"].get("taints", [])
    ours = {_identity(taint) for taint in taints} | {tuple(taint) for taint in before["taints"]}
    if remove_startup_taint:
        ours |= {(STARTUP_TAINT, taint["effect"]) for taint in have if taint["key"] == STARTUP_TAINT}
    wanted = [taint for taint in have if _identity(taint) not in ours] + [_compact(taint) for taint in taints]
    after = {"labels": sorted(labels), "taints": sorted(list(_identity(taint)) for taint in taints)}
    changed_labels = {
        **{key: None for key in before["labels"] if key not in labels and key in metadata["labels"]},
        **{key: value for key, value in labels.items() if metadata["labels"].get(key) != value},
    }
    if not changed_labels and _same(wanted, have) and after == before:
        return None
    return {
        "metadata": {
            "labels": changed_labels,
            "annotations": {SETTLED: json.dumps(after)},
        },
        "spec": {"taints": wanted},
    }


def settled(node: Json) -> Json | None:
    """Return the labels and taints that a node was given for its pool; None before it was given any."""
    said = node["metadata"].get("annotations", {}).get(SETTLED)
    found: Json | None = json.loads(said) if said else None
    return found


def wait_ready(api: Api, name: str, timeout: float) -> str:
    """Wait until a node is Ready; return why it is not by then, empty if it is."""
    deadline = time.monotonic() + timeout
    while True:
        node = api.find(f"{NODES}/{name}")
        if node and is_ready(node):
            return ""
        if time.monotonic() > deadline:
            return _why_not(node)
        time.sleep(0.5)


def wait_not_ready(api: Api, name: str, timeout: float) -> str:
    """Wait until a node is not Ready, or not there; return what it says if it is Ready by then."""
    deadline = time.monotonic() + timeout
    while (node := api.find(f"{NODES}/{name}")) and is_ready(node):
        if time.monotonic() > deadline:
            return "its kubelet still reports"
        time.sleep(0.5)
    return ""


def delete(api: Api, name: str) -> bool:
    """Delete a node from the cluster; return whether it was there."""
    return api.delete(f"{NODES}/{name}")


def _why_not(node: Json | None) -> str:
    if node is None:
        return "it is not in the cluster — look at `journalctl -u kubelet` on its server"
    conditions = {condition["type"]: condition for condition in node["status"].get("conditions", ())}
    said = conditions.get("Ready", {}).get("message") or "its kubelet has not reported yet"
    return f"{said} — look at `journalctl -u kubelet` on its server, and at the pod network"


def _identity(taint: Taint) -> tuple[str, str]:
    return taint["key"], taint["effect"]


def _compact(taint: Taint) -> dict[str, Any]:
    return {field: value for field, value in taint.items() if value}


def _same(some: Sequence[Taint], others: Sequence[Taint]) -> bool:
    def plain(taints: Sequence[Taint]) -> list[tuple[str, str, str]]:
        return sorted((*_identity(taint), taint.get("value", "")) for taint in taints)

    return plain(some) == plain(others)
