"""Which server each node is, and its addresses: the ConfigMap kube-system/k8s-lifecycle-servers.

It is written when a server is admitted, by who admits it. A kubelet's request for a serving certificate is
held against it: what a node says about itself is not enough.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from k8s_lifecycle.cluster.api import Api, ConflictError

COLLECTION = "/api/v1/namespaces/kube-system/configmaps"
NAME = "k8s-lifecycle-servers"


def record(api: Api, node: str, server: str, addresses: Sequence[str]) -> None:
    """Record one node's server and addresses."""
    entry = {node: json.dumps({"server": server, "addresses": list(addresses)})}
    if api.find(f"{COLLECTION}/{NAME}") is None:
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {}}
        with suppress(ConflictError):  # another server was recorded meanwhile; the merge adds this one
            api.create(COLLECTION, manifest)
    api.merge(f"{COLLECTION}/{NAME}", {"data": entry})


def forget(api: Api, node: str) -> None:
    """Forget a node that is gone."""
    if api.find(f"{COLLECTION}/{NAME}"):
        api.merge(f"{COLLECTION}/{NAME}", {"data": {node: None}})


def addresses(api: Api) -> dict[str, frozenset[str]]:
    """Return the recorded addresses of each node."""
    return {node: frozenset(found) for node, found in _recorded(api).items()}


def shown(api: Api) -> dict[str, str]:
    """Return the address that each node shows to the others."""
    return {node: found[0] for node, found in _recorded(api).items()}


def _recorded(api: Api) -> dict[str, list[str]]:
    found = api.find(f"{COLLECTION}/{NAME}") or {}
    return {node: json.loads(entry)["addresses"] for node, entry in found.get("data", {}).items()}
