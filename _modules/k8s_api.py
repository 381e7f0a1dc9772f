"""The Kubernetes API of a cluster, asked and changed through this control plane server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster import dns, init_objects, objects, servers, smoke, view
from k8s_lifecycle.cluster import nodes as nodes_
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.model import addon
from k8s_lifecycle.model import spec as specs

__virtualname__ = "k8s_api"

__salt__: dict[str, Callable[..., Any]]


def cluster_view() -> dict[str, Any]:
    """
    Return the cluster as this server's own API server and etcd member see it now.

    Returns ``reachable`` and, where it is not, ``error``; otherwise version, ca, etcd (members, or error),
    nodes, cluster_configuration, kubelet_configuration, phases (what kubeadm init leaves in the API;
    network_addon: the content hash of the one installed), auto_approve, admissions and lease.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.cluster_view
    """
    return view.look()


def apply(fence: int, manifests: list[dict[str, Any]]) -> dict[str, list[str]]:
    """
    Make objects be as given (server-side apply); fields that somebody else set are taken over.

    fence
        The fencing number of the run.
    manifests
        The objects, in the order in which they are made.

    Returns the objects that were not so before: ``changed``.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.apply 7 '[{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name":
        "apps"}}]'
    """
    with failures.told("applying manifests"):
        fencing.admit(fence)
        return {"changed": objects.apply(Api.local(), manifests)}


def network_addon(fence: int, spec: dict[str, Any]) -> dict[str, list[str]]:
    """
    Apply the network addon that the spec asks for.

    fence
        The fencing number of the run.
    spec
        The cluster's spec, as plain data.

    Returns the objects that were not so before: ``changed``.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.network_addon 7 '{...}'
    """
    with failures.told("applying the network addon"):
        fencing.admit(fence)
        wanted = specs.from_dict(spec)
        kind, source = wanted.network_addon.kind, wanted.network_addon.source
        if kind == "none":
            return {"changed": []}
        template = _cached(source) if kind == "manifest" else ""
        return {"changed": objects.apply(Api.local(), addon.manifests(wanted, template))}


def restrict_bootstrap(fence: int) -> dict[str, bool]:
    """
    Delete the binding by which any bootstrap token gets a certificate for any node at once.

    kubeadm init and kubeadm upgrade make it; requests are approved one by one instead (``k8s_admission``).

    fence
        The fencing number of the run.

    Returns whether it was there: ``changed``.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.restrict_bootstrap 7
    """
    with failures.told("restricting bootstrap tokens"):
        fencing.admit(fence)
        return {"changed": Api.local().delete(init_objects.AUTO_APPROVE)}


def settle_node(
    fence: int,
    node: str,
    labels: dict[str, str],
    taints: list[dict[str, str]],
    remove_startup_taint: bool = False,
) -> dict[str, bool]:
    """
    Give a node exactly the labels and taints of its pool. What others put on it stays.

    fence
        The fencing number of the run.
    node
        The node's name.
    labels
        The labels of its pool.
    taints
        The taints of its pool, each with key, effect and, if it has one, value.
    remove_startup_taint
        True: open the node for pods, since its smoke check has passed.

    Returns whether that changed it: ``changed``.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.settle_node 7 dc1-w-1 '{"tier": "db"}' '[]' remove_startup_taint=True
    """
    with failures.told(f"settling node {node}"):
        fencing.admit(fence)
        api = Api.local()
        changed = nodes_.settle(api, node, labels, taints, remove_startup_taint=remove_startup_taint)
        return {"changed": changed}


def delete_node(fence: int, node: str) -> dict[str, bool]:
    """
    Delete a node from the cluster. Its server is not touched, nor is its etcd member.

    fence
        The fencing number of the run.
    node
        The node's name.

    Returns whether it was there: ``changed``.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.delete_node 7 dc1-w-1
    """
    with failures.told(f"deleting node {node}"):
        fencing.admit(fence)
        api = Api.local()
        changed = nodes_.delete(api, node)
        servers.forget(api, node)
        return {"changed": changed}


def wait_ready(node: str, timeout: float = 180) -> dict[str, Any]:
    """
    Wait until a node is Ready.

    node
        The node's name.
    timeout
        For how many seconds.

    Returns the node: name, ready, version, labels, taints, unschedulable and addresses. Raises an error with
    the kubelet's reason if it is not Ready by then.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.wait_ready dc1-w-1 timeout=60
    """
    with failures.told(f"waiting for node {node}"):
        return view.node(nodes_.wait_ready(Api.local(), node, timeout))


def smoke_check(
    fence: int, spec: dict[str, Any], nodes: list[str], timeout: float = 180
) -> dict[str, dict[str, Any]]:
    """
    Check each of these nodes by a pod that resolves a Service's name and reaches a pod on another node.

    Nothing of it stays. The other node is any Ready one; where there is none, that part is left out.

    fence
        The fencing number of the run.
    spec
        The cluster's spec, as plain data.
    nodes
        The names of the nodes.
    timeout
        For how many seconds in all.

    Returns for each node ``ok`` and ``detail``: which part failed, and how.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.smoke_check 7 '{...}' '[dc1-w-1]'
    """
    with failures.told(f"checking {', '.join(nodes)} by pods"):
        fencing.admit(fence)
        return smoke.check(Api.local(), specs.from_dict(spec), nodes, timeout)


def spread_dns(fence: int, timeout: float = 90) -> dict[str, Any]:
    """
    Put CoreDNS on more than one node, once there is a second one that it may run on.

    fence
        The fencing number of the run.
    timeout
        For how many seconds to wait for it.

    Returns ``changed`` and the ``nodes`` that it runs on.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.spread_dns 7
    """
    with failures.told("spreading CoreDNS"):
        fencing.admit(fence)
        return dns.spread(Api.local(), timeout)


def _cached(source: str) -> str:
    path = __salt__["cp.cache_file"](source)
    if not path:
        raise CommandExecutionError(
            f"{source} is not on the master's file server: put it there, or correct network_addon.source"
        )
    return Path(path).read_text(encoding="utf-8")
